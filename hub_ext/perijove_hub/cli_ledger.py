"""The command ``perijove ledger``: copies of the ledger, its tables, and whether it is whole."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

#: Exit codes: the ledger has a fault; the caller has to change something.
FAULTY, WRONG_USE = 1, 2

LEDGER_DESCRIPTION = """\
Copy the ledger, put a copy back, bring its tables to a version, and check that it is whole.
"""

LEDGER_EPILOG = """\
the ledger is where control and the controller were told to keep it:
  --database sqlite+aiosqlite:////var/lib/perijove/control.db
  --database postgresql+psycopg://perijove@db.example/perijove     the password goes into PGPASSWORD or ~/.pgpass

every night:
  perijove ledger backup --database URL /backup/ledger-$(date +%F)
after a crash:
  perijove ledger check --database URL
"""

BACKUP_DESCRIPTION = """\
Write a copy of the ledger to FILE, which must not exist yet and which only you may read. Control and the controller may
run meanwhile: the copy holds one moment. For PostgreSQL this runs pg_dump.
"""

RESTORE_DESCRIPTION = """\
Put FILE, a copy that `perijove ledger backup` wrote, in the place of the ledger. Stop control and the controller first;
while one of them runs this refuses. What was there before is kept, and its place is printed. All of the copy is put
back, or nothing changes. For PostgreSQL this runs pg_restore and psql.

Start control and the controller afterwards. What began since the copy was made and runs now gets its lease back from
what the sites show; what ended since then is closed.
"""

CHECK_DESCRIPTION = """\
Check that the file of the ledger is whole, which revision its tables have, and that the sums per day are those of the
entries. Changes nothing; the ledger may be in use. The exit code is 0 when all is well, and 1 when something is not.
"""


MIGRATE_DESCRIPTION = """\
Make the tables, or bring them to the version of this program, before control and the controller of this version start;
they do it themselves when they start. Two that migrate wait for each other.

With --to they go to an older revision, so that an older program can use them again: stop control and the controller
first. What that revision does not know is lost, so make a backup before.
"""

DIFFERENCE_DESCRIPTION = """\
After a copy was put back, say what reality and the ledger did not agree on: servers that ran and were taken up, leases
that were closed since nothing ran, and use that was taken back. Reconciling takes one inventory and one sweep.
"""


def add_ledger_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``ledger`` with its own commands."""
    ledger = commands.add_parser(
        "ledger",
        help="copy, restore, migrate and check the ledger",
        description=LEDGER_DESCRIPTION,
        epilog=LEDGER_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tasks = ledger.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, run, text, description in (
        ("backup", _backup, "write a copy to a file", BACKUP_DESCRIPTION),
        ("restore", _restore, "put a copy back", RESTORE_DESCRIPTION),
        ("check", _check, "say whether it is whole", CHECK_DESCRIPTION),
        ("migrate", _migrate, "bring its tables to this version", MIGRATE_DESCRIPTION),
        ("difference", _difference, "say what was reconciled", DIFFERENCE_DESCRIPTION),
    ):
        task = tasks.add_parser(
            name, help=text, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        task.add_argument(
            "--database",
            required=True,
            metavar="URL",
            help="of the ledger, as sqlite+aiosqlite:///control.db or postgresql+psycopg://USER@HOST/DATABASE",
        )
        if name in ("backup", "restore"):
            task.add_argument("file", type=Path, metavar="FILE", help="of the copy")
        if name == "migrate":
            task.add_argument(
                "--to", metavar="REVISION", help="as `perijove ledger check` of the older program says it"
            )
        if name == "difference":
            task.add_argument("--since", type=_moment, required=True, metavar="TIME", help="as 2026-01-31T12:00Z")
        task.set_defaults(run=_told(run))


def _told(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    def told(options: argparse.Namespace) -> int:
        from perijove_hub.ledger.engines import DatabaseError

        try:
            return run(options)
        except DatabaseError as error:
            print(f"perijove: {error}", file=sys.stderr)
            return WRONG_USE

    return told


def _backup(options: argparse.Namespace) -> int:
    from perijove_hub.ledger.backup import back_up

    back_up(options.database, options.file)
    print(f"{options.file}: a copy of the ledger, {options.file.stat().st_size} bytes.")
    return 0


def _restore(options: argparse.Namespace) -> int:
    from perijove_hub.ledger.backup import restore

    now = datetime.now(UTC)
    kept = restore(options.database, options.file, now)
    print(f"{options.file} is the ledger now." + (f" What was there before is {kept}." if kept else ""))
    print("Start control and the controller: what runs now gets its lease back from what the sites show. Then ask")
    print(f"  perijove ledger difference --since {now:%Y-%m-%dT%H:%M:%SZ} --database URL")
    return 0


def _check(options: argparse.Namespace) -> int:
    from perijove_hub.ledger.checking import check

    findings = check(options.database)
    for finding in findings:
        print(finding.sentence, file=sys.stdout if finding.is_good else sys.stderr)
    return 0 if all(finding.is_good for finding in findings) else FAULTY


def _migrate(options: argparse.Namespace) -> int:
    from perijove_hub.ledger.checking import known_revisions
    from perijove_hub.ledger.database import Database, newest_revision
    from perijove_hub.ledger.engines import DatabaseError, parse_address
    from perijove_hub.ledger.guards import take_guard

    if options.to is None:
        Database(options.database).migrate()
    elif options.to not in (known := known_revisions()):
        raise DatabaseError(f"--to: {options.to} is no revision that this program knows; expected one of {known}")
    else:
        # of several controls on PostgreSQL we do not know, but with them runs a controller
        guards = [take_guard(parse_address(options.database), role) for role in ("control", "controller")]
        try:
            Database(options.database).downgrade(options.to)
        finally:
            for guard in guards:
                if guard is not None:
                    guard.release()
    print(f"The tables are of revision {options.to or newest_revision()}.")
    return 0


def _difference(options: argparse.Namespace) -> int:
    import asyncio

    from perijove_hub.ledger.database import Database
    from perijove_hub.ledger.difference import Difference, difference_since

    async def ask() -> Difference:
        database = Database(options.database)
        try:
            return await difference_since(database, options.since)
        finally:
            await database.close()

    for sentence in asyncio.run(ask()).sentences():
        print(sentence)
    return 0


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("a time needs its zone, as 2026-01-31T12:00Z")
    return moment
