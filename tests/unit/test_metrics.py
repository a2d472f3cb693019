"""What Prometheus is told, over the port that it asks."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from perijove.models import PolicyState
from perijove_demo.ports import free_ports
from perijove_hub.metrics import SNAPSHOT, gauge, serve_metrics
from tests.support.leases import NOON

STATE = PolicyState(version="abc", loaded_at=NOON, refused_at=None, faults=[])


@pytest.fixture
def state() -> list[PolicyState]:
    return [STATE]


@pytest.fixture
def address(state: list[PolicyState]) -> Iterator[str]:
    [port] = free_ports(1)
    stop = serve_metrics("127.0.0.1", port, lambda: state[-1])
    yield f"http://127.0.0.1:{port}/metrics"
    stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")


def listening() -> set[int]:
    """The ports that this process has open."""
    return {each.laddr.port for each in psutil.Process().net_connections("tcp") if each.status == psutil.CONN_LISTEN}


def told(address: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    text = httpx.get(address).raise_for_status().text
    return {
        family.name: [(dict(sample.labels), sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(text)
    }


def test_the_policy_in_force_is_told_and_that_a_newer_one_was_refused(address: str, state: list[PolicyState]) -> None:
    assert told(address)["perijove_policy"] == [({"version": "abc"}, 1.0)]
    assert told(address)["perijove_policy_refused"] == [({}, 0.0)]
    state.append(STATE.model_copy(update={"refused_at": NOON, "faults": ["line 3"]}))
    assert told(address)["perijove_policy_refused"] == [({}, 1.0)]


def test_gauges_are_those_of_the_last_look(address: str) -> None:
    for site, value in (("esac", 3.0), ("cloud-eu", 1.0)):
        SNAPSHOT.show([gauge("perijove_leases_open", "Open leases", ["site"], [((site,), value)])])
        assert told(address)["perijove_leases_open"] == [({"site": site}, value)]
    SNAPSHOT.show([])
    assert "perijove_leases_open" not in told(address)


def test_nothing_is_served_unless_a_port_is_given() -> None:
    before = listening()
    stop = serve_metrics("127.0.0.1", 0, lambda: STATE)
    assert listening() == before
    stop()
