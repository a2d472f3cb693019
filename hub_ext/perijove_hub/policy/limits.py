"""Quotas and allocations as the platform file says them."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from perijove.models import HubName, Slug
from perijove_hub.policy.base import EVERYBODY, Duration, PlatformModel

#: What a workload holds while it runs.
ConcurrentResource = Literal["sessions", "clusters", "cpu", "memory_gib", "gpu"]
#: What a workload uses up over time; a credit is one unit of the platform's currency.
WindowedResource = Literal["cpu_hours", "memory_gib_hours", "gpu_hours", "credits"]

CONCURRENT: tuple[str, ...] = get_args(ConcurrentResource)
WINDOWED: tuple[str, ...] = get_args(WindowedResource)

#: Whose use is counted together.
Per = Literal["user", "group", "class", "site", "platform"]

#: Calendar periods in the platform's time zone, or a rolling length in hours or days.
CALENDAR = ("day", "week", "month", "quarter", "year")
WindowText = Annotated[str, StringConstraints(pattern=r"^(day|week|month|quarter|year|[1-9][0-9]{0,3}[hd])$")]

WarnAt = list[Annotated[float, Field(gt=0, le=1)]]

#: How the hub names the group of a class.
CLASS_PREFIX = "class:"


class AppliesTo(PlatformModel):
    """Whom a quota is for: members of these groups, or, with ``per: site``, these sites."""

    groups: list[HubName] = Field(default_factory=lambda: [EVERYBODY], min_length=1)
    sites: list[str] = Field(default_factory=lambda: [EVERYBODY], min_length=1, description="with `per: site`")


class Quota(PlatformModel):
    """A limit on one resource for one subject, held at once or used over a window."""

    name: Slug
    applies_to: AppliesTo = Field(default_factory=AppliesTo)
    per: Per = Field(
        default="user",
        description="user: each member; group: the pool of all that is charged to one group; class: of one class; "
        "site: of one site; platform: of all",
    )
    resource: Literal[ConcurrentResource, WindowedResource, "home_gib"]
    limit: float = Field(ge=0)
    window: WindowText | None = Field(
        default=None, description="day | week | month | quarter | year, or a rolling length such as 24h or 7d"
    )
    warn_at: WarnAt = Field(default_factory=lambda: [0.8], description="shares of the limit at which people are warned")
    on_exhaustion: Literal["deny", "stop"] = Field(
        default="deny", description="deny: no new starts; stop: running sessions are stopped after the grace as well"
    )
    grace: Duration = Field(default=timedelta(minutes=15), description="with `stop`: from the warning to the stop")

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if self.resource in WINDOWED and self.window is None:
            raise ValueError(f"window: {self.resource} are used over time: say over which, as `window: month`")
        if self.resource not in WINDOWED and self.window is not None:
            raise ValueError(f"window: {self.resource} counts what is held at once, which takes no window")
        if self.resource not in WINDOWED and self.on_exhaustion == "stop":
            raise ValueError(f"on_exhaustion: {self.resource} counts what is held at once, which is never used up")
        if self.resource == "home_gib" and self.per != "user":
            raise ValueError("per: a home belongs to one user; home_gib goes with `per: user`")
        return self

    @model_validator(mode="after")
    def _is_for_somebody(self) -> Self:
        if self.per != "site" and self.applies_to.sites != [EVERYBODY]:
            raise ValueError("applies_to.sites: only a quota `per: site` is for sites")
        if self.per in ("site", "platform") and self.applies_to.groups != [EVERYBODY]:
            raise ValueError(f"applies_to.groups: a quota `per: {self.per}` is for all that runs there")
        for group in self.applies_to.groups:
            is_class = group.startswith(CLASS_PREFIX)
            if group != EVERYBODY and self.per in ("group", "class") and is_class != (self.per == "class"):
                called = f"is {'a' if is_class else 'no'} class; the group of a class is called {CLASS_PREFIX}NAME"
                raise ValueError(f"applies_to.groups: {group!r} {called}")
        return self


class Allocation(PlatformModel):
    """A budget that is granted to a group or class, from the first day to the last."""

    name: Slug | None = Field(default=None, description="absent: made of group, resource and start")
    group: HubName
    resource: WindowedResource
    amount: float = Field(gt=0)
    start: date
    end: date = Field(description="the last day")
    warn_at: WarnAt = Field(default_factory=lambda: [0.8, 0.95])
    on_exhaustion: Literal["deny", "stop"] = "deny"
    grace: Duration = Field(default=timedelta(minutes=15), description="with `stop`: from the warning to the stop")

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"end: {self.end} lies before the start {self.start}")
        if self.group == EVERYBODY:
            raise ValueError("group: a budget is granted to one group; what everybody may use is a quota")
        return self

    @property
    def key(self) -> str:
        """What overrides and refusals call it."""
        group = re.sub(r"[^a-z0-9]+", "-", self.group.lower()).strip("-") or "group"
        return self.name or f"{group[:24]}-{self.resource.replace('_', '-')}-{self.start:%Y%m%d}"
