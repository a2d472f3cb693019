"""The state directory: what is refused in words, and when the first start counts as done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from perijove_demo.problem import DemoProblem
from perijove_demo.state import ACCOUNTS, FIRST_START_BYTES, LATER_START_BYTES, State


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch, roomy_disk: None) -> None:
    free = LATER_START_BYTES + 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))


@pytest.mark.usefixtures("small_disk")
def test_first_start_that_was_broken_off_still_needs_room_for_the_data(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"version": 1}')
    with pytest.raises(DemoProblem, match="free and the demo needs 5"):
        State(tmp_path).prepare(reset=False)


@pytest.mark.usefixtures("small_disk")
def test_what_a_broken_off_start_has_written_is_not_needed_again(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"version": 1}')
    with (tmp_path / "mosaic.fits").open("wb") as file:
        file.truncate(FIRST_START_BYTES)
    state = State(tmp_path)
    state.prepare(reset=False)
    assert len(state.accounts()) == len(ACCOUNTS)


@pytest.mark.usefixtures("small_disk")
def test_later_start_needs_little_room(tmp_path: Path) -> None:
    first = State(tmp_path)
    first.mark_data_ready()
    first.write("state.json", '{"version": 1}')
    first.close()
    later = State(tmp_path)
    later.prepare(reset=False)
    assert len(later.accounts()) == len(ACCOUNTS)


def test_reset_forgets_only_when_it_prepares(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.prepare(reset=False)
    password = state.accounts()[0].password
    state.close()
    state = State(tmp_path)
    assert state.accounts()[0].password == password
    state.prepare(reset=True)
    assert state.accounts()[0].password != password


def test_an_account_that_came_later_gets_its_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.prepare(reset=False)
    before = {account.name: account.password for account in state.accounts()}
    kept = {name: password for name, password in before.items() if name != "engineer"}
    state.write("accounts.json", json.dumps(kept))
    after = {account.name: account.password for account in state.accounts()}
    assert {name: after[name] for name in kept} == kept
    assert after["engineer"] != before["engineer"]
    assert {account.name: account.password for account in state.accounts()} == after


def test_lock_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(DemoProblem, match=f"^The demo cannot work with {tmp_path}/lock: Is a directory.$"):
        State(tmp_path)


def test_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    state = State(tmp_path)
    (tmp_path / "secrets").write_text("in the way")
    with pytest.raises(DemoProblem, match=f"^The demo cannot work with {tmp_path}/secrets/hub: "):
        state.write("secrets/hub", "secret")


def test_damaged_accounts_are_one_sentence(tmp_path: Path) -> None:
    state = State(tmp_path / "s")
    state.prepare(reset=False)
    state.write("accounts.json", '{"scientist": ')
    with pytest.raises(DemoProblem, match=r"accounts\.json is damaged; start with --reset to begin anew"):
        state.accounts()
    state.close()
