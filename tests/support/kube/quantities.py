"""Amounts as Kubernetes writes them (``500m``, ``1Gi``, ``1e3``), and what a pod asks for.

Source: "Quantity" in the Kubernetes API reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from .resources import Object

_FORM = re.compile(r"([+-]?[0-9]*\.?[0-9]+)(?:(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?[0-9]+))?")
_FACTORS = {suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate(("n", "u", "m", "", "k", "M", "G"), -3)}
_FACTORS |= {suffix: Decimal(10) ** power for suffix, power in (("T", 12), ("P", 15), ("E", 18))}
_FACTORS |= {suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}


def parse_quantity(text: str | float) -> Decimal:
    """The amount in base units (cores, bytes, pieces). Raises ValueError."""
    found = _FORM.fullmatch(str(text))
    if not found:
        raise ValueError(f"{text!r} is no quantity; expected a form such as 500m, 2 or 1Gi")
    number, suffix, exponent = found.groups()
    if exponent:
        return Decimal(number) * Decimal(10) ** int(exponent)
    return Decimal(number) * _FACTORS[suffix or ""]


def format_quantity(amount: Decimal) -> str:
    """In plain digits, or thousandths where that is not whole."""
    if amount == amount.to_integral_value():
        return str(int(amount))
    return f"{int(amount * 1000)}m"


def pod_amount(pod: Object, what: str, name: str) -> Decimal | None:
    """The sum over the containers of ``requests`` or ``limits`` of one resource; None where a container says none.

    A limit without a request is a request, too, as with a real server's defaults.
    """
    total = Decimal(0)
    for container in pod["spec"].get("containers") or []:
        said = container.get("resources") or {}
        text = (said.get(what) or {}).get(name)
        if text is None and what == "requests":
            text = (said.get("limits") or {}).get(name)
        if text is None:
            return None
        total += parse_quantity(text)
    return total


def total_requests(pods: Iterable[Object], name: str) -> Decimal:
    """What these pods request together; those that say nothing count as nothing."""
    return sum((pod_amount(pod, "requests", name) or Decimal(0) for pod in pods), Decimal(0))
