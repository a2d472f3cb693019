"""`perijove demo --from-values`: an example of the charts, with its sites on this machine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.demo import DemoProcess
from tests.support.helm import EXAMPLES


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    state = tmp_path_factory.mktemp("values") / "state"
    with DemoProcess(state, "--from-values", str(EXAMPLES / "on-premises-and-two-clouds.yaml")) as demo:
        yield demo


def ask(demo: DemoProcess, path: str, account: int = 0) -> Any:
    told = demo.told
    headers = {"Authorization": f"token {told['accounts'][account]['token']}"}
    answer = httpx.get(f"{told['control_url']}/api/v1/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_example_runs_without_its_stores_and_gateways(demo: DemoProcess) -> None:
    assert set(demo.told["pids"]) == {"control", "controller", "proxy", "hub"}
    assert demo.told["s3"] == demo.told["dask"] == []
    assert [each["name"] for each in ask(demo, "sites")["items"]] == ["esac", "cloud-eu", "cloud-north"]
    assert {each["name"] for each in ask(demo, "profiles")["items"]} == {"gpu", "large", "standard"}
    # whom the platform names, to look around in it
    assert demo.told["accounts"][0]["groups"] == ["euclid", "polar", "staff"]


def test_a_dataset_is_listed_although_its_store_is_not_there(demo: DemoProcess) -> None:
    assert [each["id"] for each in ask(demo, "datasets")["items"]] == ["euclid-q1"]


def test_a_session_starts_where_the_example_s_policy_puts_it(demo: DemoProcess) -> None:
    told = demo.told
    headers = {"Authorization": f"token {told['accounts'][0]['token']}"}
    with httpx.Client(base_url=f"{told['url']}/hub/api/users/scientist/", headers=headers, timeout=30) as hub:
        asked = hub.post("server", json={"profile": "standard", "datasets": ["euclid-q1"]})
        assert asked.status_code in (201, 202), asked.text
        deadline = time.monotonic() + 60
        while (lease := ask(demo, "leases")["items"][0])["state"] != "active":
            assert time.monotonic() < deadline, lease
            time.sleep(0.2)
        # the data are at ESAC
        assert lease["site"] == "esac"
        assert hub.delete("server").status_code in (202, 204)


def test_wrong_values_end_it_with_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "perijove_hub", "demo", "--no-build", "--port", "0"]
    options = ["--state-dir", str(tmp_path / "state"), "--from-values", str(tmp_path / "none.yaml")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("none.yaml cannot be read: No such file or directory.\n")
