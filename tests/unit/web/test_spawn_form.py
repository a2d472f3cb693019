"""The form of the spawn page: what is ticked at first, and for whom it asks as choices change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import Dataset, Placement, Price, Problem, ProfileView, QuotaView, Resources, SiteView, SpawnNews
from perijove_hub.admission.client import ControlRefused, ControlUnreachable
from perijove_hub.web.spawn_form import Offered, render_spawn_form
from tests.support.platforms import platform

SIZE = Resources(cpu=1, memory_gib=2)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["small", "sky", "esac"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
OPTIONS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("profile", "datasets", "site", "charge_to", "without_home", "image", "x"), JSON)
)


def profile(name: str, *, allowed: bool = True, **more: Any) -> ProfileView:
    return ProfileView(
        name=name, title=name.title(), description="", resources=SIZE, max_hours=None, idle_minutes=None,
        allowed=allowed, reason=None if allowed else "for staff only",
        **more,
    )  # fmt: skip


def dataset(name: str) -> Dataset:
    return Dataset(id=name, title=name, description="", licence="CC0", delivery="direct", replicas=[])


SITE = SiteView(
    name="esac", title="ESAC", kind="local", region="es", health="up", load=0, price=Price(), capacity=SIZE, homes=True
)
OFFERED = Offered(
    [profile("staff", allowed=False), profile("small"), profile("large")], [SITE], [dataset("sky"), dataset("moon")]
)


@given(JSON | OPTIONS)
def test_whatever_the_last_start_asked_for_only_what_is_offered_is_ticked(options: Any) -> None:
    wish = OFFERED.wish(options)
    assert wish.profile in ("small", "large")
    assert set(wish.datasets) <= {"sky", "moon"}
    assert wish.site in (None, "esac")
    assert wish.charge_to is None


def test_the_choices_of_the_last_start_are_ticked_again() -> None:
    wish = OFFERED.wish({"profile": "large", "datasets": ["moon", "gone"], "site": "esac", "without_home": True})
    assert (wish.profile, wish.datasets, wish.site, wish.without_home) == ("large", ["moon"], "esac", True)


FREE = profile("free", user_images=["team/.*"], user_images_help="an image of your team", image="lab:7")


@pytest.mark.parametrize(
    ("options", "image"),
    [
        ({"profile": "free", "image": "team/lab:1"}, "team/lab:1"),
        # what was refused is there again, to be changed
        ({"profile": "free", "image": "my lab"}, "my lab"),
        # named with another profile, or with one that is no longer offered
        ({"profile": "small", "image": "team/lab:1"}, None),
        ({"profile": "gone", "image": "team/lab:1"}, None),
        ({"profile": "free", "image": "x" * 401}, None),
        ({"profile": "free", "image": "a\nb"}, None),
        ({"profile": "free", "image": ""}, None),
        ({"profile": "free", "image": ["team/lab:1"]}, None),
    ],
)
def test_the_image_that_was_named_last_is_named_again_with_its_profile(options: Any, image: str | None) -> None:
    assert Offered([profile("small"), FREE], [], []).wish(options).image == image


def test_who_left_the_profile_to_the_platform_has_named_the_image_with_the_first() -> None:
    assert Offered([FREE], [], []).wish({"image": "team/lab:1"}).image == "team/lab:1"


async def test_a_field_for_an_image_is_there_with_the_profiles_that_take_one(monkeypatch: pytest.MonkeyPatch) -> None:
    html = await render_spawn_form(spawner(Control([])))
    assert "pj-image" not in html
    closed = profile("closed", allowed=False, user_images=["x"], user_images_help="an image of others")
    monkeypatch.setattr(Control, "offers", [*OFFERED.profiles, FREE, closed])
    html = await render_spawn_form(spawner(Control([]), {"profile": "free", "image": 'team/"lab'}))
    assert '<label class="form-label" for="pj-image">Container image' in html
    assert 'value="team/&#34;lab"' in html
    assert 'aria-describedby="pj-image-help"' in html
    assert '<p data-profile="free">With Free you may name an image of your team. Left empty, it is lab:7.</p>' in html
    assert html.count("data-profile") == 1
    assert "an image of others" not in html


def test_who_may_take_nothing_has_nothing_ticked() -> None:
    assert Offered([profile("staff", allowed=False)], [], []).wish({"profile": "staff"}).profile is None


class Control:
    """What control answers, at the far edge."""

    offers = OFFERED.profiles

    def __init__(self, may_charge: list[str]) -> None:
        self.may_charge = may_charge
        self.asked: list[str | None] = []

    async def profiles(self, owner: str, groups: list[str]) -> list[ProfileView]:
        return self.offers

    async def sites(self, owner: str, groups: list[str]) -> list[SiteView]:
        return OFFERED.sites

    async def quotas(self, owner: str, groups: list[str]) -> list[Any]:
        return []

    async def datasets(self, owner: str, groups: list[str]) -> list[Dataset]:
        return OFFERED.datasets

    async def news(self, owner: str, groups: list[str]) -> SpawnNews:
        return SpawnNews(notices=[])

    async def place(self, request: Any) -> Placement:
        self.asked.append(request.charge_to)
        payer = request.charge_to or (self.may_charge[0] if len(self.may_charge) == 1 else None)
        return Placement(
            allowed=True, candidates=[], rejected=[], summary="ESAC", charge_to=payer, may_charge=self.may_charge
        )


def spawner(control: Control, options: Any = None, looking: str = "ana") -> Any:
    return SimpleNamespace(
        control=control,
        user=SimpleNamespace(name="ana", groups=[]),
        take_choices=lambda: options,
        house=SimpleNamespace(platform=platform()),
        hub=SimpleNamespace(base_url="/base/hub/"),
        handler=SimpleNamespace(current_user=SimpleNamespace(name=looking)),
    )


@pytest.mark.parametrize(("looking", "url"), [("ana", "/base/hub/perijove/placement"), ("boss", "")])
async def test_an_admin_who_starts_for_another_is_not_told_of_an_own_session(looking: str, url: str) -> None:
    html = await render_spawn_form(spawner(Control([]), looking=looking))
    assert f'data-placement-url="{url}"' in html
    assert 'href="/base/hub/perijove/static/spawn.css"' in html


@pytest.mark.parametrize(
    ("may_charge", "options", "asked"),
    [
        ([], None, [None]),
        (["euclid"], None, [None]),
        # who pays is asked for, so that the place is told for somebody
        (["euclid", "gaia"], None, [None, "euclid"]),
        (["euclid", "gaia"], {"charge_to": "gaia"}, [None, "gaia"]),
        (["euclid", "gaia"], {"charge_to": ["gaia"]}, [None, "euclid"]),
    ],
)
async def test_who_paid_last_time_pays_again(may_charge: list[str], options: Any, asked: list[str | None]) -> None:
    control = Control(may_charge)
    html = await render_spawn_form(spawner(control, options))
    assert control.asked == asked
    assert ('name="charge_to"' in html) == (len(may_charge) > 1)
    assert asked[-1] is None or f'<option value="{asked[-1]}" selected>' in html


AWAY = ControlUnreachable("Control does not answer.")
REFUSED = ControlRefused(Problem(status=403, title="No", detail="You are nobody."))
HOME = "until then a start takes you to your home site, one session at a time."
NONE = "a start would be refused until then."


@pytest.mark.parametrize(
    ("error", "on_unreachable", "sentence"),
    [(AWAY, "deny", NONE), (AWAY, "home_site", HOME), (REFUSED, "home_site", NONE)],
)
async def test_a_page_without_choices_says_what_a_start_would_do(
    error: Exception, on_unreachable: str, sentence: str
) -> None:
    class Silent(Control):
        async def place(self, request: Any) -> Placement:
            raise error

    asked = spawner(Silent([]))
    asked.house.platform = platform(admission={"on_unreachable": on_unreachable})
    html = await render_spawn_form(asked)
    assert f"The choices cannot be shown now: {error} Reload this page in a minute; {sentence}" in html


FULL = QuotaView(
    name="home",
    resource="home_gib",
    unit="GiB",
    limit=1,
    used=2,
    per="user",
    state="exhausted",
    window=None,
    reserved=0,
)  # fmt: skip


@pytest.mark.parametrize(("without_home", "hidden"), [(False, ""), (True, " hidden")])
async def test_a_full_home_is_told_unless_the_session_goes_without(without_home: bool, hidden: str) -> None:
    class Full(Control):
        async def quotas(self, owner: str, groups: list[str]) -> list[Any]:
            return [FULL]

    html = await render_spawn_form(spawner(Full([]), {"without_home": without_home}))
    assert f'id="pj-rescue"{hidden}>' in html
    assert "Your home is full." in html
    assert "pj-rescue" not in await render_spawn_form(spawner(Control([])))
