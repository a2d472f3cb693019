"""What the hub keeps of a session, to find it again after a restart and to tell control of it."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from perijove.models import AttemptFacts, AttemptId, Lease

#: Where a spawner's state holds the session, and where the site of its owner's home.
SESSION_KEY, HOME_KEY = "perijove", "perijove_home"


class Terms(BaseModel):
    """Under what a session was admitted; what control needs to know of one that it has no lease for."""

    model_config = ConfigDict(frozen=True)

    groups: list[str] = Field(default_factory=list)
    profile: str | None = None
    charge_to: str | None = None
    without_home: bool = False
    image: str | None = None
    started: AwareDatetime

    def under(self, lease: Lease) -> Terms:
        """The same as control settled them."""
        settled = {"profile": lease.profile or self.profile, "charge_to": lease.charge_to}
        return self.model_copy(update=settled | {"started": lease.started or self.started})

    def facts(self, owner: str, name: str) -> AttemptFacts | None:
        """The same as control is told it; None when control would not take it."""
        try:
            return AttemptFacts(owner=owner, name=name, **self.model_dump())
        except ValidationError:
            return None


class SavedSession(BaseModel):
    """A session as the hub's database keeps it."""

    model_config = ConfigDict(frozen=True)

    attempt_id: AttemptId
    lease_id: str = ""
    site: str
    url: str
    home_site: str | None = None
    terms: Terms | None = None


def saved_session(state: dict[str, Any]) -> SavedSession | None:
    """The session of a spawner's state; None when there is none, or none that can be read."""
    try:
        return SavedSession.model_validate(state[SESSION_KEY])
    except (KeyError, TypeError, ValidationError):
        return None
