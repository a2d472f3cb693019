"""The form on the hub's spawn page: profiles, datasets, who pays, and where the session would run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from perijove.models import Dataset, PlacementRequest, ProfileView, SessionWish, SiteView
from perijove_hub.admission.client import ControlClient, ControlRefused, ControlUnreachable
from perijove_hub.web.pages_words import Bar, Words

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals["Bar"] = Bar

#: As many as the wish takes.
MOST_IMAGE_CHARACTERS = 400

#: From so many datasets on, there is a box to search them.
MANY_DATASETS = 8


@dataclass(frozen=True)
class Offered:
    """What the form offers to a user."""

    profiles: list[ProfileView]
    sites: list[SiteView]
    datasets: list[Dataset]

    def wish(self, user_options: Any) -> SessionWish:
        """What is chosen at first: the choices of the last start, as far as they are still offered.

        They may have come by the hub's API and hold anything.
        """
        last = user_options if isinstance(user_options, dict) else {}
        allowed = [profile.name for profile in self.profiles if profile.allowed]
        named = last.get("datasets")
        ticked = named if isinstance(named, list) else []
        profile = last.get("profile") if last.get("profile") in allowed else next(iter(allowed), None)
        return SessionWish(
            profile=profile,
            datasets=[dataset.id for dataset in self.datasets if dataset.id in ticked][:100],
            site=last.get("site") if last.get("site") in [site.name for site in self.sites] else None,
            without_home=last.get("without_home") is True,
            image=_shown(last.get("image")) if self._is_for(last.get("profile"), profile) else None,
        )

    @property
    def takers(self) -> list[ProfileView]:
        """The profiles that let this user name an image."""
        return [profile for profile in self.profiles if profile.allowed and profile.user_images]

    def _is_for(self, named: Any, profile: str | None) -> bool:
        """Whether an image that was named with one profile can be named with the one that is chosen now."""
        return named in (None, profile) and profile in [taker.name for taker in self.takers]


def _shown(image: Any) -> str | None:
    """What was named as an image, right or wrong, for its user to change; None: nothing that a field can hold."""
    if isinstance(image, str) and image.isprintable() and 0 < len(image) <= MOST_IMAGE_CHARACTERS:
        return image
    return None


async def render_spawn_form(spawner: Any) -> str:
    """The form for the spawner's user, with the choices of the last start ticked."""
    control: ControlClient = spawner.control
    choices = spawner.take_choices()
    owner, groups = spawner.user.name, [group.name for group in spawner.user.groups]
    try:
        profiles, sites, quotas, datasets, news = await asyncio.gather(
            control.profiles(owner, groups),
            control.sites(owner, groups),
            control.quotas(owner, groups),
            control.datasets(owner, groups),
            control.news(owner, groups),
        )
        offered = Offered(profiles, sites, datasets)
        wish = offered.wish(choices)
        asked = PlacementRequest(owner=owner, groups=groups, **wish.model_dump())
        placement = await control.place(asked)
        # who paid last time pays again, if that is still a choice
        last = choices if isinstance(choices, dict) else {}
        charge_to = last.get("charge_to") if last.get("charge_to") in placement.may_charge else placement.charge_to
        if charge_to is None and placement.may_charge:
            charge_to = placement.may_charge[0]
        if charge_to != placement.charge_to:
            placement = await control.place(asked.model_copy(update={"charge_to": charge_to}))
    except (ControlRefused, ControlUnreachable) as error:
        is_away = isinstance(error, ControlUnreachable)
        goes_home = is_away and spawner.house.platform.admission.on_unreachable == "home_site"
        return TEMPLATES.get_template("spawn_unavailable.html").render(reason=str(error), goes_home=goes_home)
    platform, hub_url = spawner.house.platform, spawner.hub.base_url
    return TEMPLATES.get_template("spawn_form.html").render(
        say=Words(platform.zone, datetime.now(UTC), platform.currency),
        profiles=profiles,
        image_takers=offered.takers,
        sites=sites,
        titles={site.name: site.title for site in sites},
        quotas=quotas,
        datasets=datasets,
        has_many_datasets=len(datasets) > MANY_DATASETS,
        news=news,
        wish=wish,
        charge_to=charge_to,
        placement=placement,
        # an admin who starts somebody else's server would be told of an own one
        placement_url=f"{hub_url}perijove/placement" if _is_for_oneself(spawner) else "",
        files=f"{hub_url}perijove/static/",
        pages=f"{hub_url.removesuffix('hub/')}services/perijove/",
    )


def _is_for_oneself(spawner: Any) -> bool:
    looking = getattr(getattr(spawner, "handler", None), "current_user", None)
    return looking is None or looking.name == spawner.user.name
