"""Whether a notebook and a cluster fit together: versions, compared before the first task. Pure but for its reading."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

#: What both sides must have alike: tasks and results travel between them by these.
PACKAGES = (
    "cloudpickle",
    "dask",
    "distributed",
    "msgpack",
    "numpy",
    "pandas",
    "perijove",
    "toolz",
    "tornado",
    "xarray",
    "zarr",
)

#: Of these every version must be the same; of the others only the major one.
EXACT = frozenset({"dask", "distributed"})


class VersionWarning(UserWarning):
    """A notebook and a cluster run different versions of what they talk with."""


@lru_cache(maxsize=1)
def package_versions() -> dict[str, str]:
    """The versions of what is installed here."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def python_version() -> str:
    """The version of this Python, as ``3.11.7``."""
    return platform.python_version()


def differences(
    here: tuple[str, Mapping[str, str]], there: tuple[str, Mapping[str, str]]
) -> list[tuple[str, str, str]]:
    """What differs and matters: the name, the version here and the one there.

    Args:
        here: the version of Python, and those of packages.
        there: the same of the other side. A package that only one side has does not count.
    """
    found = []
    if _series(here[0], 2) != _series(there[0], 2):
        found.append(("python", here[0], there[0]))
    for name in PACKAGES:
        ours, theirs = here[1].get(name), there[1].get(name)
        if ours is None or theirs is None:
            continue
        same = ours == theirs if name in EXACT else _series(ours, 1) == _series(theirs, 1)
        if not same:
            found.append((name, ours, theirs))
    return found


def spoken(found: list[tuple[str, str, str]]) -> str:
    """The differences as a sentence that says what to do."""
    what = ", ".join(f"{name} {theirs} and not {ours}" for name, ours, theirs in found)
    return (
        f"This cluster runs {what} as this notebook does: tasks may fail, or their results not come back. Start the "
        "session and the cluster with images of the same versions."
    )


def _series(text: str, parts: int) -> tuple[str, ...]:
    return tuple(text.split(".")[:parts])
