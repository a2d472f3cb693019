"""What a notebook does with clusters, over real control, a real gateway and a real store: no token in a cell."""

from __future__ import annotations

import asyncio
import gc
import pickle
import re
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import dask.array
import dask_gateway
import fsspec
import numpy as np
import pytest
import xarray
import zarr
from dask_gateway.client import GatewayClusterError

import perijove
from perijove import cluster_widget, dask_cluster, preflight
from perijove.clusters import _gateways
from tests.support.control_bed import STORE_SECRET
from tests.support.dask_bed import DaskBed, running_dask_bed
from tests.support.dask_client import busy
from tests.support.kernel import kernel_of
from tests.support.platforms import dataset, replica
from tests.support.s3 import S3Bed, threaded_bed

pytestmark = pytest.mark.slow

STS = {"kind": "sts", "secret": "store"}


def _seas(directory: Path, store: S3Bed) -> np.ndarray[Any, Any]:
    """A Zarr of some chunks in the store; what is in it."""
    values = np.arange(64.0).reshape(8, 8)
    made = xarray.Dataset({"sst": (("y", "x"), values)})
    made.to_zarr(directory / "seas.zarr", zarr_format=2, encoding={"sst": {"chunks": (4, 4)}}, consolidated=True)
    for path in sorted((directory / "seas.zarr").rglob("*")):
        if path.is_file():
            store.put("data", f"euclid/seas.zarr/{path.relative_to(directory / 'seas.zarr')}", path.read_bytes())
    return values


@pytest.fixture
async def bed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[tuple[DaskBed, np.ndarray[Any, Any]]]:
    with threaded_bed({"control": STORE_SECRET}) as store:
        values = _seas(tmp_path, store)
        private = {"endpoint": store.endpoint, "credentials": STS}
        datasets = {
            "seas": dataset(replica(site="esac", **private)),
            "seas-proxied": dataset(replica(site="esac", **private), delivery="proxied"),
            "far": dataset(replica(region="us-1", **private)),
        }
        async with running_dask_bed(tmp_path, caplog, datasets=datasets, endpoint=store.endpoint) as bed:
            with kernel_of(bed.control, bed.ana, tmp_path / "cache"):
                yield bed, values


async def notebook(cell: Callable[[], Any]) -> Any:
    """Run a cell as a notebook does: not in the loop in which control lives."""
    return await asyncio.to_thread(cell)


async def test_a_cluster_with_no_arguments_reads_data_on_its_workers(
    bed: tuple[DaskBed, np.ndarray[Any, Any]],
) -> None:
    house, values = bed

    def cell() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", perijove.VersionWarning)
            with perijove.cluster(2, title="Seas") as cluster, cluster.get_client() as client:
                client.wait_for_workers(2, timeout=30)
                assert cluster.site == "esac"
                for name in ("seas", "seas-proxied"):
                    opened = xarray.open_zarr(f"perijove://{name}/seas.zarr", consolidated=True)
                    assert opened.sst.chunks == ((4, 4), (4, 4))
                    assert float(opened.sst.sum().compute()) == values.sum()
                whole = dask.array.from_zarr(zarr.open("perijove://seas/seas.zarr/sst", mode="r"))
                assert float(whole.mean().compute()) == values.mean()
                told = client.run(_environment)
                for each in told.values():
                    assert each["PERIJOVE_SITE"] == "esac"
                    assert each["JUPYTERHUB_API_TOKEN"] is None
                facts = cluster.facts()
                assert facts is not None
                assert (facts.title, facts.workers, facts.capped) == ("Seas", 2, None)
                [(site, listed)] = perijove.clusters()
                assert (site, listed.name) == ("esac", cluster.name)
                again = perijove.cluster(name="Seas")
                assert (again.name, again.title) == (cluster.name, "Seas")
                assert again.get_client(set_as_default=False).submit(busy, 5, seconds=0).result() == 5
                again.close()
        assert all(each.state.value == "stopping" for _, each in perijove.clusters())

    await notebook(cell)
    assert (await house.settled("ended"))["name"] == "Seas"


def _environment() -> dict[str, str | None]:
    import os

    return {name: os.environ.get(name) for name in ("PERIJOVE_SITE", "JUPYTERHUB_API_TOKEN")}


async def test_the_plain_client_of_dask_gateway_works_by_the_environment(
    bed: tuple[DaskBed, np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _ = bed
    told = house.gateway.told
    settings = {
        "gateway.address": told.address, "gateway.proxy-address": told.proxy_address, "gateway.auth.type": "jupyterhub",
        "gateway.public-address": "https://science.example/user/ana/perijove/dask/gateways/esac",
    }  # fmt: skip

    def cell() -> None:
        with dask.config.set(settings), dask_gateway.Gateway() as gateway:
            cluster = gateway.new_cluster(title="plain")
            assert cluster.dashboard_link == (
                f"https://science.example/user/ana/perijove/dask/gateways/esac/clusters/{cluster.name}/status"
            )
            cluster.shutdown()
            del cluster

    await notebook(cell)


async def test_dashboards_are_linked_to_through_the_users_own_server(
    bed: tuple[DaskBed, np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _ = bed
    monkeypatch.setenv("PERIJOVE_SERVER_URL", "https://science.example/user/ana/perijove")

    def cell() -> None:
        with perijove.cluster() as cluster, cluster.get_client() as client:
            link = f"https://science.example/user/ana/perijove/dask/gateways/esac/clusters/{cluster.name}/status"
            assert cluster.dashboard_link == client.dashboard_link == link
            for shown in (cluster._repr_html_(), client._repr_html_(), cluster._repr_mimebundle_()["text/html"]):
                assert link in shown
                assert house.gateway.told.address not in shown
            assert re.search(rf"dask:populate-and-launch-layout[^>]*{re.escape(link)}", client._repr_html_())
            assert "application/vnd.jupyter.widget-view+json" in cluster._repr_mimebundle_()
            widget = cluster._widget()
            assert widget.facts["dashboard"] == link
            assert widget.facts["workers"] == 0
            widget._handle_custom_msg({"do": "scale", "workers": 1}, [])
            assert widget.said == "1 workers were asked for."
            client.wait_for_workers(1, timeout=30)
            widget._handle_custom_msg({"do": "scale", "workers": 50}, [])
            assert "Limit cores allows 4 cores" in widget.said
            for nonsense in ({"do": "scale", "workers": -1}, {"do": "scale", "workers": "x"}, {"do": "x"}, "x"):
                widget._handle_custom_msg(nonsense, [])
            widget._handle_custom_msg({"do": "stop"}, [])
            assert widget.said == "The cluster is stopped."
            assert (widget.facts["state"], widget.facts["is_over"], widget.facts["dashboard"]) == ("stopped", True, "")
            assert set(cluster._repr_mimebundle_()) >= {"text/html", "text/plain"}
        assert dask.config.get("scheduler", None) is None, "what is computed next is computed here"

    await notebook(cell)


async def test_without_a_number_there_are_as_many_workers_as_there_is_work_for(
    bed: tuple[DaskBed, np.ndarray[Any, Any]],
) -> None:
    def cell() -> None:
        with perijove.cluster() as cluster, cluster.get_client() as client:
            facts = cluster.facts()
            assert facts is not None
            assert facts.adaptive is not None
            assert (facts.adaptive.minimum, facts.adaptive.maximum) == (0, 8)
            assert client.submit(busy, 5, seconds=0).result(timeout=30) == 5

    await notebook(cell)


async def test_a_cluster_goes_without_a_word_in_the_cell(
    bed: tuple[DaskBed, np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)

    def cell() -> None:
        cluster = perijove.cluster(title="Seas")
        assert "Seas" in cluster._repr_html_()
        cluster.shutdown()
        assert "application/vnd.jupyter.widget-view+json" not in cluster._repr_mimebundle_()
        with pytest.raises(perijove.ClusterOver, match="stopped or closed here"):
            cluster.get_client()
        with pytest.raises(perijove.ClusterOver, match="stopped or closed here"):
            cluster.scale(1)
        cluster.close()
        del cluster
        gc.collect()

    await notebook(cell)
    assert said == []


async def test_a_cluster_that_was_stopped_elsewhere_is_told_to_be_over(
    bed: tuple[DaskBed, np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_widget, "LOOK_EVERY_SECONDS", 0.1)

    def cell() -> None:
        with perijove.cluster(title="Seas") as cluster:
            widget = cluster._widget()
            dask_cluster.open_gateway(cluster._view).stop_cluster(str(cluster.name))
            deadline = time.monotonic() + 20
            while not widget.facts.get("is_over"):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert (widget.facts["state"], widget.facts["title"]) == ("stopped", "Seas")
            with pytest.raises(perijove.ClusterOver, match=r"The cluster is (over|stop)"):
                cluster.scale(1)
            began = time.monotonic()
            with pytest.raises(perijove.ClusterOver, match="The cluster is over: "):
                cluster.get_client()
            assert time.monotonic() - began < 15
        with pytest.raises(perijove.ClusterOver, match=r"^Your cluster 'Seas' is over: it was stopped"):
            perijove.cluster(name="Seas")

    await notebook(cell)


async def test_what_goes_wrong_is_told_in_the_platforms_words(bed: tuple[DaskBed, np.ndarray[Any, Any]]) -> None:
    house, _ = bed

    def cell() -> None:
        with pytest.raises(perijove.BadRequest, match="Unknown fields"):
            perijove.cluster(colour="red")
        with pytest.raises(perijove.NotFound, match="There is no gateway 'moon' that you may use: choose from esac"):
            perijove.cluster(gateway="moon")
        with pytest.raises(perijove.NotFound, match="You have no cluster 'abc' that runs"):
            perijove.cluster(name="abc")
        with pytest.raises(perijove.NotFound, match="You have no cluster 'abc' at ESAC"):
            perijove.cluster(name="abc", gateway="esac")
        with pytest.raises(perijove.BadRequest, match="Say either"):
            perijove.cluster(2, minimum=1)
        with pytest.raises(perijove.BadRequest, match="named alone"):
            perijove.cluster(name="abc", near="seas")
        with pytest.raises(perijove.BadRequest, match="no dataset 'nothing'"):
            perijove.cluster(near="nothing")
        with perijove.cluster(), perijove.cluster():
            with pytest.raises(perijove.Refused, match=r"^Limit two-clusters reached: 2 of 2 clusters used"):
                perijove.cluster()
            told, full = {"address": house.gateway.told.address, "auth": "jupyterhub"}, r"^Limit two-clusters"
            with (
                dask_gateway.Gateway(**told) as plain,
                pytest.raises(GatewayClusterError, match=full),
            ):
                plain.new_cluster()

    await notebook(cell)

    def without_control() -> None:
        began = time.monotonic()
        with pytest.raises(perijove.StoreUnavailable, match="ESAC cannot ask the platform now whether there is room"):
            dask_cluster.start(view, "", {}, shutdown_on_close=True)
        assert time.monotonic() - began < 15

    [view] = await notebook(lambda: _gateways(None))
    with house.control.out_of_order():
        await notebook(without_control)
    house.gateway.stop()

    def without_the_gateway() -> None:
        found = perijove.clusters()
        assert (len(found), found.silent) == (0, ("esac",))
        assert repr(found) == "no clusters\nThe gateway of esac does not answer."
        with pytest.raises(perijove.StoreUnavailable, match="The gateway of ESAC does not answer"):
            perijove.cluster()

    await notebook(without_the_gateway)


async def test_a_cluster_that_does_not_start_says_why_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.collect()  # what others have left
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    broken = [sys.executable, "-c", "raise SystemExit('no scheduler in this image')"]

    def cell() -> None:
        before = _loops()
        told = _error_of(perijove.cluster)
        assert re.search(r"^The cluster did not start: .*: no scheduler in this image\.$", told)
        gc.collect()
        assert said == []
        assert _loops() <= before

    async with running_dask_bed(tmp_path, caplog, {"ClusterConfig": {"scheduler_cmd": broken}}) as bed:
        with kernel_of(bed.control, bed.ana, tmp_path / "cache"):
            await notebook(cell)
        assert "no scheduler in this image" in (await bed.settled("ended"))["reason"]


def _loops() -> int:
    """How many threads there are in which loops of Dask run."""
    return sum(each.name == "IO loop" for each in threading.enumerate())


def _error_of(start: Callable[[], object]) -> str:
    """What is said when a cluster does not start; whoever held on to the error would keep the cluster's object, too."""
    try:
        start()
    except perijove.ClusterOver as error:
        return str(error)
    raise AssertionError("it started")


async def test_versions_that_do_not_fit_are_told_before_the_first_task(
    bed: tuple[DaskBed, np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "python_version", lambda: "3.99.1")

    def cell() -> None:
        with (
            perijove.cluster() as cluster,
            pytest.warns(perijove.VersionWarning, match=r"runs python 3\.11\.\d+ and not 3\.99\.1"),
        ):
            cluster.get_client().close()

    await notebook(cell)


async def test_versions_of_workers_that_come_later_are_told_as_they_come(
    bed: tuple[DaskBed, np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cell() -> None:
        with perijove.cluster(1) as cluster, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", perijove.VersionWarning)
            client = cluster.get_client()
            client.wait_for_workers(1, timeout=30)
            time.sleep(3)  # it is asked after Dask's client has looked
            assert not [each for each in told if each.category is perijove.VersionWarning]
            monkeypatch.setattr(preflight, "python_version", lambda: "3.99.1")
            cluster.scale(3)
            client.wait_for_workers(3, timeout=30)
            time.sleep(5)
            [warned] = [str(each.message) for each in told if each.category is perijove.VersionWarning]
            assert re.search(r"python 3\.11\.\d+ and not 3\.99\.1", warned)
            client.close()

    await notebook(cell)


async def test_what_travels_to_workers_holds_no_secret(bed: tuple[DaskBed, np.ndarray[Any, Any]]) -> None:
    def cell() -> None:
        files = fsspec.filesystem("perijove")
        assert files.ls("seas/seas.zarr")
        opened = xarray.open_zarr("perijove://seas/seas.zarr")
        for each in (files, opened.sst.data):
            assert b"canary" not in pickle.dumps(each)
            assert b"AccessKey" not in pickle.dumps(each)

    await notebook(cell)
