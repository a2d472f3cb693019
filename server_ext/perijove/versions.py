"""Whether a notebook and a cluster fit together: versions, compared before the first task. Pure but for its reading."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

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


#: The version of Python, and those of packages; None: it is not there.
Versions = tuple[str, Mapping[str, str | None]]
#: What differs: the name, the version here and the one there.
Difference = tuple[str, str, str]


def told_versions(answer: Mapping[str, Any]) -> Versions | None:
    """What a scheduler or a worker has said to distributed's question for versions; None: nothing of use."""
    packages = answer.get("packages")
    if not isinstance(packages, dict) or not isinstance(packages.get("python"), str):
        return None
    return ".".join(packages["python"].split(".")[:3]), packages


def differences(here: Versions, there: Versions) -> list[Difference]:
    """What differs and matters. A package that only one side has does not count."""
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


def misfit(here: Versions, scheduler: Versions | None, workers: Iterable[Versions]) -> str | None:
    """Why a notebook and a cluster may not work together, and what to do, in a few words; None: they do."""
    of_all = differences(here, scheduler) if scheduler else []
    said = [f"This cluster runs {_listed(of_all)} as this notebook does"] if of_all else []
    known = list(workers)
    others = Counter(tuple(differences(here, each)) for each in known)
    said += [
        f"{count} of this cluster's {len(known)} workers run{'s' if count == 1 else ''} {_listed(found)}"
        for found, count in others.items()
        if found and list(found) != of_all
    ]
    advice = "Start the session and the cluster with images of the same versions."
    if image := os.environ.get("JUPYTER_IMAGE_SPEC") or os.environ.get("JUPYTER_IMAGE"):
        advice = f"{advice[:-1]}; this session's is {image}."
    told = [f"{'; '.join(said)}: tasks may fail, or their results not come back. {advice}"] if said else []
    without = sum(1 for each in known if here[1].get("perijove") and not each[1].get("perijove"))
    if without:
        told.append(f"{without} of this cluster's {len(known)} workers have no perijove, and cannot read perijove://.")
    return " ".join(told) or None


def _listed(found: Iterable[Difference]) -> str:
    return ", ".join(f"{name} {theirs} and not {ours}" for name, ours, theirs in found)


def _series(text: str, parts: int) -> tuple[str, ...]:
    return tuple(text.split(".")[:parts])
