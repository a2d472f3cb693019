"""Sessions in several clusters behind one hub: from the ask to the end, over real processes and the real protocol."""

from __future__ import annotations

import re
import signal

import pytest

from tests.support.browser import Browser
from tests.support.killing import new_user
from tests.support.kube import Fate, FateKind
from tests.support.kube_platform import KubePlatform, clusters, kube_platform

__all__ = ["clusters", "kube_platform"]


def test_sessions_start_in_their_clusters_are_reached_and_end(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    assert clusters.ask(user, datasets=["sky"]).status_code == 201
    assert clusters.ask(user, "away", site="far", without_home=True).status_code == 201
    assert (len(clusters.pods("near")), len(clusters.pods("far"))) == (1, 1)
    assert clusters.settled()
    [pod] = clusters.pods("near").values()
    env = {each["name"]: each["value"] for each in pod["spec"]["containers"][0]["env"]}
    assert env["JUPYTERHUB_API_URL"] == clusters.hub_api_url
    assert env["PERIJOVE_SITE"] == "near"

    for server in ("server", "servers/away"):
        assert clusters.api.delete(f"users/{user}/{server}").status_code == 204
    clusters.wait("no pod", lambda: not clusters.pods())


def test_a_hub_that_was_killed_finds_its_sessions_again(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    assert clusters.ask(user, datasets=["sky"]).status_code == 201
    before = clusters.pods()
    clusters.kill("hub", signal.SIGKILL)
    clusters.launch("hub")
    clusters.wait("the hub to answer", clusters.hub_is_up)
    clusters.wait("the session to be ready", lambda: clusters.ready_servers() == 1)
    assert clusters.pods().keys() == before.keys()
    assert clusters.api.delete(f"users/{user}/server").status_code == 204


def test_a_pod_that_no_lease_knows_is_removed(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    assert clusters.ask(user, datasets=["sky"]).status_code == 201
    [pod] = clusters.pods("near").values()
    labels = pod["metadata"]["labels"] | {"perijove.io/attempt": "f" * 32}
    orphan = {"metadata": {"name": f"session-{'f' * 32}", "labels": labels}}
    clusters.near.put("pods", "users", {**orphan, "spec": {"containers": pod["spec"]["containers"]}})
    clusters.wait("the orphan to be gone", lambda: "f" * 32 not in clusters.pods())
    assert len(clusters.pods()) == 1
    assert clusters.api.delete(f"users/{user}/server").status_code == 204


def test_a_start_that_finds_no_room_goes_to_the_next_cluster_and_says_so(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    clusters.near.fates.add(Fate(FateKind.IMAGE_PULL))
    assert clusters.ask(user, datasets=["sky"]).status_code == 201
    [lease] = clusters.leases_of(user)
    assert (lease["state"], lease["site"]) == ("active", "far")
    assert "Near did not start attempt" in clusters.log("hub")
    assert "its image cannot be fetched: " in clusters.log("hub")
    assert clusters.pods("near") == {}
    assert clusters.api.delete(f"users/{user}/server").status_code == 204


# --- images that users name: item 26 of the checklist of attacks --------------------------------------------------

MINE = "registry.example/team/lab:2026-03"


def images(clusters: KubePlatform, *sites: str) -> list[str]:
    """What the sessions run, as their pods say."""
    return [pod["spec"]["containers"][0]["image"] for pod in clusters.pods(*sites).values()]


def test_an_image_that_a_user_may_name_is_the_pods_and_is_still_after_a_restart_of_the_hub(
    clusters: KubePlatform,
) -> None:
    user = new_user(clusters)
    assert clusters.ask(user, profile="free", image=MINE, datasets=["sky"]).status_code == 201
    assert clusters.ask(user, "usual", profile="free", datasets=["sky"]).status_code == 201
    assert sorted(images(clusters, "near")) == ["lab", MINE]
    assert {lease["name"]: lease["image"] for lease in clusters.leases_of(user)} == {"": MINE, "usual": None}
    with Browser(clusters, user) as browser:
        page = browser.client.get("/services/perijove/", follow_redirects=True).text
    assert re.findall(r"<dt>Image</dt><dd>([^<]*)</dd>", page) == ["lab", MINE]

    clusters.kill("hub", signal.SIGKILL)
    clusters.launch("hub")
    clusters.wait("the hub to answer", clusters.hub_is_up)
    clusters.wait("the sessions to be ready", lambda: clusters.ready_servers() == 2)
    assert sorted(images(clusters)) == ["lab", MINE]
    # "start again" is the same choice: the hub keeps it, and its form shows it
    assert clusters.api.delete(f"users/{user}/server").status_code == 204
    clusters.wait("one pod", lambda: len(clusters.pods()) == 1)
    with Browser(clusters, user) as browser:
        page = browser.client.get(f"/hub/spawn/{user}").text
        assert f'name="image" id="pj-image" value="{MINE}"' in page
        browser.start(user, "", profile="free", image=f" {MINE} ", datasets="sky")
    clusters.wait("the sessions to be ready", lambda: clusters.ready_servers() == 2)
    assert sorted(images(clusters)) == ["lab", MINE]
    for server in ("server", "servers/usual"):
        assert clusters.api.delete(f"users/{user}/{server}").status_code == 204


def test_the_next_cluster_is_tried_with_the_same_image(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    clusters.near.fates.add(Fate(FateKind.IMAGE_PULL))
    assert clusters.ask(user, profile="free", image=MINE, datasets=["sky"]).status_code == 201
    assert (images(clusters, "near"), images(clusters, "far")) == ([], [MINE])
    assert f"the image {MINE}, which you have named, cannot be fetched" in clusters.log("hub")
    assert clusters.api.delete(f"users/{user}/server").status_code == 204


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"profile": "free", "image": f"evil.example/{MINE}"},
            f"Profile Free does not allow the image 'evil.example/{MINE}': "
            "you may name an image of your team, such as registry.example/team/lab:2; or leave the image out.",
        ),
        (
            {"profile": "free", "image": "registry.example/team/../x:1"},
            "'registry.example/team/../x:1' is no name of a container image",
        ),
        ({"profile": "free", "image": f"{MINE}@sha256:{'0' * 64}"}, "Profile Free does not allow the image"),
        ({"profile": "free", "image": f"{MINE}\n"}, "These are no options of a session: image: "),
        (
            {"profile": "small", "image": MINE},
            f"Profile Small takes no image of yours, and you named '{MINE}': leave the image out.",
        ),
        ({"profile": "small", "image": "lab"}, "Profile Small takes no image of yours"),
    ],
)
def test_item_26_an_image_that_a_user_may_not_name_is_refused_and_nothing_is_made(
    clusters: KubePlatform, options: dict[str, str], sentence: str
) -> None:
    user = new_user(clusters)
    asked = {name: len(cluster.requests) for name, cluster in clusters.clusters.items()}
    refused = clusters.ask(user, **options)
    assert (refused.status_code, refused.json()["message"][: len(sentence)]) == (400, sentence)
    assert (clusters.pods(), clusters.leases_of(user)) == ({}, [])
    for name, cluster in clusters.clusters.items():
        assert [each for each in cluster.requests[asked[name] :] if each.verb == "create"] == []


def test_the_form_says_what_may_be_named_and_keeps_what_was_refused(clusters: KubePlatform) -> None:
    user = new_user(clusters)
    with Browser(clusters, user) as browser:
        page = browser.client.get(f"/hub/spawn/{user}").text
        assert "With Free you may name an image of your team, such as registry.example/team/lab:2." in page
        assert "Left empty, it is the image of the site." in page
        fields = {"profile": "free", "image": "my lab", "_xsrf": browser.xsrf}
        answer = browser.client.post(
            f"/hub/spawn/{user}", files={name: (None, value) for name, value in fields.items()}
        )
    assert answer.status_code == 400
    assert "&#39;my lab&#39; is no name of a container image" in answer.text
    assert 'name="image" id="pj-image" value="my lab"' in answer.text
    assert 'name="profile" value="free" checked' in answer.text
    # and the place is told all the same
    assert "Cannot start now" in answer.text
    assert clusters.pods() == {}
