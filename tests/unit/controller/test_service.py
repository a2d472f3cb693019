"""The loops of the controller, and how its process refuses to start."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from perijove_hub.cli import main
from perijove_hub.controller.service import Loops
from perijove_hub.ledger.database import Database, DatabaseError
from perijove_hub.metrics import REGISTRY
from tests.support.ledgers import ledger_url
from tests.support.platforms import SMALL_FILE

SOON = 0.01


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(ledger_url(tmp_path))
    database.lock("controller")
    yield database
    await database.close()


def counted(step: str, result: str) -> float:
    return REGISTRY.get_sample_value("perijove_controller_steps_total", {"step": step, "result": result}) or 0.0


async def test_a_step_that_fails_is_tried_again_and_keeps_no_other_waiting(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    stopping, rounds = asyncio.Event(), {"fails": 0, "works": 0}
    before = counted("fails", "failed"), counted("fails", "done"), counted("works", "done")

    async def fails() -> None:
        rounds["fails"] += 1
        if rounds["fails"] <= 2:
            raise ZeroDivisionError

    async def works() -> None:
        rounds["works"] += 1
        if rounds["fails"] >= 3 and rounds["works"] >= 3:
            stopping.set()

    async def hangs() -> None:
        await stopping.wait()

    loops = Loops(database, stopping)
    steps = {"fails": fails, "works": works, "hangs": hangs}
    async with asyncio.timeout(20):
        await asyncio.gather(*(loops.repeat(name, step, lambda: SOON) for name, step in steps.items()))
    after = counted("fails", "failed"), counted("fails", "done"), counted("works", "done")
    assert [now - then for now, then in zip(after, before, strict=True)] == [
        2, rounds["fails"] - 2, rounds["works"],
    ]  # fmt: skip
    failures = [record for record in caplog.records if record.exc_info]
    assert [record.__dict__["step"] for record in failures] == ["fails", "fails"]


async def test_a_ledger_that_is_away_is_one_line_in_the_log(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stopping, away = asyncio.Event(), Database("postgresql+psycopg://perijove@127.0.0.1:1/control")
    rounds = 0

    async def asks() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 5:
            stopping.set()
        elif rounds < 4:
            async with away.read() as connection:
                await connection.execute(text("select 1"))

    async with asyncio.timeout(20):
        await Loops(database, stopping).repeat("asks", asks, lambda: SOON)
    await away.close()
    assert [record.getMessage() for record in caplog.records] == ["the ledger cannot be used", "a step works again"]


async def test_a_controller_that_has_lost_its_role_does_nothing_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost() -> None:
        raise DatabaseError("another controller process uses it")

    async def never() -> None:
        raise AssertionError("a step without the role")

    monkeypatch.setattr(database, "confirm_lock", lost)
    with pytest.raises(DatabaseError, match="another controller"):
        await Loops(database, asyncio.Event()).repeat("never", never, lambda: SOON)


def controller(tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    (tmp_path / "p.yaml").write_text(SMALL_FILE)
    ledger = ["--platform", str(tmp_path / "p.yaml"), "--database", f"sqlite+aiosqlite:///{tmp_path}/c.db"]
    return main(["controller", *ledger, *more]), capsys.readouterr().err


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    # the command takes over the process's logs and is a child of a hub
    monkeypatch.setattr("perijove_hub.logs.configure_logs", lambda process: None)
    monkeypatch.setenv("JUPYTERHUB_API_URL", "http://127.0.0.1:9/hub/api")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "none")
    return monkeypatch


def test_a_controller_that_was_not_told_of_the_hub_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("JUPYTERHUB_API_TOKEN")
    assert controller(tmp_path, capsys) == (
        2,
        "perijove: JUPYTERHUB_API_TOKEN must be set: the controller stops servers through the hub\n",
    )


def test_a_port_of_the_metrics_that_is_taken_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], environment: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert controller(tmp_path, capsys, "--metrics-port", str(port)) == (
            2,
            f"perijove: 127.0.0.1:{port} cannot be used: Address already in use\n",
        )
