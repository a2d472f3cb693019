"""The clusters of all gateways as the Lab sees them: one list, and what people do to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from perijove.models.compute import ClusterAnswer, ClustersView, ClusterView, Estimate, GatewaysView
from tests.support.control import TOKEN
from tests.support.gateways import COOKIE, OTHER_TOKEN, TLS_KEY
from tests.support.jupyter import JupyterServer

from .conftest import DaskBed
from .test_usage_and_snippets import LEASE

FAULTS = [500, 503, 429, 401, 404, 418, "drop", "html", "junk", "huge", "redirect"]


def listed(dask: DaskBed) -> ClustersView:
    answer = dask.server.get("dask/clusters")
    assert answer.status_code == 200, answer.text
    return ClustersView.model_validate_json(answer.content)


def lease(lease_id: str, **change: Any) -> dict[str, Any]:
    return LEASE | {"id": lease_id, "kind": "cluster", "cost": 1.25, "cost_hour": 0.75} | change


@pytest.fixture
def three(dask: DaskBed) -> Iterator[DaskBed]:
    for site, gateway in dask.gateways.items():
        gateway.add(f"of-{site}")
    return dask


def test_one_list_holds_the_clusters_of_all_gateways_newest_first(three: DaskBed) -> None:
    three.esac.add(
        "dotted.5f", title="<b>mine</b>", state="failed", reason="No room.", log_tail="boom", dashboard=False
    )
    three.gateways["cloud-us"].add("not-mine", OTHER_TOKEN)

    view = listed(three)

    assert [each.name for each in view.items] == ["dotted.5f", "of-cloud-us", "of-esac", "of-cloud-eu"]
    assert [each.created for each in view.items] == sorted((each.created for each in view.items), reverse=True)
    assert view.currency == "EUR"
    assert [each.gateway for each in view.gateways] == ["esac", "cloud-eu", "cloud-us"]
    assert all(each.reachable and each.reason is None and each.observed_at for each in view.gateways)
    failed, *running = view.items
    assert (failed.gateway_title, failed.title, failed.reason) == ("ESAC", "<b>mine</b>", "No room.")
    assert (failed.dashboard, failed.has_log, running[0].has_log) == (None, True, False)
    assert running[1].dashboard == "dask/clusters/esac/of-esac/dashboard/status"


@pytest.mark.parametrize("fault", ["hang", *FAULTS])
def test_a_gateway_that_is_away_keeps_its_last_rows_and_delays_nobody(three: DaskBed, fault: int | str) -> None:
    before = listed(three)
    three.esac.fault = fault
    three.gateways["cloud-eu"].clusters.clear()
    three.gateways["cloud-us"].add("new")

    began = time.monotonic()
    after = listed(three)
    took = time.monotonic() - began

    assert took < 5
    assert {each.name for each in after.items} == {"of-esac", "of-cloud-us", "new"}
    (stale,) = [each for each in after.items if each.gateway == "esac"]
    (old,) = [each for each in before.items if each.gateway == "esac"]
    assert stale == old
    health = {each.gateway: each for each in after.gateways}
    assert not health["esac"].reachable
    assert health["esac"].observed_at == old.observed_at
    assert health["esac"].reason
    assert "The Dask Gateway of ESAC" in health["esac"].reason or fault == 418
    assert "are shown as it last told them" in health["esac"].reason
    assert health["cloud-us"].reachable

    three.esac.fault = None
    three.esac.add("back")
    assert "back" in {each.name for each in listed(three).items}


def test_an_answer_that_came_too_late_is_there_for_the_next_who_asks(three: DaskBed) -> None:
    three.esac.add("found-late")
    three.esac.fault = "slow"

    first, second = listed(three), listed(three)

    assert "found-late" not in {each.name for each in first.items}
    assert "found-late" in {each.name for each in second.items}


def test_what_clusters_cost_is_told_by_control(dask: DaskBed) -> None:
    dask.esac.add("paid", lease_id="lease-a")
    dask.esac.add("over", lease_id="lease-b", state="stopped", dashboard=False)
    dask.esac.add("unknown", lease_id="lease-c")
    dask.control.leases.update({each: lease(each) for each in ("lease-a", "lease-b")})
    view = ClusterView.model_validate_json(dask.server.get(dask.path("paid")).content)
    assert (view.cost, view.cost_hour) == (1.25, 0.75)

    found = {each.name: (each.cost, each.cost_hour) for each in listed(dask).items}

    assert found == {"paid": (1.25, 0.75), "over": (1.25, 0.0), "unknown": (None, None)}


@pytest.mark.parametrize("fault", ["hang", 500, 403, "junk"])
def test_without_control_clusters_are_shown_without_costs(dask: DaskBed, fault: int | str) -> None:
    dask.esac.add("paid", lease_id="lease-a")
    dask.control.leases["lease-a"] = lease("lease-a")
    dask.control.gateways_fault = fault
    dask.control.faults.extend([fault] * 4)

    answer = dask.server.get(dask.path("paid"))

    assert answer.status_code == 200, answer.text
    assert answer.json()["cost"] is None


def test_gateways_tell_their_options_the_one_of_this_site_first(dask: DaskBed) -> None:
    dask.gateways["cloud-us"].fault = "hang"
    dask.esac.options.append({"field": "later", "label": "Of a later version", "spec": {"type": "hologram"}})

    answer = dask.server.http.get("dask/gateways", params={"dataset": ["euclid-q1", "gaia"]})

    view = GatewaysView.model_validate_json(answer.content)
    assert [each.gateway for each in view.items] == ["esac", "cloud-eu", "cloud-us"]
    first, _, last = view.items
    assert [option.field for option in first.options] == ["worker_cores", "image", "environment"]
    assert first.options[0].model_dump() == {
        "field": "worker_cores", "label": "Cores of a worker", "kind": "float", "default": 2, "minimum": 1.0,
        "maximum": 8.0, "choices": [],
    }  # fmt: skip
    assert first.options[1].choices == ["plain", "astro"]
    assert (first.near, first.egress_cost, first.reachable) == ("Beside 2 datasets", 1.5, True)
    assert first.price
    assert first.price.cpu_hour == 0.1
    assert dask.control.gateway_datasets[-1] == ["euclid-q1", "gaia"]
    assert not last.reachable
    assert last.reason == "The Dask Gateway of CLOUD-US did not answer within 2 s."
    assert view.currency == "EUR"


ALLOCATION = {
    "name": "credits", "resource": "credits", "unit": "EUR", "limit": 9.0, "used": 2.0, "per": "group",
    "window": "allocation", "state": "ok",
}  # fmt: skip


def who_pays(dask: DaskBed) -> list[tuple[str, Any, list[Any]]]:
    view = GatewaysView.model_validate_json(dask.server.http.get("dask/gateways").content)
    found = [each for each in view.items[0].options if each.field == "charge_to"]
    return [(option.label, option.default, option.choices) for option in found]


def test_who_is_in_several_groups_that_could_pay_chooses_one(dask: DaskBed) -> None:
    dask.control.quotas[:] = [ALLOCATION | {"subject": "group:euclid"}]
    assert who_pays(dask) == []
    dask.control.quotas.append(ALLOCATION | {"subject": "group:astro"})
    assert who_pays(dask) == [("Paid by", "astro", ["astro", "euclid"])]


def test_the_group_that_pays_for_the_session_is_offered_first(dask: DaskBed) -> None:
    dask.control.quotas[:] = [ALLOCATION | {"subject": f"group:{group}"} for group in ("astro", "euclid")]
    dask.control.leases["a" * 32] = lease("a" * 32, kind="session", charge_to="euclid")

    assert who_pays(dask) == [("Paid by", "euclid", ["astro", "euclid"])]


def test_an_estimate_tells_what_is_left_to_who_pays(dask: DaskBed) -> None:
    first = ALLOCATION | {"subject": "group:euclid"}
    dask.control.quotas[:] = [first, first | {"subject": "group:astro", "used": 9.0}]

    answer = dask.server.http.post(
        "dask/estimates", json={"gateway": "esac", "workers": 1, "options": {"charge_to": "euclid"}}
    )

    view = Estimate.model_validate_json(answer.content)
    assert [each.label for each in view.limits] == ["EUR of the allocation of group euclid"]
    assert view.fits


def test_gateways_are_told_from_memory_while_control_is_away(dask: DaskBed) -> None:
    dask.control.gateways_fault = "hang"

    answer = dask.server.http.get("dask/gateways", params={"dataset": ["euclid-q1"]})

    assert [each["gateway"] for each in answer.json()["items"]] == ["esac", "cloud-eu", "cloud-us"]
    assert answer.json()["items"][0]["near"] is None
    assert dask.server.http.get("dask/gateways", params={"dataset": ["../x"]}).status_code == 400


def test_a_platform_without_gateways_has_no_clusters(server: JupyterServer) -> None:
    assert server.get("dask/gateways").json() == {"items": [], "currency": "EUR"}
    assert server.get("dask/clusters").json() == {"items": [], "gateways": [], "currency": "EUR"}
    answer = server.http.post("dask/clusters", json={})
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no Dask Gateway that you may use.")
    assert server.http.delete("dask/clusters").json() == {"stopped": [], "failed": []}


def test_an_address_that_cannot_be_one_is_no_gateway(dask: DaskBed) -> None:
    bad = ["file:///etc/passwd", "http://user:word@127.0.0.1/", "gopher://x", "http://h/?a=b", "", "//h/x"]
    dask.control.gateways += [dask.esac.view(site=f"bad-{at}", address=address) for at, address in enumerate(bad)]

    answer = dask.server.http.get("dask/gateways", params={"dataset": ["x"]})

    assert {each["gateway"] for each in answer.json()["items"]} == {"esac", "cloud-eu", "cloud-us"}


def test_a_cluster_is_made_where_it_is_wished_and_waited_for(dask: DaskBed) -> None:
    wish = {"options": {"worker_cores": 4}, "title": "Stack ☄"}
    here = dask.server.http.post("dask/clusters", json=wish)
    there = dask.server.http.post("dask/clusters", json=wish | {"gateway": "cloud-us"})

    assert (here.status_code, there.status_code) == (201, 201)
    made = ClusterAnswer.model_validate_json(here.content).cluster
    assert (made.gateway, made.title, made.state, made.options["worker_cores"]) == ("esac", "Stack ☄", "requested", 4)
    assert there.json()["cluster"]["gateway"] == "cloud-us"
    (asked,) = [each for each in dask.esac.seen if each.method == "POST"]
    assert asked.body == {"cluster_options": {"worker_cores": 4, "title": "Stack ☄"}}
    waited = dask.server.get(dask.path(made.name), wait="1")
    assert waited.json()["state"] == "running"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"worker_cores": 99}, "worker_cores must be <= 8.000000, got 99"),
        ({"nonsense": 1, "evil": 2}, "Unknown fields ['evil', 'nonsense']"),
    ],
)
def test_a_bad_option_is_refused_in_the_gateways_own_words(dask: DaskBed, options: dict[str, Any], words: str) -> None:
    made = dask.server.http.post("dask/clusters", json={"options": options})
    estimated = dask.server.http.post("dask/estimates", json={"gateway": "esac", "options": options})

    assert made.status_code == estimated.status_code == 422
    assert made.json()["detail"] == estimated.json()["detail"] == words


def test_a_refusal_by_a_limit_is_told_as_it_is(dask: DaskBed) -> None:
    dask.esac.refusal = "The limit two-clusters allows 2 clusters: 2 are used. Stop one."

    answer = dask.server.http.post("dask/clusters", json={})

    assert (answer.status_code, answer.json()["detail"]) == (422, dask.esac.refusal)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cluster_is_asked_for_once_whatever_the_answer(dask: DaskBed, fault: int | str) -> None:
    dask.esac.fault, dask.esac.fault_path = fault, "/api/v1/clusters/"

    answer = dask.server.http.post("dask/clusters", json={})

    assert answer.status_code in (403, 422, 503)
    assert answer.headers["Content-Type"] == "application/problem+json"
    if answer.status_code == 503:
        assert "look at the list" in answer.json()["detail"] or fault in ("html", "junk")
    assert len([each for each in dask.esac.seen if each.method == "POST"]) == 1


NO_WISHES = [b"", b"[]", b"{", b'{"gateway": "esac", "image": "x"}', b'{"title": "a\\u0000b"}', b'{"options": 7}']
NO_WISHES += [b'{"gateway": "ES AC"}', b'{"title": "%s"}' % (b"x" * 81), b"x" * 70_000]


@pytest.mark.parametrize("body", NO_WISHES)
def test_what_is_no_wish_is_refused_before_anybody_is_asked(dask: DaskBed, body: bytes) -> None:
    answer = dask.server.http.post("dask/clusters", content=body)

    assert answer.status_code == 400
    assert not dask.esac.seen


def test_scaling_tells_what_was_not_done(dask: DaskBed) -> None:
    dask.esac.add("mine")

    done = dask.server.http.post(dask.path("mine", "scale"), json={"workers": 3})
    capped = dask.server.http.post(dask.path("mine", "scale"), json={"workers": 10**9})
    adaptive = dask.server.http.post(dask.path("mine", "adapt"), json={"minimum": 1, "maximum": 4})

    assert (done.json()["said"], done.json()["cluster"]["workers_wanted"]) == (None, 3)
    assert capped.status_code == 200
    assert "Scaling to 20 instead." in capped.json()["said"]
    assert capped.json()["cluster"]["workers_wanted"] == 20
    assert adaptive.json()["cluster"]["adaptive"] == {"minimum": 1, "maximum": 4}
    for body in ({"workers": -1}, {"workers": 2.5}, {"workers": 10**10}, {}, {"workers": 1, "count": 2}):
        assert dask.server.http.post(dask.path("mine", "scale"), json=body).status_code == 400


def test_a_cluster_that_does_not_run_cannot_be_scaled(dask: DaskBed) -> None:
    dask.esac.add("young", state="starting")

    answer = dask.server.http.post(dask.path("young", "scale"), json={"workers": 3})

    assert (answer.status_code, answer.json()["detail"]) == (409, "Cluster young is not running")


def test_a_cluster_is_kept_and_stopped(dask: DaskBed) -> None:
    dask.esac.add("mine")

    kept = dask.server.http.post(dask.path("mine", "keep"))
    for minutes in (0, 31):
        assert dask.server.http.post(dask.path("mine", "keep"), json={"minutes": minutes}).status_code == 400
    stopped = dask.server.http.delete(dask.path("mine"))

    assert kept.json()["cluster"]["idle_stop_at"].startswith("2026-01-02")
    assert (stopped.status_code, stopped.json()["cluster"]["state"]) == (200, "stopping")
    assert dask.server.http.delete(dask.path("nothing")).status_code == 404


def test_a_change_that_was_made_is_told_though_the_list_fails(dask: DaskBed) -> None:
    dask.esac.add("mine")
    listed(dask)
    dask.esac.fault, dask.esac.fault_path = 500, "/perijove/v1/clusters"

    answer = dask.server.http.post(dask.path("mine", "scale"), json={"workers": 10**6})

    assert answer.status_code == 200
    assert "instead" in answer.json()["said"]


def test_all_clusters_are_stopped_at_once(three: DaskBed) -> None:
    three.esac.add("over", state="stopped")
    three.esac.add("second")
    three.gateways["cloud-us"].add("not-mine", OTHER_TOKEN)
    three.gateways["cloud-eu"].fault = 500

    answer = three.server.http.delete("dask/clusters")

    assert answer.status_code == 200
    found = sorted((each["gateway"], each["name"]) for each in answer.json()["stopped"])
    assert found == [("cloud-us", "of-cloud-us"), ("esac", "of-esac"), ("esac", "second")]
    assert {each["gateway"] for each in answer.json()["failed"]} == {"cloud-eu"}
    assert three.gateways["cloud-us"].clusters["not-mine"]["state"] == "running"


def test_what_of_others_and_of_nobody_is_not_found(dask: DaskBed) -> None:
    dask.esac.add("theirs", OTHER_TOKEN)
    http = dask.server.http
    for gateway, name in (("esac", "theirs"), ("esac", "nothing"), ("cloud-mars", "x")):
        path = dask.path(name, gateway=gateway)
        asked = [http.get(path), http.get(path, params={"wait": "1"}), http.get(f"{path}/plots"), http.delete(path)]
        asked += [http.post(f"{path}/scale", json={"workers": 1}), http.post(f"{path}/keep", json={})]
        asked += [http.post(f"{path}/adapt", json={"maximum": 1}), http.get(f"{path}/dashboard/status")]

        assert [answer.status_code for answer in asked] == [404] * len(asked)
    assert dask.esac.clusters["theirs"]["state"] == "running"
    assert not [each for each in dask.esac.seen if each.path.startswith("/gw/clusters/")]


HOSTILE = ["a..b", "..", "%2e%2e", "a%2Fb", "-a", "a%00b", "a%20b", "a%3Fx", "%E2%80%AEa", "a%0d%0ab", "a" * 300]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("route", ["", "/snippet", "/plots", "/dashboard/status"])
def test_a_name_that_can_be_none_is_not_asked_for(dask: DaskBed, name: str, route: str) -> None:
    status, _, _ = dask.raw("GET", f"dask/clusters/esac/{name}{route}")

    assert status == 404
    assert not [each for each in dask.esac.seen if each.path.startswith("/gw/clusters/") or ".." in each.path]


def test_code_connects_to_one_cluster(dask: DaskBed) -> None:
    answer = dask.server.get(dask.path("a.b-1", "snippet")).json()

    assert answer["language"] == "python"
    assert "import perijove\n" in answer["code"]
    assert "cluster = perijove.cluster(gateway='esac', name='a.b-1')\n" in answer["code"]
    assert "client = cluster.get_client()\n" in answer["code"]
    compile(answer["code"], "snippet", "exec")


def test_open_leases_are_told(dask: DaskBed) -> None:
    dask.control.leases.update({"a": lease("a"), "b": lease("b", state="ended"), "c": LEASE | {"id": "c"}})

    answer = dask.server.get("leases").json()

    assert [each["id"] for each in answer["items"]] == ["a", "c"]


def test_an_estimate_joins_needs_price_and_limits(dask: DaskBed) -> None:
    quota = {"name": "few-cores", "resource": "cpu", "unit": "cores", "limit": 9.0, "used": 2.0, "per": "user"}
    dask.control.quotas[:] = [quota | {"state": "ok"}]

    fits = dask.server.http.post("dask/estimates", json={"gateway": "esac", "workers": 3})
    not_so = dask.server.http.post("dask/estimates", json={"gateway": "esac", "workers": 4}).json()

    view = Estimate.model_validate_json(fits.content)
    assert view.fits
    assert view.resources.model_dump() == {"cpu": 7.0, "memory_gib": 14.0, "gpu": 0}
    assert (view.cost_hour, view.currency, view.workers_max) == (0.84, "EUR", 20)
    assert [(each.label, each.left) for each in view.limits] == [("Cores at once", 0.0)]
    assert not not_so["fits"]
    assert not_so["why_not"].endswith("2 of 9 cores are used, and this cluster needs 9 more. 3 workers fit now.")
    too_many = dask.server.http.post("dask/estimates", json={"gateway": "esac", "workers": 10**9})
    assert too_many.status_code == 400


def test_tokens_and_keys_are_nowhere_and_go_to_gateways_only(three: DaskBed) -> None:
    http = three.server.http
    three.esac.elsewhere = f"{three.gateways['cloud-us'].address}/stolen"
    answers = []
    for fault in (None, 500, "redirect", "html"):
        three.esac.fault = fault
        for path in ("dask/clusters", "dask/gateways", "leases", three.path("of-esac") + "?wait=1"):
            answers.append(http.get(path))
        answers.append(http.post("dask/clusters", json={"options": {"worker_cores": 99}}))
        answers.append(http.post(three.path("of-esac", "scale"), json={"workers": 1}))
    said = "".join(f"{answer.text}{answer.headers}" for answer in answers) + three.server.log()

    assert not [secret for secret in (TOKEN, TLS_KEY, COOKIE, "PRIVATE KEY", "\x1b") if secret in said]
    asked = three.esac.requests("/api/")
    assert {each.headers["Authorization"] for each in asked} == {f"jupyterhub {TOKEN}"}
    assert [each for each in asked if COOKIE in each.headers.get("Cookie", "")]
    assert not three.gateways["cloud-us"].requests("stolen")
    assert not three.esac.requests("moved")
    assert not [each for each in asked if each.path == "/gw/api/v1/clusters/" and each.method == "GET"]


def test_looking_is_no_activity(three: DaskBed) -> None:
    def last_activity() -> datetime:
        url = three.server.http.base_url.join("../api/status")
        return datetime.fromisoformat(three.server.http.get(url).json()["last_activity"])

    three.server.http.post(three.path("of-esac", "scale"), json={"workers": 1})
    before = last_activity()
    for path in ("dask/clusters", "dask/gateways", "leases", three.path("of-esac")):
        assert three.server.get(path).status_code == 200
    assert last_activity() == before < datetime.now(UTC)
    three.server.http.post(three.path("of-esac", "scale"), json={"workers": 1})
    assert last_activity() > before
