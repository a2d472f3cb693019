"""The form on the hub's spawn page: profiles, datasets, and where the session would run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from perijove.models import PlacementRequest
from perijove_hub.admission.client import ControlClient, ControlRefused, ControlUnreachable

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


async def render_spawn_form(spawner: Any) -> str:
    """The form for the spawner's user, with the choices of the last start ticked."""
    control: ControlClient = spawner.control
    owner, groups = spawner.user.name, [group.name for group in spawner.user.groups]
    chosen = _chosen(spawner.user_options)
    try:
        profiles, sites, quotas, datasets = await asyncio.gather(
            control.profiles(owner, groups),
            control.sites(owner, groups),
            control.quotas(owner, groups),
            control.datasets(owner, groups),
        )
        known = [dataset.id for dataset in datasets if dataset.id in chosen["datasets"]]
        allowed = [profile.name for profile in profiles if profile.allowed]
        profile = chosen["profile"] if chosen["profile"] in allowed else next(iter(allowed), None)
        placement = await control.place(PlacementRequest(owner=owner, groups=groups, profile=profile, datasets=known))
    except (ControlRefused, ControlUnreachable) as error:
        return TEMPLATES.get_template("spawn_unavailable.html").render(reason=str(error))
    return TEMPLATES.get_template("spawn_form.html").render(
        profiles=profiles,
        profile=profile,
        sites=sites,
        quotas=quotas,
        datasets=datasets,
        ticked=known,
        placement=placement,
        placement_url=f"{spawner.hub.base_url}perijove/placement",
    )


def _chosen(user_options: Any) -> dict[str, Any]:
    """What of the last start's options can be ticked again; they may have come by the API and hold anything."""
    options = user_options if isinstance(user_options, dict) else {}
    datasets = options.get("datasets")
    return {
        "profile": options.get("profile"),
        "datasets": [name for name in datasets if isinstance(name, str)] if isinstance(datasets, list) else [],
    }
