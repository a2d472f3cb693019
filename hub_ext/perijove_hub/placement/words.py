"""How sizes, money and lists are put into words, the same in every explanation."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def either(names: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return listed(names, "or")


def format_bytes(size_bytes: float) -> str:
    """A size for people: ``1.1 GiB``, ``512 MiB``, ``0 B``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size_bytes < 1024 or unit == "TiB":
            break
        size_bytes /= 1024
    return f"{size_bytes:.1f} {unit}" if unit in ("GiB", "TiB") else f"{size_bytes:.0f} {unit}"


def format_money(amount: float, currency: str) -> str:
    """An amount for people, a small one to a tenth of a cent: ``12.50 EUR``, ``0.014 EUR``, ``under 0.001 EUR``."""
    if 0 < amount < 0.0005:
        text = "under 0.001"
    else:
        text = f"{amount:.3f}" if amount < 0.1 else f"{amount:.2f}"
        text = text.removesuffix("0") if amount < 0.1 else text
    return f"{text} {currency}".rstrip()
