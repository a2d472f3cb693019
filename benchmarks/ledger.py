"""A ledger of ten million intervals: what a user sees, and what a month's sum by group costs."""

from __future__ import annotations

import random
import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
from psycopg import sql

from benchmarks.measure import Samples, alternate, milliseconds
from benchmarks.processes import ControlService, Processes
from benchmarks.report import Figure, Goal, Section
from benchmarks.world import SUM_TOTALS, Size, fill, groups_of, make_platform, user
from perijove_hub.admission.service import AdmissionService
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.usage import UsageService
from tests.support.hub_api import running_hub

if TYPE_CHECKING:
    from benchmarks.run import Bench

USER_VIEW_MS = 100.0
MONTH_BY_GROUP_MS = 500.0

#: Every interval lasts an hour. A user has three of them on a day, in one session.
INTERVALS_A_DAY = 3


async def measure(bench: Bench) -> Section:
    """Measure."""
    size = Size(users=1000, active=200) if bench.quick else Size()
    intervals, rounds = (100_000, 10) if bench.quick else (10_000_000, 50)
    days = intervals // (size.users * INTERVALS_A_DAY) + 1
    platform, server = make_platform(size), bench.postgres
    address = server.ledger()
    database = Database(address)

    def clock() -> datetime:
        return datetime.now(UTC)

    with server.connect(address) as admin:
        await fill(AdmissionService(database, lambda: platform, clock), admin, platform, size)
        _replace_use(admin, size, days)
        count, folded = (_count(admin, table) for table in ("usage_entries", "usage_days"))
    usage = UsageService(database, lambda: platform, clock)
    today = datetime.now(platform.zone).date()
    mine, quotas, by_group, by_site = Samples("ms"), Samples("ms"), Samples("ms"), Samples("ms")
    numbers = random.Random(2).sample(range(size.users), rounds + 1)  # noqa: S311 - no secret
    with Processes(bench.new_directory("ledger")) as processes:
        async with running_hub() as hub:
            control = ControlService(processes, platform, address, hub_api_url=hub.url, hub_token=hub.own_token)
            clients = [control.client(token=hub.add(user(number), *groups_of(number, size))) for number in numbers]

            async def see_quotas(turn: int) -> None:
                await _get(clients[turn], "quotas", quotas)

            async def see_use(turn: int) -> None:
                since = today - timedelta(days=30)
                await _get(clients[turn], f"usage?since={since}&until={today}&by=day&by=site", mine)

            async def sum_by_group(turn: int) -> None:
                since = _month_before(today, turn % 3)
                with milliseconds(by_group):
                    await usage.rows(since, _month_before(since, -1) - timedelta(days=1), ["group"])

            async def sum_by_site(turn: int) -> None:
                since = _month_before(today, turn % 3)
                with milliseconds(by_site):
                    await usage.rows(since, _month_before(since, -1) - timedelta(days=1), ["day", "site"])

            for step in (see_quotas, see_use, sum_by_group, sum_by_site):
                await step(rounds)  # the connection is made, the token known, the plan cached
            for samples in (quotas, mine, by_group, by_site):
                samples.values.clear()
            await alternate(rounds, see_quotas, see_use, sum_by_group, sum_by_site)
            for client in clients:
                await client.aclose()
    await database.close()
    server.drop_databases()
    return Section(
        "A large ledger",
        f"{count:,} intervals of an hour over {days} days, folded into {folded:,} days of {size.users} users, "
        f"{size.groups} groups and {size.sites} sites, {size.active} sessions running; PostgreSQL.",
        [
            Figure("a user's view: `GET usage` of 30 days by day and site, over HTTP", mine, Goal(USER_VIEW_MS)),
            Figure("a user's view: `GET quotas`, over HTTP", quotas, Goal(USER_VIEW_MS)),
            Figure("a month's sum by group", by_group, Goal(MONTH_BY_GROUP_MS)),
            Figure("a month's sum by day and site", by_site),
        ],
    )


async def _get(client: httpx.AsyncClient, route: str, samples: Samples) -> None:
    with milliseconds(samples):
        answer = await client.get(route)
    answer.raise_for_status()
    if not answer.json()["items"]:
        raise RuntimeError(f"{route} answered with nothing")


def _month_before(day: date, months: int) -> date:
    """The first day of the month that is so many before this one."""
    month = day.year * 12 + day.month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


def _count(admin: psycopg.Connection[Any], table: str) -> int:
    return int(admin.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchall()[0][0])


def _replace_use(admin: psycopg.Connection[Any], size: Size, days: int) -> None:
    """Write the intervals, and fold them as the controller would have done; the indexes come afterwards."""
    begun = time.monotonic()
    admin.execute("TRUNCATE usage_entries, usage_days, usage_totals")
    indexes = [
        (name, definition)
        for name, definition in admin.execute(
            "SELECT indexname, indexdef FROM pg_indexes "
            "WHERE tablename IN ('usage_entries', 'usage_days', 'usage_totals') AND indexname NOT LIKE '%_pkey'"
        )
    ]
    for name, _ in indexes:
        admin.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    values = {
        "users": size.users, "groups": size.groups, "sites": size.sites, "days": days, "a_day": INTERVALS_A_DAY,
    }  # fmt: skip
    # in the order of time, as they would have come
    admin.execute(
        "INSERT INTO usage_entries (lease_id, owner, charge_to, site, kind, begins, ends, cpu, memory_gib, gpu, "
        "price_version, cost, entry, created) "
        "SELECT md5(n || '-' || d), 'user-' || lpad(n::text, 5, '0'), "
        "'group-' || lpad((n %% %(groups)s)::text, 2, '0'), "
        "'site-' || lpad(((n + d) %% %(sites)s)::text, 2, '0'), 'session', t, t + interval '1 hour', 1 + n %% 4, "
        "4 * (1 + n %% 4), 0, 'bench', 0.05, 'use', t + interval '1 hour' "
        "FROM generate_series(%(days)s, 1, -1) d, generate_series(0, %(a_day)s - 1) i, "
        "generate_series(0, %(users)s - 1) n, "
        "LATERAL (SELECT date_trunc('day', now()) - make_interval(days => d) + make_interval(hours => 8 + i) AS t) at",
        values,
    )
    admin.execute(
        "INSERT INTO usage_days (day, owner, charge_to, site, kind, cpu_hours, memory_gib_hours, gpu_hours, "
        "session_hours, cost) SELECT (begins AT TIME ZONE 'Europe/Madrid')::date, owner, charge_to, site, kind, "
        "sum(cpu), sum(memory_gib), sum(gpu), count(*), sum(cost) FROM usage_entries GROUP BY 1, 2, 3, 4, 5 "
        # day by day, as they are folded
        "ORDER BY 1, 2"
    )
    admin.execute(SUM_TOTALS)
    for _, definition in indexes:
        admin.execute(definition)
    admin.execute("VACUUM ANALYZE usage_entries, usage_days, usage_totals")
    print(f"  a ledger of that size was made in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
