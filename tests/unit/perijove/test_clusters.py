"""Which gateway a cluster starts on, how lists of clusters show themselves, and whether versions fit."""

from __future__ import annotations

import subprocess
import sys
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import perijove
from perijove.clusters import ClusterList, FarFromData, choose_gateway, dashboard_root, dataset_of
from perijove.models import ClusterState, GatewayCluster, GatewayView, Resources
from perijove.versions import differences, spoken

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


def test_dashboards_lead_through_the_users_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERIJOVE_SERVER_URL", raising=False)
    assert dashboard_root("esac", "https://esac.example") == "https://esac.example"
    monkeypatch.setenv("PERIJOVE_SERVER_URL", "https://science.example/user/ana/perijove/")
    assert (
        dashboard_root("esac", "https://esac.example") == "https://science.example/user/ana/perijove/dask/gateways/esac"
    )


def test_importing_perijove_brings_no_dask() -> None:
    code = (
        "import sys, perijove; print([name for name in ('dask', 'distributed', 'dask_gateway') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


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
    assert spoken([("dask", "2026.8.0", "2026.3.0"), ("python", "3.11.7", "3.12.0")]) == (
        "This cluster runs dask 2026.3.0 and not 2026.8.0, python 3.12.0 and not 3.11.7 as this notebook does: "
        "tasks may fail, or their results not come back. Start the session and the cluster with images of the same "
        "versions."
    )
