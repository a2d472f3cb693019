"""What must hold at every quiet point. Each check gives the sentences of what does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, func, select

from perijove_hub.ledger.schema import leases, refusals, usage_days, usage_entries, usage_totals
from tests.soak.bed import SITE_CPU
from tests.soak.player import History, Outage
from tests.soak.watcher import Life

OPEN = ("offered", "starting", "active")

#: What lies between the death of a server and its end on record, beside outages: the hub's poll, an inventory, a sweep,
#: and a machine that does other things as well.
BETWEEN = timedelta(seconds=4)

#: How long a call to a site that hangs is waited for.
HUNG = timedelta(seconds=8)

#: How far clocks and looks may be apart.
MARGIN = timedelta(seconds=1)

Rows = Sequence[RowMapping]


def read_leases(ledger: Connection) -> Rows:
    """Every lease that there ever was, oldest first."""
    return ledger.execute(select(leases).order_by(leases.c.created, leases.c.id)).mappings().all()


def every_start_is_clear(rows: Rows, history: History) -> Iterator[str]:
    """A lease is active, or over with a reason; who got no server was told why; who got one has a lease."""
    for row in rows:
        if row["state"] in ("offered", "starting"):
            yield f"lease {row['id']} of {row['owner']} is still {row['state']}"
        if row["state"] not in OPEN and not row["reason"]:
            yield f"lease {row['id']} of {row['owner']} is {row['state']} for no reason"
        if row["state"] not in OPEN and row["ended"] is None:
            yield f"lease {row['id']} of {row['owner']} is {row['state']} at no time"
    for answer in history.answers:
        if answer.status == 500 or (answer.status >= 400 and answer.outcome != "hub away" and len(answer.words) < 8):
            yield f"step {answer.step}: {answer.user}/{answer.server} got no reason: {answer.status} {answer.words!r}"
        if answer.outcome == "started" and not _has_lease(rows, answer.user, answer.server, answer.begun, answer.ended):
            yield f"step {answer.step}: {answer.user}/{answer.server} was started without a lease"


def refusals_are_kept(ledger: Connection, history: History) -> Iterator[str]:
    """Who was refused finds the refusal among the failed starts."""
    kept = ledger.execute(select(refusals.c.owner, refusals.c.name, refusals.c.at)).all()
    for answer in history.answers:
        if answer.outcome == "refused" and not any(
            owner == answer.user and name == answer.server and answer.begun - MARGIN <= at <= answer.ended + MARGIN
            for owner, name, at in kept
        ):
            yield f"step {answer.step}: the refusal of {answer.user}/{answer.server} is not on record: {answer.words}"


def nobody_passed_a_limit(rows: Rows, history: History) -> Iterator[str]:
    """When a lease was made, those before it and itself were within the limits of its user, its pool and all."""
    for row in rows:
        if not row["offer"]["candidates"]:
            continue  # taken up, not admitted
        at = row["created"]
        beside = [other for other in rows if other["created"] <= at and _released(other) > at]
        mine = sum(other["owner"] == row["owner"] for other in beside)
        checks = [
            ("three-each", f"user:{row['owner']}", float(mine)),
            ("twelve-in-all", "platform", float(len(beside))),
        ]
        if row["charge_to"] == "pool":
            checks.append(("pool-together", "group:pool", sum(o["cpu"] for o in beside if o["charge_to"] == "pool")))
        for quota, subject, held in checks:
            limit = history.highest_limit(quota, subject, at)
            if held > limit:
                yield f"{quota} of {subject}: {held:g} were held at {at:%H:%M:%S.%f}, and {limit:g} are allowed"


def no_site_is_overfull(rows: Rows) -> Iterator[str]:
    """What ran at a site at once fitted into it."""
    ran = [row for row in rows if row["started"] is not None]
    for row in ran:
        at = row["started"]
        held = sum(o["cpu"] for o in ran if o["site"] == row["site"] and o["started"] <= at < _released(o))
        if held > SITE_CPU[row["site"]]:
            yield f"{row['site']} held {held:g} cores at {at:%H:%M:%S.%f} and has {SITE_CPU[row['site']]:g}"


def entries_are_the_time_run(ledger: Connection, rows: Rows) -> Iterator[str]:
    """What is in the entries is what leases ran, to the second; and the days hold what is in the entries."""
    entries: dict[str, list[RowMapping]] = {}
    for entry in ledger.execute(select(usage_entries).order_by(usage_entries.c.id)).mappings():
        entries.setdefault(entry["lease_id"], []).append(entry)
    metered = {lease: sum(map(_seconds, of_lease)) for lease, of_lease in entries.items()}
    for row in rows:
        ran = 0.0
        if row["started"] is not None:
            until = row["metered_until"] if row["state"] == "active" else row["ended"]
            ran = max(0.0, (until - row["started"]).total_seconds())
        if abs(ran - metered.get(row["id"], 0.0)) > 0.05:
            told = "; ".join(
                f"{entry['begins']:%H:%M:%S.%f} to {entry['ends']:%H:%M:%S.%f} {entry['entry']} {entry['reason'] or ''}"
                for entry in entries.get(row["id"], ())
            )
            yield (
                f"{row['state']} lease {row['id']} of {row['owner']}/{row['name']} ran {ran:.2f} s and "
                f"{metered.get(row['id'], 0.0):.2f} s are in the entries: from {row['started']} to {row['ended']}, "
                f"metered until {row['metered_until']}, changed {row['changed']}, reason {row['reason']}; {told}"
            )
    for table in (usage_days, usage_totals):
        folded = ledger.execute(select(func.coalesce(func.sum(table.c.session_hours), 0.0))).scalar_one() * 3600
        if abs(folded - sum(metered.values())) > 0.5:
            yield f"{table.name} holds {folded:.1f} s and the entries {sum(metered.values()):.1f} s"


def _seconds(entry: RowMapping) -> float:
    seconds: float = (entry["ends"] - entry["begins"]).total_seconds()
    return seconds if entry["cpu"] > 0 else -seconds


def the_ledger_is_reality(rows: Rows, lives: Mapping[str, Life], outages: Sequence[Outage]) -> Iterator[str]:
    """Every server that ran had a lease from its birth to its death, and no lease ran without one."""
    by_attempt = {row["attempt_id"]: row for row in rows}
    for attempt, life in lives.items():
        row = by_attempt.get(attempt)
        if row is None:
            yield f"attempt {attempt} ran and no lease knows it"
            continue
        if row["started"] is None:
            continue  # it never came up: nobody pays for it
        if row["started"] < life.born - MARGIN:
            yield f"lease {row['id']} is paid from {row['started']} and its server was born at {life.born}"
        if row["ended"] is None or life.gone is None:
            continue
        late, early = row["ended"] - life.gone, life.seen - row["ended"]
        if late > BETWEEN + _out(outages, life.seen, row["ended"]):
            yield f"lease {row['id']} is paid for {late.total_seconds():.1f} s after its server was gone"
        if early > BETWEEN + _out(outages, row["ended"], life.seen):
            yield f"the server of lease {row['id']} ran {early.total_seconds():.1f} s that are not paid"
    for row in rows:
        if row["started"] is not None and row["attempt_id"] not in lives:
            ran = (row["ended"] or row["changed"]) - row["started"]
            if ran > MARGIN:
                yield f"lease {row['id']} ran {ran.total_seconds():.1f} s and nobody saw its server"


def _has_lease(rows: Rows, owner: str, name: str, begun: datetime, ended: datetime) -> bool:
    return any(
        row["owner"] == owner and row["name"] == name and begun - MARGIN <= row["created"] <= ended + MARGIN
        for row in rows
    )


def _released(row: RowMapping) -> datetime:
    """When it stopped to count: as it was closed, or, if it never came beyond an offer, as that ran out."""
    if row["state"] in OPEN:
        return datetime.max.replace(tzinfo=row["created"].tzinfo)
    was_offer = row["started"] is None and row["metered_until"] == row["created"] and not row["offer"]["starting"]
    return min(row["expires"], row["changed"]) if was_offer else row["changed"]


def _out(outages: Sequence[Outage], begun: datetime, ended: datetime) -> timedelta:
    """For how long, between two moments, something was out of order that keeps a death from being put on record.

    A site that hung keeps its last callers for a while after it works again.
    """
    total = timedelta()
    for outage in outages:
        over = (outage.ended or ended) + (HUNG if outage.part in SITE_CPU else timedelta())
        total += max(timedelta(), min(over, ended) - max(outage.begun, begun))
    return total
