"""``perijove ledger migrate``: what a chart's Job runs before a new version, and an admin before an older one."""

from __future__ import annotations

import pytest

from perijove_hub.cli import main
from perijove_hub.ledger.checking import known_revisions
from perijove_hub.ledger.database import Database


def migrate(address: str, *more: str) -> int:
    return main(["ledger", "migrate", "--database", address, *more])


def test_a_new_ledger_gets_its_tables_and_a_second_run_changes_nothing(
    empty_ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = known_revisions()[0]
    assert [migrate(empty_ledger), migrate(empty_ledger)] == [0, 0]
    assert capsys.readouterr().out == f"The tables are of revision {newest}.\n" * 2
    assert main(["ledger", "check", "--database", empty_ledger]) == 0


def test_tables_go_back_for_an_older_program_and_forth_again(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    newest, older, *_ = known_revisions()
    assert [migrate(ledger), migrate(ledger, "--to", older)] == [0, 0]
    main(["ledger", "check", "--database", ledger])
    assert f"Its tables have revision {older}; the next start of control brings them to {newest}." in (
        capsys.readouterr().out
    )
    assert migrate(ledger) == 0


async def test_they_do_not_go_back_under_a_controller_that_runs(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Database(ledger)
    running.lock("controller")
    assert migrate(ledger, "--to", known_revisions()[1]) == 2
    await running.close()
    assert "another controller process uses" in capsys.readouterr().err


def test_a_revision_that_nobody_knows_is_refused_with_those_known(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate(ledger, "--to", "0999") == 2
    said = capsys.readouterr().err
    assert "0999 is no revision that this program knows" in said
    assert known_revisions()[0] in said
