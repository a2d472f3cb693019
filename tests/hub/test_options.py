"""What people may choose for a session, by the hub's API, by a link and by the form; everything else is refused."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest

from perijove_hub.spawning.ghosts import TOLD_SECONDS
from tests.support.bed import PLATFORM, Bed
from tests.support.browser import Browser

_numbers = itertools.count()


@pytest.fixture(scope="module")
def bed_settings() -> dict[str, Any]:
    budgets = "\n".join(
        f"  - {{group: {group}, resource: credits, amount: 100, start: 2020-01-01, end: 2099-12-31}}"
        for group in ("gaia", "euclid")
    )
    return {"platform": f"{PLATFORM}allocations:\n{budgets}\n"}


@pytest.fixture
def user(bed: Bed) -> str:
    name = f"chooser-{next(_numbers)}"
    bed.add_user(name, ("gaia", "euclid"))
    return name


@pytest.fixture
def nothing_starts(bed: Bed, user: str) -> Any:
    before = set(bed.session_processes())
    yield
    assert set(bed.session_processes()) == before
    assert bed.servers(user) == {}
    # the hub keeps what it knows of a start that was slow to be refused a few seconds more, for the page that tells it
    bed.wait("the list without it", lambda: bed.all_servers(user) == set(), seconds=TOLD_SECONDS + 2)
    with bed.control_as(user) as control:
        assert control.get("leases").json()["items"] == []


THERE_ARE = "there are charge_to, datasets, image, profile, site, without_home."

#: Options that are none, each with what the sentence says of it.
TAMPERED: list[tuple[dict[str, Any], str]] = [
    ({"image": ["evil/image:latest"]}, "image: Input should be a valid string."),
    ({"image": "evil/image:latest\n"}, "image: String should match pattern"),
    ({"image": "x" * 401}, "image: String should have at most 400 characters."),
    ({"cpu": 64}, f"there is no 'cpu'; {THERE_ARE}"),
    ({"mem": "512G"}, f"there is no 'mem'; {THERE_ARE}"),
    ({"mem_limit": "512G", "cpu_limit": 64}, f"there is no 'cpu_limit', 'mem_limit'; {THERE_ARE}"),
    ({"gpu": 8}, f"there is no 'gpu'; {THERE_ARE}"),
    ({"node_selector": {"pool": "gpu"}}, f"there is no 'node_selector'; {THERE_ARE}"),
    ({"cluster": "other"}, f"there is no 'cluster'; {THERE_ARE}"),
    ({"volumes": [{"hostPath": "/"}]}, f"there is no 'volumes'; {THERE_ARE}"),
    ({"env": {"LD_PRELOAD": "/tmp/x.so"}}, f"there is no 'env'; {THERE_ARE}"),
    ({"cmd": ["sh"]}, f"there is no 'cmd'; {THERE_ARE}"),
    ({"owner": "somebody"}, f"there is no 'owner'; {THERE_ARE}"),
    ({"resources": {"cpu": 1e9}}, f"there is no 'resources'; {THERE_ARE}"),
    ({"": 1, "\ud800": 2, "a\nb": 3, "d": 4}, f"there is no '', 'a?b', 'd' and more; {THERE_ARE}"),
    ({"x" * 10_000: 1}, f"there is no '{'x' * 40}…'; {THERE_ARE}"),
    ({"profile": ["small"]}, "profile: Input should be a valid string."),
    ({"profile": {"name": "small"}}, "profile: Input should be a valid string."),
    ({"profile": 7}, "profile: Input should be a valid string."),
    ({"profile": "../small"}, "profile: String should match pattern"),
    ({"profile": "small\n"}, "profile: String should match pattern"),
    ({"datasets": "sky"}, "datasets: Input should be a valid list."),
    ({"datasets": {"sky": True}}, "datasets: Input should be a valid list."),
    ({"datasets": [["sky"]]}, "datasets.0: Input should be a valid string."),
    ({"datasets": ["sky"] * 101}, "datasets: List should have at most 100 items"),
    ({"without_home": 1}, "without_home: Input should be a valid boolean."),
    ({"without_home": "yes"}, "without_home: Input should be a valid boolean."),
    ({"charge_to": ["gaia", "euclid"]}, "charge_to: Input should be a valid string."),
    ({"charge_to": "a\u0000b"}, "charge_to: String should match pattern"),
    ({"site": None, "profile": False}, "profile: Input should be a valid string."),
]


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(("options", "words"), TAMPERED, ids=[str(index) for index in range(len(TAMPERED))])
def test_options_that_are_none_are_refused_by_name(bed: Bed, user: str, options: dict[str, Any], words: str) -> None:
    for server in ("", "mine"):
        refused = bed.ask(user, server, **options)
        assert refused.status_code == 400
        assert refused.json()["message"].startswith(f"These are no options of a session: {words}")
        assert len(refused.text) < 600


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"profile": "no-such"}, 400, "There is no profile 'no-such'"),
        ({"profile": "for-staff"}, 403, "Profile For staff is for staff only."),
        ({"datasets": ["nothing"]}, 400, "There is no dataset 'nothing' that you may read."),
        ({"image": "evil/image:latest"}, 400, "takes no image of yours, and you named 'evil/image:latest'"),
        ({"site": "mars"}, 400, "There is no site 'mars'; choose from far, near."),
        ({"charge_to": "staff"}, 403, "You are not in group 'staff'"),
        ({}, 400, "several of your groups could pay; choose from euclid, gaia."),
    ],
)
def test_a_choice_that_is_not_theirs_is_refused_with_what_there_is(
    bed: Bed, user: str, options: dict[str, Any], status: int, words: str
) -> None:
    refused = bed.ask(user, "mine", **({"charge_to": "gaia"} | options if options else {}))
    assert refused.status_code == status
    assert words in refused.json()["message"]


@pytest.mark.usefixtures("nothing_starts")
def test_huge_options_are_refused_in_a_moment(bed: Bed, user: str) -> None:
    for options in (
        {f"key-{index}": "x" * 50 for index in range(100_000)},
        {"datasets": [f"data-{index}" for index in range(500_000)]},
        {"profile": "x" * 10_000_000},
        json.loads('{"datasets": ' + "[" * 500 + "]" * 500 + "}"),
    ):
        begun = time.monotonic()
        refused = bed.ask(user, "mine", **options)
        assert refused.status_code == 400
        assert len(refused.text) < 600
        assert time.monotonic() - begun < 10


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize("body", [b"[]", b'"sky"', b'{"user_options": []}', b'{"user_options": "x"}', b"{", b"7"])
def test_a_body_that_is_no_object_is_refused(bed: Bed, user: str, body: bytes) -> None:
    # an empty list is no body to the hub, and the user has to choose who pays
    assert bed.api.post(f"users/{user}/servers/mine", content=body).status_code == 400


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("opt-image=evil&opt-charge_to=gaia", "takes no image of yours, and you named &#39;evil&#39;"),
        ("opt-cpu=64&opt-mem=512G", "there is no &#39;cpu&#39;, &#39;mem&#39;"),
        ("image_pull_policy=Never", "there is no &#39;image_pull_policy&#39;"),
        ("opt-profile=small&opt-profile=for-staff", "profile: Input should be a valid string"),
        ("opt-without_home=perhaps", "without_home: Input should be a valid boolean"),
        ("opt-datasets=../sky", "datasets.0: String should match pattern"),
        ("opt-site=mars&opt-charge_to=gaia", "There is no site &#39;mars&#39;"),
        ("opt-<script>=1", "there is no &#39;&lt;script&gt;&#39;"),
    ],
)
def test_a_link_with_options_that_are_none_is_refused_by_name(bed: Bed, user: str, query: str, words: str) -> None:
    with Browser(bed, user) as browser:
        page = browser.client.get(f"/hub/spawn/{user}/mine?{query}")
    assert page.status_code in (400, 403)
    assert words in page.text
    assert "<script>=" not in page.text


def _lease(bed: Bed, user: str) -> dict[str, Any]:
    with bed.control_as(user) as control:
        (lease,) = control.get("leases").json()["items"]
    return {key: lease[key] for key in ("state", "site", "profile", "charge_to", "name")}


MINE = {"state": "active", "site": "far", "profile": "small", "charge_to": "euclid", "name": "mine"}


def test_all_choices_arrive_by_the_api(bed: Bed, user: str) -> None:
    before = set(bed.session_processes())
    options = {"profile": "small", "datasets": ["sky"], "charge_to": "euclid", "site": "far", "without_home": True}
    assert bed.ask(user, "mine", **options).status_code == 201
    assert _lease(bed, user) == MINE
    (attempt,) = set(bed.session_processes()) - before
    env = bed.session_processes()[attempt].environ()
    assert env["PERIJOVE_DATASETS"] == "sky"
    assert env["HOME"] == str(bed.directory / "sites/far/scratch" / attempt)


def test_all_choices_arrive_by_a_link(bed: Bed, user: str) -> None:
    query = "opt-profile=small&opt-datasets=sky&opt-charge_to=euclid&opt-site=far&opt-without_home=on"
    with Browser(bed, user) as browser:
        browser.client.get(f"/hub/spawn/{user}/mine?{query}")
    bed.wait("the server", lambda: bed.servers(user).get("mine", {}).get("ready"))
    assert _lease(bed, user) == MINE
    assert bed.servers(user)["mine"]["user_options"] == {
        "profile": "small",
        "datasets": ["sky"],
        "charge_to": "euclid",
        "site": "far",
        "without_home": True,
    }


def test_all_choices_arrive_by_the_form(bed: Bed, user: str) -> None:
    with Browser(bed, user) as browser:
        browser.start(user, "mine", profile="small", datasets="sky", charge_to="euclid", site="far", without_home="on")
    bed.wait("the server", lambda: bed.servers(user).get("mine", {}).get("ready"))
    assert _lease(bed, user) == MINE


def test_fields_that_are_left_empty_are_left_to_the_platform(bed: Bed, user: str) -> None:
    with Browser(bed, user) as browser:
        browser.start(user, "mine", profile="", datasets=["", "sky"], charge_to="gaia", site="", without_home="")
    bed.wait("the server", lambda: bed.servers(user).get("mine", {}).get("ready"))
    assert _lease(bed, user) == MINE | {"site": "near", "charge_to": "gaia"}
    assert bed.servers(user)["mine"]["user_options"] == {"datasets": ["sky"], "charge_to": "gaia"}
