"""How figures, times and limits are put into words on the pages. Pure: zone, time and currency are given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

from perijove.models import Lease, LeaseState, QuotaView, Resources
from perijove_hub.ledger.words import spoken_amount, spoken_subject, spoken_time, spoken_window

#: How the resource of a limit is called on the pages.
RESOURCES = {
    "sessions": "Sessions at once",
    "clusters": "Clusters at once",
    "cpu": "Cores at once",
    "memory_gib": "Memory at once",
    "gpu": "GPUs at once",
    "home_gib": "Home directory",
    "cpu_hours": "Core hours",
    "memory_gib_hours": "GiB hours",
    "gpu_hours": "GPU hours",
    "credits": "Cost",
}

#: What a state is called by people who have not read the design.
STATES = {
    LeaseState.OFFERED: "asked",
    LeaseState.STARTING: "starting",
    LeaseState.ACTIVE: "running",
    LeaseState.ENDED: "ended",
    LeaseState.EXPIRED: "not taken up",
    LeaseState.FAILED: "lost",
}


@dataclass(frozen=True)
class Words:
    """Words of one page: in the platform's time zone and currency, at the time the page is drawn."""

    zone: ZoneInfo
    now: datetime
    currency: str

    def time(self, moment: datetime) -> Markup:
        """A moment as a ``time`` element: ``1 April 2026, 00:00 CEST``."""
        return Markup('<time datetime="{}">{}</time>').format(
            moment.astimezone(UTC).isoformat(timespec="seconds"), spoken_time(moment, self.zone)
        )

    def plain_time(self, moment: datetime) -> str:
        """The same without markup, for a sentence."""
        return spoken_time(moment, self.zone)

    def field_time(self, moment: datetime) -> str:
        """What a ``datetime-local`` field holds for a moment."""
        return moment.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M")

    def relative(self, moment: datetime) -> str:
        """``in 25 min``, ``3 days ago``."""
        if timedelta(0) <= self.now - moment < timedelta(minutes=1):
            return "just now"
        length = spoken_length(abs(moment - self.now))
        return f"in {length}" if moment > self.now else f"{length} ago"

    def money(self, amount: float) -> str:
        """An amount in the currency; a small one keeps two digits that say something, six at most."""
        decimals = 2 if amount == 0 else min(6, max(2, 1 - math.floor(math.log10(abs(amount)))))
        return f"{amount:,.{decimals}f} {self.currency}"

    def cost_hour(self, least: float, most: float | None = None) -> str:
        """A price per hour, or from the least to the most."""
        if most is not None and round(most - least, 4) > 0:
            return f"{self.money(least).rpartition(' ')[0]} to {self.money(most)} per hour"
        return f"{self.money(least)} per hour" if least else "free of charge"

    @staticmethod
    def amount(amount: float) -> str:
        """A number with at most two decimals."""
        return spoken_amount(amount)

    @staticmethod
    def hours(hours: float) -> str:
        """A length: ``45 min``, ``12 h``, ``3 days``."""
        return spoken_length(timedelta(hours=hours))

    @staticmethod
    def size(resources: Resources) -> str:
        """``2 cores, 8 GiB, 1 GPU``."""
        gpu = f", {resources.gpu} GPU{'' if resources.gpu == 1 else 's'}" if resources.gpu else ""
        cores = f"{spoken_amount(resources.cpu)} core{'' if resources.cpu == 1 else 's'}"
        return f"{cores}, {spoken_amount(resources.memory_gib)} GiB{gpu}"

    @staticmethod
    def state(lease: Lease) -> str:
        """The state of a lease in a word."""
        return STATES[lease.state]

    @staticmethod
    def limit_title(view: QuotaView) -> str:
        """What a limit limits: ``GPU hours this month``."""
        return RESOURCES.get(view.resource, view.resource) + spoken_window(view.window)

    @staticmethod
    def limit_scope(view: QuotaView) -> str:
        """Whose use counts, where it is not only one's own."""
        return "" if view.per == "user" else f"{spoken_subject(view.subject)}, everybody together"

    @staticmethod
    def subject(subject: str) -> str:
        """``user ana``, ``group euclid``, ``the platform``."""
        return spoken_subject(subject)

    def used_of(self, view: QuotaView) -> str:
        """``12 of 40 GPU hours, of which 1 is reserved by what runs``."""
        reserved = f", {spoken_amount(view.reserved)} of it reserved by what runs" if view.reserved >= 0.005 else ""
        return f"{spoken_amount(view.used)} of {spoken_amount(view.limit)} {view.unit}{reserved}"


@dataclass(frozen=True)
class Bar:
    """The parts of a bar, in percent of its length: what is used for good, what is reserved, and where it warns."""

    spent: float
    reserved: float
    marks: tuple[float, ...]

    @classmethod
    def of(cls, view: QuotaView) -> Bar:
        """The bar of a limit; a limit of nothing is full."""
        used, spent = _percent(view.used, view.limit), _percent(view.used - view.reserved, view.limit)
        marks = tuple(round(100 * share, 2) for share in view.warn_at if share < 1)
        return cls(spent, round(used - spent, 2), marks)

    @classmethod
    def plain(cls, used: float, limit: float) -> Bar:
        """A bar without warnings, as of a site's capacity."""
        return cls(_percent(used, limit), 0.0, ())


def _percent(part: float, whole: float) -> float:
    return round(100 * min(1.0, max(0.0, part) / whole), 2) if whole > 0 else 100.0


def spoken_length(length: timedelta) -> str:
    """A length in its two largest units: ``2 h 10 min``, ``3 days``; less than a minute is called that."""
    minutes = round(length.total_seconds() / 60)
    if minutes < 1:
        return "less than a minute"
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} day{'' if days == 1 else 's'}" + (f" {hours} h" if hours and days < 7 else "")
    if hours:
        return f"{hours} h" + (f" {rest} min" if rest else "")
    return f"{rest} min"
