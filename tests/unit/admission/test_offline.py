"""What the hub offers on its own while control is away: the home site, under all that the platform file says."""

from __future__ import annotations

from typing import Any

import pytest

from perijove.models import SessionWish
from perijove_hub.admission.models import Refused
from perijove_hub.admission.offline import home_site_offer
from perijove_hub.policy.models import Platform
from tests.support.platforms import cluster, dataset, platform, profile, replica, site

ATTEMPT = "a" * 32


def offered(
    policy: Platform | None = None, home_site: str = "esac", groups: tuple[str, ...] = ("gaia",), **wish: Any
) -> tuple[Any, str]:
    said = SessionWish.model_validate(wish)
    return home_site_offer(policy or platform(), said, "ana", frozenset(groups), home_site, ATTEMPT)


def test_it_is_the_home_site_without_a_lease() -> None:
    policy = platform(
        profiles={"standard": profile(cpu=2, env={"THEME": "dark"}, max_hours=8, idle_minutes=60)}, currency="CHF"
    )
    offer, name = offered(policy, datasets=["euclid-demo"])
    assert name == "standard"
    assert (offer.id, offer.attempt_id) == ("", ATTEMPT)
    assert [candidate.site for candidate in offer.candidates] == ["esac"]
    assert offer.spawn.home_site == "esac"
    assert (offer.spawn.resources.cpu, offer.spawn.max_hours, offer.spawn.idle_minutes) == (2, 8, 60)
    assert offer.spawn.env == {"THEME": "dark", "PERIJOVE_DATASETS": "euclid-demo", "PERIJOVE_CURRENCY": "CHF"}
    assert offer.spawn.policy_version == policy.version
    assert offer.spawn.rescue is False


def test_an_image_that_the_profile_allows_is_the_sessions_where_the_home_is_in_a_cluster() -> None:
    policy = platform(
        sites={"esac": cluster()}, profiles={"standard": profile(image="lab:7", user_images=["my/.*"])}, datasets={}
    )
    for image, decided, is_users in (("my/lab:1", "my/lab:1", True), (None, "lab:7", False)):
        offer, _ = offered(policy, image=image)
        assert (offer.spawn.image, offer.spawn.image_is_users) == (decided, is_users)


def test_who_does_without_the_home_gets_scratch_there() -> None:
    offer, _ = offered(without_home=True)
    assert offer.spawn.without_home is True


@pytest.mark.parametrize(
    ("parts", "asked", "status", "words"),
    [
        ({}, {"image": "evil/lab:1"}, 422, "Profile Standard takes no image of yours, and you named 'evil/lab:1'"),
        (
            {"profiles": {"standard": profile(user_images=["my/.*"])}},
            {"image": "evil/my/lab:1"},
            422,
            "Profile Standard does not allow the image 'evil/my/lab:1': you may name an image whose whole name matches",
        ),
        (
            {"profiles": {"standard": profile(user_images=["my/.*"])}},
            {"image": "my/lab:1"},
            403,
            "ESAC runs no container images, and you have named one",
        ),
        ({}, {"profile": "large"}, 403, "Profile Large is for euclid only."),
        ({}, {"profile": "none"}, 422, "There is no profile 'none'"),
        ({}, {"datasets": ["secret"]}, 422, "There is no dataset 'secret' that you may read."),
        ({}, {"site": "mars"}, 422, "There is no site 'mars'"),
        ({}, {"site": "cloud-eu"}, 403, "you asked for"),
        ({}, {"home_site": "closed-down"}, 403, "Your home is at closed-down, which is no site of this platform now."),
        ({"sites": {"esac": site(groups=["euclid"])}}, {}, 403, "is for euclid only"),
        ({"profiles": {"huge": profile(cpu=1000)}}, {}, 403, "has 8 cores in all, and 1000 are needed"),
        (
            {"datasets": {"euclid-demo": dataset(replica(region="eu-de-1"), stays_in=["eu-de-1"])}},
            {"datasets": ["euclid-demo"]},
            403,
            "eu-de-1",
        ),
    ],
)
def test_what_the_platform_file_does_not_allow_is_refused_as_ever(
    parts: dict[str, Any], asked: dict[str, Any], status: int, words: str
) -> None:
    with pytest.raises(Refused) as caught:
        offered(platform(**({"datasets": {}} if "sites" in parts else {}), **parts), **asked)
    assert caught.value.problem.status == status
    assert words in caught.value.problem.detail
