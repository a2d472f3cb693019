"""What a lease uses: resources times hours, and money at the price in force. Pure arithmetic."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from perijove.models import Price, Resources


@dataclass(frozen=True)
class Amounts:
    """Use over time. ``credits`` is money, in the platform's currency; ``session_hours`` is the plain time."""

    cpu_hours: float = 0.0
    memory_gib_hours: float = 0.0
    gpu_hours: float = 0.0
    credits: float = 0.0
    session_hours: float = 0.0

    def __add__(self, other: Amounts) -> Amounts:
        """The sum."""
        return Amounts(
            self.cpu_hours + other.cpu_hours,
            self.memory_gib_hours + other.memory_gib_hours,
            self.gpu_hours + other.gpu_hours,
            self.credits + other.credits,
            self.session_hours + other.session_hours,
        )

    def of(self, resource: str) -> float:
        """The amount of a windowed resource of a quota."""
        return float(getattr(self, resource))


def amounts(resources: Resources, price: Price | None, hours: float) -> Amounts:
    """What these resources use in so many hours. With ``hours=1`` it is the rate per hour."""
    return Amounts(
        resources.cpu * hours,
        resources.memory_gib * hours,
        resources.gpu * hours,
        price.hourly(resources) * hours if price else 0.0,
        hours,
    )


def hours_between(start: datetime, end: datetime) -> float:
    """The hours from start to end; none when the end comes first."""
    return max(0.0, (end - start).total_seconds() / 3600)


def price_version(site: str, price: Price, currency: str) -> str:
    """The name under which a site's price is remembered: the same price has the same name, for ever."""
    text = f"{site}\0{currency}\0{price.model_dump_json()}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
