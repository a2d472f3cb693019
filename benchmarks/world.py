"""A platform of the promised size: its policy in one object, and its ledger in PostgreSQL, filled in seconds."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from perijove.models import Inventory, LeasePatch, LeaseRequest, SeenAttempt
from perijove_hub.admission.service import AdmissionService
from perijove_hub.ledger.schema import leases
from perijove_hub.policy.models import Platform

#: A server as somebody would run it who cares about the data: commits wait for the disk.
POSTGRES = {
    "fsync": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "1GB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}


#: The days without their owners, as they are folded with them.
SUM_TOTALS = (
    "INSERT INTO usage_totals SELECT day, charge_to, site, kind, sum(cpu_hours), sum(memory_gib_hours), "
    "sum(gpu_hours), sum(session_hours), sum(cost) FROM usage_days GROUP BY 1, 2, 3, 4 ORDER BY 1"
)


@dataclass(frozen=True)
class Size:
    """How big the platform is."""

    users: int = 10_000
    active: int = 2_000
    sites: int = 20
    rules: int = 200
    groups: int = 60
    history_days: int = 30
    datasets: int = 50


def user(number: int) -> str:
    """The name of a user."""
    return f"user-{number:05}"


def groups_of(number: int, size: Size) -> list[str]:
    """The groups of a user: one that pays for each, a second one for every third."""
    groups = [f"group-{number % size.groups:02}"]
    return [*groups, f"group-{(number * 7 + 1) % size.groups:02}"] if number % 3 == 0 else groups


def wish(number: int, size: Size, **more: Any) -> LeaseRequest:
    """What a user asks for: one of four profiles, up to two datasets, and the own group to pay."""
    named = [f"data-{(number + each) % size.datasets:02}" for each in range(number % 3)]
    return LeaseRequest.model_validate(
        {
            "owner": user(number),
            "groups": groups_of(number, size),
            "charge_to": groups_of(number, size)[0],
            "kind": "session",
            "attempt_id": uuid.uuid4().hex,
            "profile": f"profile-{number % 4}",
            "datasets": named,
            **more,
        }
    )


def make_platform(size: Size) -> Platform:
    """Sites, profiles, datasets, and ``size.rules`` rules of every kind that there is."""
    today = date.today()
    said = {
        "time_zone": "Europe/Madrid",
        "sites": {f"site-{number:02}": _site(number, size) for number in range(size.sites)},
        "profiles": {
            f"profile-{number}": {"title": f"Profile {number}", "cpu": 1 + number, "memory_gib": 4 * (1 + number)}
            for number in range(4)
        },
        "datasets": {f"data-{number:02}": _dataset(number, size) for number in range(size.datasets)},
        "quotas": list(_quotas(size)),
        "allocations": [
            {
                "group": f"group-{size.groups - 1 - number:02}", "resource": "credits", "amount": 1_000_000,
                "start": today - timedelta(days=100), "end": today + timedelta(days=200),
            }
            for number in range(30)
        ],
    }  # fmt: skip
    return Platform.model_validate(said)


def _site(number: int, size: Size) -> dict[str, Any]:
    return {
        "kind": "local",
        "title": f"Site {number}",
        "region": f"region-{number % 5}",
        "capacity": {"cpu": 2000, "memory_gib": 16_000, "gpu": 64},
        "price": {"cpu_hour": 0.01 + 0.001 * number, "memory_gib_hour": 0.002, "gpu_hour": 0.6},
        "egress_price_gib": {"default": 0.02},
        "mounts_homes_of": [f"site-{other:02}" for other in range(size.sites) if other != number],
        "latency_ms": 5 * number,
        "labels": {"provider": "cloud" if number % 2 else "on-prem"},
    }


def _dataset(number: int, size: Size) -> dict[str, Any]:
    places = [(number + step) % size.sites for step in (0, 7)]
    replicas = [
        {"site": f"site-{place:02}", "url": "s3://some-data/", "credentials": {"kind": "anonymous"}} for place in places
    ]
    return {"title": f"Data {number}", "licence": "CC0", "size_bytes": (1 + number) * 2**30, "replicas": replicas}


def _quotas(size: Size) -> Iterator[dict[str, Any]]:
    """All the rules but the thirty allocations: for members of groups, for pools, for sites and for the platform."""
    left = size.rules - 30
    for number in range(size.groups):
        group = {"groups": [f"group-{number:02}"]}
        yield {"name": f"sessions-{number}", "applies_to": group, "resource": "sessions", "limit": 3 + number % 3}
    for number in range(40):
        group = {"groups": [f"group-{number:02}"]}
        yield {"name": f"pool-{number}", "applies_to": group, "per": "group", "resource": "cpu", "limit": 5000}
    for number in range(size.sites):
        site = {"sites": [f"site-{number:02}"]}
        yield {"name": f"site-{number}", "applies_to": site, "per": "site", "resource": "sessions", "limit": 1000}
    yield {"name": "everybody", "per": "platform", "resource": "sessions", "limit": size.active * 2}
    yield {"name": "all-day", "per": "platform", "resource": "cpu_hours", "limit": 1e9, "window": "day"}
    left -= size.groups + 40 + size.sites + 2
    for number in range(left):
        window = ("month", "week", "24h")[number % 3]
        group = {"groups": [f"group-{number % size.groups:02}"]}
        yield {
            "name": f"hours-{number}", "applies_to": group, "resource": "cpu_hours", "limit": 100_000, "window": window
        }  # fmt: skip


async def fill(service: AdmissionService, admin: psycopg.Connection[Any], platform: Platform, size: Size) -> None:
    """Put the leases, the homes, the use and the sites of a platform of this size into an empty ledger.

    One lease is made by admission itself; the others are copies of it with other owners, sites and states.
    """
    offer = await service.ask(wish(0, size))
    await service.move(offer.id, LeasePatch(state="starting", site=offer.candidates[0].site))
    await service.move(offer.id, LeasePatch(state="active"))
    _copy_leases(admin, offer.id, 1, size.active, size, state="active")
    _copy_leases(admin, offer.id, size.active, size.users, size, state="ended")
    admin.execute(
        "INSERT INTO homes (owner, site, since) SELECT 'user-' || lpad(n::text, 5, '0'), "
        "'site-' || lpad((n %% %(sites)s)::text, 2, '0'), now() FROM generate_series(1, %(users)s - 1) n",
        {"sites": size.sites, "users": size.users},
    )
    _fill_use(admin, size)
    for name in platform.sites:
        attempts = admin.execute("SELECT attempt_id FROM leases WHERE site = %s AND state = 'active'", [name])
        seen = [SeenAttempt(attempt_id=attempt, owned=True) for (attempt,) in attempts]
        await service.report(name, Inventory(observed_at=datetime.now(UTC), reachable=True, attempts=seen))
    admin.execute("ANALYZE")


def _copy_leases(
    admin: psycopg.Connection[Any], template: str, first: int, end: int, size: Size, *, state: str
) -> None:
    """Copies of a lease for the users from ``first`` to before ``end``, spread over sites and groups."""
    is_over = state == "ended"
    owner, site = sql.SQL("'user-' || lpad(n::text, 5, '0')"), sql.SQL("'site-' || lpad((n % {})::text, 2, '0')")
    other: Mapping[str, sql.Composable] = {
        "id": sql.SQL("md5('lease' || n)"),
        "attempt_id": sql.SQL("md5('attempt' || n)"),
        "owner": owner,
        "site": site.format(size.sites),
        "charge_to": sql.SQL("'group-' || lpad((n % {})::text, 2, '0')").format(size.groups),
        "state": sql.Literal(state),
        "cpu": sql.SQL("1 + n % 4"),
        "memory_gib": sql.SQL("4 * (1 + n % 4)"),
        "ended": sql.SQL("now()") if is_over else sql.NULL,
    }
    columns = [column.name for column in leases.columns]
    admin.execute(
        sql.SQL("INSERT INTO leases ({}) SELECT {} FROM leases, generate_series({}, {}) n WHERE id = {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(other.get(name, sql.Identifier(name)) for name in columns),
            first, end - 1, template,
        )
    )  # fmt: skip


def _fill_use(admin: psycopg.Connection[Any], size: Size) -> None:
    """Every user has used something on each day of the history, and the last two days are there in entries."""
    who = (
        "'user-' || lpad(n::text, 5, '0'), 'group-' || lpad((n %% %(groups)s)::text, 2, '0'), "
        "'site-' || lpad((n %% %(sites)s)::text, 2, '0'), 'session'"
    )
    values = {"groups": size.groups, "sites": size.sites, "users": size.users, "days": size.history_days}
    admin.execute(
        "INSERT INTO usage_days (day, owner, charge_to, site, kind, cpu_hours, memory_gib_hours, gpu_hours, "
        f"session_hours, cost) SELECT current_date - d, {who}, 4, 16, 0, 2, 0.1 "
        "FROM generate_series(0, %(users)s - 1) n, generate_series(0, %(days)s - 1) d",
        values,
    )
    admin.execute(SUM_TOTALS)
    admin.execute(
        "INSERT INTO usage_entries (lease_id, owner, charge_to, site, kind, begins, ends, cpu, memory_gib, gpu, "
        "price_version, cost, entry, created) "
        f"SELECT md5('past' || n || '-' || d), {who}, now() - make_interval(hours => 12 * d + 1), "
        "now() - make_interval(hours => 12 * d), 2, 8, 0, 'bench', 0.1, 'use', now() "
        "FROM generate_series(0, %(users)s - 1) n, generate_series(0, 3) d",
        values,
    )
