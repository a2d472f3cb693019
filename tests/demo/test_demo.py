"""`perijove demo`: what it prints, writes, restarts and leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.demo import ROOT, DemoProcess

#: Kept between runs, so that the gibibyte of sky is built once.
STATE = ROOT / ".perijove-test"


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoProcess]:
    with DemoProcess(STATE) as demo:
        yield demo


def _demo(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "perijove_hub", "demo", "--no-build", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env=env, check=False,
    )  # fmt: skip


def test_demo_says_where_it_is_and_writes_what_programs_need(demo: DemoProcess) -> None:
    told = demo.told
    assert demo.lines[-1] == f"Perijove is ready at {told['url']}"
    assert set(told) == {"url", "accounts", "control_url", "s3", "dask", "pids"}
    assert told["control_url"] == f"{told['url']}/services/perijove"
    assert [account["name"] for account in told["accounts"]] == ["scientist", "student", "teacher", "admin", "engineer"]
    assert set(told["accounts"][0]) == {"name", "password", "groups", "admin", "token"}
    assert {store["site"] for store in told["s3"]} == {"esac", "cloud-eu"}
    pids = {"s3-esac", "s3-cloud-eu", "archive", "control", "controller", "proxy", "hub", "dask-esac", "dask-cloud-eu"}
    assert set(told["pids"]) == pids
    assert {gateway["site"] for gateway in told["dask"]} == {"esac", "cloud-eu"}
    assert stat.S_IMODE(demo.json_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(STATE.stat().st_mode) == 0o700


def test_everything_listens_on_loopback_only(demo: DemoProcess) -> None:
    for name, pid in demo.told["pids"].items():
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    assert connection.laddr.ip in ("127.0.0.1", "::1"), f"{name} listens on {connection.laddr}"


def test_tokens_of_the_accounts_reach_hub_and_control(demo: DemoProcess) -> None:
    told = demo.told
    for account in told["accounts"]:
        headers = {"Authorization": f"token {account['token']}"}
        assert httpx.get(f"{told['url']}/hub/api/user", headers=headers).json()["name"] == account["name"]
        sites = httpx.get(f"{told['control_url']}/api/v1/sites", headers=headers).json()
        polar = ["polar"] if "polar" in account["groups"] else []
        assert [site["name"] for site in sites["items"]] == ["esac", "cloud-eu", *polar]
    admin = {"Authorization": f"token {told['accounts'][3]['token']}"}
    scientist = {"Authorization": f"token {told['accounts'][0]['token']}"}
    others = f"{told['control_url']}/api/v1/leases?owner=*"
    assert httpx.get(others, headers=admin).status_code == 200
    assert httpx.get(others, headers=scientist).status_code == 403


@pytest.mark.parametrize("name", ["controller", "control", "proxy", "s3-esac", "hub"])
def test_child_that_dies_is_back_within_five_seconds_and_demo_json_tells(demo: DemoProcess, name: str) -> None:
    before = demo.told["pids"][name]
    os.kill(before, signal.SIGKILL)
    begun = time.monotonic()
    while demo.told["pids"][name] == before:
        assert time.monotonic() - begun < 5
        time.sleep(0.05)
    assert psutil.pid_exists(demo.told["pids"][name])
    _wait(lambda: httpx.get(f"{demo.told['control_url']}/api/v1/health").status_code == 200)
    _wait(lambda: httpx.get(f"{demo.told['url']}/hub/api/").status_code == 200)


def test_second_demo_on_the_same_state_is_refused_and_hurts_nobody(demo: DemoProcess) -> None:
    refused = _demo("--port", "0", "--state-dir", str(STATE))
    assert refused.returncode == 2
    assert refused.stderr == (f"perijove: A demo is already running on {STATE}; stop it, or use --state-dir.\n")
    assert httpx.get(f"{demo.told['url']}/hub/api/").status_code == 200


def test_second_start_keeps_users_ledger_and_data_and_stop_leaves_nothing(demo: DemoProcess) -> None:
    told = demo.told
    account = told["accounts"][1]
    with _as(told, account) as client:
        client.post("/hub/api/users/student/server", json={}).raise_for_status()
        _wait(lambda: client.get("/hub/api/users/student").json()["server"] is not None)
        leases = client.get("/services/perijove/api/v1/leases").json()["items"]
    pids = [*told["pids"].values(), *_session_pids()]
    assert demo.stop() < 10
    assert not demo.json_path.exists()
    _wait(lambda: not [pid for pid in pids if psutil.pid_exists(pid)])

    demo.__enter__()
    assert not [line for line in demo.lines if "generating" in line]
    assert demo.told["accounts"] == told["accounts"]
    with _as(demo.told, account) as client:
        (kept, *_) = client.get("/services/perijove/api/v1/leases").json()["items"]
        assert kept["id"] == leases[0]["id"]
        assert kept["state"] == "ended"


def test_stop_with_a_dead_hub_and_a_stubborn_session_is_in_time_and_leaves_nothing(demo: DemoProcess) -> None:
    pids = [*demo.told["pids"].values(), *_start_session(demo)]
    for pid in (demo.told["pids"]["hub"], *_session_pids()):
        os.kill(pid, signal.SIGSTOP)  # neither answers nor heeds SIGTERM
    assert demo.stop(signal.SIGHUP) < 10
    assert demo.process.returncode == 0
    _wait(lambda: not [pid for pid in pids if psutil.pid_exists(pid)], 2)


def test_start_after_a_killed_supervisor_ends_its_leftovers_and_takes_the_port(demo: DemoProcess) -> None:
    demo.__enter__()
    services, session = demo.told["pids"].values(), _start_session(demo)
    demo.process.kill()
    demo.process.wait()
    # a server's helper processes come and go by themselves
    assert all(psutil.pid_exists(pid) for pid in services)
    assert _session_pids()
    pids = [*services, *session]
    port = demo.told["url"].rpartition(":")[2]
    with DemoProcess(STATE, "--port", port) as again:
        assert any(line.strip().startswith("ended ") for line in again.lines)
        assert again.told["url"] == demo.told["url"]
        _wait(lambda: not [pid for pid in pids if psutil.pid_exists(pid)], 2)


def test_port_in_use_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = _demo("--port", str(port), "--state-dir", "/nonexistent/never-made")
    assert not Path("/nonexistent").exists()
    assert refused.returncode == 2
    assert refused.stderr == (
        f"perijove: Port {port} on 127.0.0.1 cannot be used (Address already in use); "
        "choose another with --port, or --port 0.\n"
    )


def test_missing_node_is_one_sentence(tmp_path: Path) -> None:
    refused = _demo("--port", "0", "--state-dir", str(tmp_path / "s"), env={**os.environ, "PATH": str(tmp_path)})
    assert refused.returncode == 2
    assert refused.stderr.startswith("perijove: Node.js is missing")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        ("echo v18.20.4", "is version 18.20.4 of Node.js; install version 20 or newer."),
        ("echo hello", "does not say its version; install Node.js 20 or newer."),
    ],
)
def test_node_that_is_too_old_is_one_sentence(tmp_path: Path, says: str, sentence: str) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\n{says}\n")
    node.chmod(0o755)
    refused = _demo("--port", "0", "--state-dir", str(tmp_path / "s"), env={**os.environ, "PATH": str(tmp_path)})
    assert refused.returncode == 2
    assert refused.stderr == f"perijove: {node} {sentence}\n"
    assert not (tmp_path / "s").exists()


def test_old_state_is_one_sentence_and_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"version": 0}))
    refused = _demo("--port", "0", "--state-dir", str(tmp_path))
    assert refused.returncode == 2
    assert "is of version 0 and this demo reads version 1; start with --reset" in refused.stderr
    assert (tmp_path / "state.json").read_text() == '{"version": 0}'


def test_somebody_elses_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    refused = _demo("--port", "0", "--state-dir", str(tmp_path), "--reset")
    assert refused.returncode == 2
    assert "holds something that is not a demo" in refused.stderr
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare of util-linux makes the small disk")
def test_full_disk_is_one_sentence_and_nothing_is_left_running(tmp_path: Path) -> None:
    start = f"exec {sys.executable} -m perijove_hub demo --no-build --port 0 --state-dir {tmp_path}/s"
    command = f"mount -t tmpfs -o size=64m tmpfs {tmp_path} && {start}"
    refused = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", command],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unshare failed" in refused.stderr or "permission denied" in refused.stderr.lower():
        pytest.skip("this machine does not allow a small disk of one's own")
    assert refused.returncode == 2
    assert "GiB free and the demo needs" in refused.stderr


def _as(told: dict, account: dict) -> httpx.Client:
    return httpx.Client(base_url=told["url"], headers={"Authorization": f"token {account['token']}"}, timeout=60)


def _start_session(demo: DemoProcess) -> list[int]:
    with _as(demo.told, demo.told["accounts"][1]) as client:
        client.post("/hub/api/users/student/server", json={}).raise_for_status()
        _wait(lambda: client.get("/hub/api/users/student").json()["server"] is not None)
    pids = _session_pids()
    assert pids
    return pids


def _session_pids() -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            env = process.environ()
        except psutil.Error:
            continue
        if "PERIJOVE_ATTEMPT_ID" in env and env.get("HOME", "").startswith(str(STATE)):
            found.append(process.pid)
    return found


def _wait(check, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except (httpx.TransportError, KeyError, ValueError):
            pass
        time.sleep(0.1)
    raise AssertionError("it did not come to pass in time")
