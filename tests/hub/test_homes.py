"""How full a home is gets to control, and a home that is full can still be cleaned up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.bed import PLATFORM, Bed
from tests.support.killing import new_user

MIB = 2**20
#: A home of eight MiB at most.
LIMIT_GIB = 8 * MIB / 2**30


@pytest.fixture(scope="module")
def bed_settings() -> dict[str, Any]:
    quota = f"quotas:\n  - {{name: home, resource: home_gib, limit: {LIMIT_GIB}}}"
    return {"platform": PLATFORM.replace("quotas:", quota), "spawner": {"home_seconds": 0.5}}


@pytest.fixture
def user(bed: Bed) -> str:
    return new_user(bed)


def _home(bed: Bed, user: str) -> Path:
    return bed.directory / "sites/far/homes" / user


def _used_mib(bed: Bed, user: str) -> float:
    with bed.control_as(user) as control:
        view = next(view for view in control.get("quotas").json()["items"] if view["name"] == "home")
    used: float = view["used"]
    return used * 1024


def _start(bed: Bed, user: str, **options: Any) -> dict[str, str]:
    before = set(bed.session_processes())
    assert bed.ask(user, **options).status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    return bed.session_processes()[attempt].environ() | {"ATTEMPT": attempt}


def test_the_home_of_a_running_session_is_measured_where_it_is_kept(bed: Bed, user: str) -> None:
    _start(bed, user, site="far")
    bed.api.delete(f"users/{user}/server")
    # the session runs at another site than that which holds its home
    _start(bed, user, site="near")
    assert _used_mib(bed, user) < 1
    (_home(bed, user) / "data").write_bytes(os.urandom(3 * MIB))
    bed.wait("control to know", lambda: 3 <= _used_mib(bed, user) < 3.2)
    (_home(bed, user) / "data").unlink()
    bed.wait("control to know", lambda: _used_mib(bed, user) < 1)


def test_a_home_is_measured_after_the_stop_too(bed: Bed, user: str) -> None:
    _start(bed, user, site="far")
    (_home(bed, user) / "data").write_bytes(os.urandom(2 * MIB))
    bed.api.delete(f"users/{user}/server")
    bed.wait("control to know", lambda: 2 <= _used_mib(bed, user) < 2.2)


def test_who_has_a_full_home_gets_a_session_to_clean_up_and_then_any_other(bed: Bed, user: str) -> None:
    env = _start(bed, user, site="far")
    assert "PERIJOVE_RESCUE" not in env
    (_home(bed, user) / "data").write_bytes(os.urandom(9 * MIB))
    bed.api.delete(f"users/{user}/server")
    bed.wait("control to know", lambda: _used_mib(bed, user) > 9)
    rescue = _start(bed, user, site="far")
    scratch = bed.directory / "sites/far/scratch" / rescue["ATTEMPT"]
    assert rescue["PERIJOVE_RESCUE"] == "1"
    assert rescue["JUPYTERHUB_DEFAULT_URL"] == "/perijove/cleanup"
    assert rescue["HOME"] == str(_home(bed, user))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "TMPDIR"):
        assert Path(rescue[name]).parent == scratch
        assert Path(rescue[name]).is_dir()
    (_home(bed, user) / "data").unlink()
    bed.wait("control to know", lambda: _used_mib(bed, user) < 1)
    bed.api.delete(f"users/{user}/server")
    assert not scratch.exists()
    assert "PERIJOVE_RESCUE" not in _start(bed, user, site="far")


def test_who_does_without_a_full_home_needs_no_rescue(bed: Bed, user: str) -> None:
    _start(bed, user, site="far")
    (_home(bed, user) / "data").write_bytes(os.urandom(9 * MIB))
    bed.api.delete(f"users/{user}/server")
    bed.wait("control to know", lambda: _used_mib(bed, user) > 9)
    assert "PERIJOVE_RESCUE" not in _start(bed, user, without_home=True)
