"""Which gateway a cluster starts on, how lists of clusters show themselves, and whether versions fit."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import perijove
from perijove.clusters import ClusterList, FarFromData, choose_gateway, dashboard_root, dataset_of
from perijove.models import ClusterState, GatewayCluster, GatewayClusters, GatewayView, Resources
from perijove.versions import differences, misfit, told_versions
from tests.support.control import TOKEN, FakeControl

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def gateway(site: str, **more: Any) -> GatewayView:
    said = {"site": site, "title": site.upper(), "region": "r", "address": f"https://{site}.example"}
    return GatewayView(**said, proxy_address=f"gateway://{site}.example:8786", **more)


def cluster(**more: Any) -> GatewayCluster:
    one = Resources(cpu=1, memory_gib=1)
    said: dict[str, Any] = {
        "name": "c1", "title": "", "state": ClusterState.RUNNING, "options": {}, "lease_id": None, "created": NOON,
        "ended": None, "scheduler": one, "worker": one,
    }  # fmt: skip
    return GatewayCluster(**(said | more))


# --- where ----------------------------------------------------------------------------------------------------------


def test_a_cluster_starts_at_the_sessions_site_unless_data_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [gateway("esac"), gateway("cloud-eu")]
    assert choose_gateway(both, None, None).site == "esac"
    monkeypatch.setenv("PERIJOVE_SITE", "cloud-eu")
    assert choose_gateway(both, None, None).site == "cloud-eu"
    monkeypatch.setenv("PERIJOVE_SITE", "polar")  # it has no gateway
    assert choose_gateway(both, None, None).site == "esac"
    near = [gateway("esac", near="would move 10 GiB at 1.00 EUR for egress"), gateway("cloud-eu", preferred=True)]
    assert choose_gateway(near, None, "seas").site == "cloud-eu"


def test_a_far_choice_is_obeyed_and_told() -> None:
    near = [gateway("esac", near="would move 10 GiB at 1.00 EUR for egress"), gateway("cloud-eu", preferred=True)]
    with pytest.warns(FarFromData) as told:
        assert choose_gateway(near, "esac", "seas").site == "esac"
    assert str(told[0].message) == ("ESAC would move 10 GiB at 1.00 EUR for egress; CLOUD-EU is nearer to seas.")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choose_gateway(near, "cloud-eu", "seas")


def test_without_a_gateway_it_says_so() -> None:
    with pytest.raises(perijove.NotFound, match="no Dask Gateway that you may use"):
        choose_gateway([], None, None)
    with pytest.raises(perijove.NotFound, match="choose from esac"):
        choose_gateway([gateway("esac")], "moon", None)


def test_data_are_named_by_their_id_or_by_an_address_below_it() -> None:
    for named in ("seas", "perijove://seas", "perijove://seas/a.zarr", "seas/a.zarr"):
        assert dataset_of(named) == "seas"
    with pytest.raises(perijove.InvalidPath):
        dataset_of("../seas")


def test_dashboards_lead_through_the_users_server_and_never_to_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PERIJOVE_SERVER_URL", "JUPYTERHUB_SERVICE_PREFIX", "JUPYTERHUB_PUBLIC_URL", "PERIJOVE_CONTROL_URL"):
        monkeypatch.delenv(name, raising=False)
    assert dashboard_root("esac") is None
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ana/")
    assert dashboard_root("esac") is None, "a bare path is a file to the Lab"
    monkeypatch.setenv("PERIJOVE_CONTROL_URL", "https://science.example/services/perijove")
    root = "https://science.example/user/ana/perijove/dask/gateways/esac"
    assert dashboard_root("esac") == root
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", "https://ana.science.example/user/ana/")
    assert dashboard_root("esac") == root.replace("//", "//ana.", 1)
    monkeypatch.setenv("PERIJOVE_SERVER_URL", "https://here.example/user/ana/perijove/")
    assert dashboard_root("esac") == "https://here.example/user/ana/perijove/dask/gateways/esac"


def test_importing_perijove_brings_no_dask() -> None:
    code = (
        "import sys, perijove; print([name for name in ('dask', 'distributed', 'dask_gateway') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_without_dask_it_says_what_to_install(control: FakeControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "perijove.dask_cluster", raising=False)
    monkeypatch.delattr(perijove, "dask_cluster", raising=False)
    monkeypatch.setitem(sys.modules, "dask_gateway", None)
    with pytest.raises(perijove.NotSupported, match="pip install dask distributed dask-gateway"):
        perijove.cluster()


# --- lists ----------------------------------------------------------------------------------------------------------


def test_a_list_says_what_runs_where_and_who_did_not_answer() -> None:
    found = ClusterList(
        [
            ("esac", cluster(title="Mosaic", workers=2, workers_wanted=5, capped="Limit cores …", processing=3)),
            ("cloud-eu", cluster(name="c2", state=ClusterState.STARTING)),
            ("cloud-eu", cluster(name="c3", workers=0, processing=0)),
        ],
        silent=["polar"],
    )
    assert repr(found) == (
        "c1  Mosaic  esac  running  2 of 5  Limit cores …\n"
        "c2  cloud-eu  starting\n"
        "c3  cloud-eu  running, idle  0 of 0\n"
        "The gateway of polar does not answer."
    )
    assert (len(found), found[0][0], len(found[1:]), found[1:].silent) == (3, "esac", 2, ("polar",))
    assert repr(ClusterList([])) == "no clusters"


@given(st.text(alphabet="<>&\"'/scriptona=x ", max_size=40))
def test_nothing_in_a_table_is_markup(text: str) -> None:
    shown = ClusterList([("esac", cluster(title=text, capped=text))], silent=[text])._repr_html_()
    plain = ClusterList([("esac", cluster(title="", capped=""))], silent=[""])._repr_html_()
    assert shown.count("<") == plain.count("<")


# --- versions -------------------------------------------------------------------------------------------------------


def test_versions_that_matter_are_compared() -> None:
    here = (
        "3.11.7",
        {"dask": "2026.8.0", "distributed": "2026.8.0", "msgpack": "1.2.4", "numpy": "2.1.0", "xarray": "1"},
    )
    assert differences(here, here) == []
    assert differences(here, ("3.11.1", {"dask": "2026.8.0", "msgpack": "1.9.0", "pandas": "3"})) == []
    there = ("3.12.0", {"dask": "2026.8.1", "distributed": "2026.8.0", "msgpack": "2.0.0", "numpy": "1.26.0"})
    assert differences(here, there) == [
        ("python", "3.11.7", "3.12.0"), ("dask", "2026.8.0", "2026.8.1"), ("msgpack", "1.2.4", "2.0.0"),
        ("numpy", "2.1.0", "1.26.0"),
    ]  # fmt: skip


HERE = ("3.11.7", {"dask": "2026.8.0", "perijove": "0.1.0"})
OLD = ("3.11.7", {"dask": "2026.3.0", "perijove": "0.1.0"})


def test_what_does_not_fit_is_said_of_the_cluster_or_of_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_IMAGE_SPEC", raising=False)
    monkeypatch.delenv("JUPYTER_IMAGE", raising=False)
    assert misfit(HERE, HERE, [HERE, HERE]) is None
    assert misfit(HERE, None, []) is None
    advice = (
        "tasks may fail, or their results not come back. Start the session and the cluster with images of the same "
        "versions."
    )
    of_all = f"This cluster runs dask 2026.3.0 and not 2026.8.0 as this notebook does: {advice}"
    assert misfit(HERE, OLD, []) == misfit(HERE, OLD, [OLD, OLD]) == of_all
    assert misfit(HERE, HERE, [HERE, ("3.12.1", HERE[1])]) == (
        f"1 of this cluster's 2 workers runs python 3.12.1 and not 3.11.7: {advice}"
    )
    assert misfit(HERE, HERE, [("3.11.7", {"dask": "2026.8.0", "perijove": None})]) == (
        "1 of this cluster's 1 workers have no perijove, and cannot read perijove://."
    )
    monkeypatch.setenv("JUPYTER_IMAGE_SPEC", "registry.example/lab:7")
    assert str(misfit(HERE, OLD, [])).endswith("same versions; this session's is registry.example/lab:7.")


def test_versions_are_read_from_what_distributed_says() -> None:
    told = {"host": {}, "packages": {"python": "3.11.7.final.0", "dask": "2026.8.0", "pandas": None}}
    assert told_versions(told) == ("3.11.7", told["packages"])
    assert told_versions({"packages": {"python": None}}) is None
    assert told_versions({}) is None


# --- gateways that do not answer --------------------------------------------------------------------------------------


@pytest.fixture
def gateways(control: FakeControl) -> Iterator[FakeControl]:
    """Control knows four gateways: one has two clusters, and the others stay silent, each in another way."""
    listed = GatewayClusters(items=[cluster(), cluster(name="c2", title="Seas"), cluster(name="c3", title="Seas")])

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = listed.model_dump_json().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.path.startswith("/good/"):
                assert self.headers["Authorization"] == f"jupyterhub {TOKEN}"
                self.wfile.write(body)
                return
            with suppress(OSError):  # whoever asked has gone
                for number in range(len(body)):
                    self.wfile.write(body[number : number + 1])
                    self.wfile.flush()
                    time.sleep(0.2)

        def log_message(self, *args: object) -> None:
            """Not to the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    with socket.socket() as deaf:  # takes connections and says nothing
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        addresses = {
            "good": f"http://127.0.0.1:{server.server_port}/good",
            "slow": f"http://127.0.0.1:{server.server_port}/slow",
            "deaf": f"http://127.0.0.1:{deaf.getsockname()[1]}",
            "dead": "http://127.0.0.1:1",
        }
        control.gateways = [
            gateway(site).model_copy(update={"address": address}).model_dump(mode="json")
            for site, address in addresses.items()
        ]
        yield control
    server.shutdown()
    server.server_close()


def test_gateways_that_are_dead_deaf_or_slow_are_told_within_two_seconds(gateways: FakeControl) -> None:
    began = time.monotonic()
    found = perijove.clusters()

    assert time.monotonic() - began < 4
    assert [(site, each.name) for site, each in found] == [("good", "c3"), ("good", "c2"), ("good", "c1")]
    assert found.silent == ("slow", "deaf", "dead")
    assert repr(found).endswith("The gateway of dead does not answer.")


def test_a_cluster_is_found_by_its_name_or_by_a_title_that_only_one_has(gateways: FakeControl) -> None:
    asked: list[tuple[str, str]] = []

    def connect(found: GatewayView, name: str, title: str, *, shutdown_on_close: bool) -> Any:
        assert not shutdown_on_close
        asked.append((found.site, name))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("perijove.dask_cluster.connect", connect)
        perijove.cluster(name="c2", gateway="good")
        with pytest.raises(perijove.BadRequest, match=r"2 clusters are called 'Seas': choose one .* from c2, c3"):
            perijove.cluster(name="Seas", gateway="good")
        with pytest.raises(perijove.NotFound, match=r"no cluster 'c9' that runs \(the gateway of slow, deaf, dead"):
            perijove.cluster(name="c9")
    assert asked == [("good", "c2")]
