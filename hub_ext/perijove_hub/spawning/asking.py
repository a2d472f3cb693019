"""Asking control for a lease on behalf of a user, and what a start gets when control does not answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from perijove.models import Kind, LeaseOffer, LeaseRequest, SessionWish
from perijove_hub.admission.client import ControlRefused, ControlUnreachable
from perijove_hub.admission.models import Refused
from perijove_hub.admission.offline import home_site_offer
from perijove_hub.spawning.attempt import House
from perijove_hub.spawning.refusals import StartRefused, stranger, unreachable


@dataclass(frozen=True)
class Asker:
    """Who asks, as the hub knows them. ``name`` is the server's.

    ``home_site`` tells where their home was last, ``runs_others`` whether another server of theirs is up; both are
    asked only when control does not answer.
    """

    owner: str
    groups: Sequence[str]
    name: str
    home_site: Callable[[], str | None]
    runs_others: Callable[[], bool]


async def ask(house: House, asker: Asker, wish: SessionWish, attempt_id: str) -> tuple[LeaseOffer, str | None]:
    """An offer of control; or the hub's own, without a lease, if the platform file allows that now.

    With the hub's own comes the name of the profile, which the hub had to choose.

    Raises:
        StartRefused: there is none; 400 when the wish is the reason.
    """
    try:
        request = LeaseRequest(
            owner=asker.owner,
            groups=list(asker.groups),
            kind=Kind.SESSION,
            name=asker.name,
            attempt_id=attempt_id,
            starting=True,
            **wish.model_dump(),
        )
    except ValidationError as error:
        faults = ", ".join(str(fault["loc"][0]) for fault in error.errors()[:3])
        sentence = f"The platform cannot take what the hub knows of you ({faults}). Tell whoever runs it."
        raise StartRefused(sentence, reason="bad-identity", status_code=400) from error
    try:
        return await house.control.ask(request), None
    except ControlRefused as error:
        status = error.problem.status
        if status == 401:
            raise stranger() from error
        sentence = error.problem.detail
        raise StartRefused(sentence, reason="refused", status_code=400 if status == 422 else 403) from error
    except ControlUnreachable as error:
        try:
            return _do_without(house, asker, wish, attempt_id)
        except StartRefused as refused:
            raise refused from error


def _do_without(house: House, asker: Asker, wish: SessionWish, attempt_id: str) -> tuple[LeaseOffer, str]:
    """One session at the home site, which control takes up when it is back."""
    home_site = asker.home_site() if house.platform.admission.on_unreachable == "home_site" else None
    if home_site is None:
        raise unreachable()
    if asker.runs_others():
        sentence = "The platform cannot check your quota now, and until it can you may run one session only."
        raise StartRefused(sentence, reason="control-unreachable", status_code=503)
    try:
        return home_site_offer(house.platform, wish, asker.owner, frozenset(asker.groups), home_site, attempt_id)
    except Refused as refused:
        sentence = f"The platform cannot check your quota now, and your home site cannot take this. {refused}"
        raise StartRefused(sentence, reason="control-unreachable", status_code=503) from refused
