"""How sizes and lists are put into words, the same in every explanation."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def format_bytes(size_bytes: float) -> str:
    """A size for people: ``1.1 GiB``, ``512 MiB``, ``0 B``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size_bytes < 1024 or unit == "TiB":
            break
        size_bytes /= 1024
    return f"{size_bytes:.1f} {unit}" if unit in ("GiB", "TiB") else f"{size_bytes:.0f} {unit}"
