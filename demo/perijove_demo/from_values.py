"""``perijove demo --from-values``: the platform of a chart's values, with each of its sites on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from perijove_demo.problem import DemoProblem
from perijove_demo.state import Account
from perijove_hub.policy import Platform
from perijove_hub.policy.models import EVERYBODY, LocalSite

#: Who is put into the groups that the platform names, to look around in it.
GUIDE = "scientist"

#: A person who tries something does not wait a minute for what a platform looks at once a minute.
LOOKS = {"inventory_seconds": 10, "sweep_seconds": 5}


def write_local_platform(values: Path, path: Path) -> None:
    """Write the platform file of a chart's values, its sites as local ones; profiles, limits and datasets stay.

    Args:
        values: a file of values of the chart ``perijove``.
        path: where the platform file goes.

    Raises:
        DemoProblem: there is no platform in the values.
    """
    yaml = YAML(typ="safe")
    try:
        document = yaml.load(values)
    except OSError as error:
        raise DemoProblem(f"{values} cannot be read: {error.strerror}.") from error
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        raise DemoProblem(f"{values} is no YAML: {str(error).splitlines()[0]}.") from error
    platform = document.get("platform") if isinstance(document, dict) else None
    if not isinstance(platform, dict) or not isinstance(platform.get("sites"), dict):
        raise DemoProblem(f"{values}: expected values of the chart perijove, with platform.sites in them.")
    _check(values, platform)
    local = {name: _local(site) for name, site in platform["sites"].items()}
    kept = {key: value for key, value in platform.items() if key != "public_url"}
    # in the order of the file, which people see
    plain = YAML(typ="safe", pure=True)
    plain.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # published as None
    with path.open("w") as file:
        plain.dump(kept | {"sites": local, "admission": {**(platform.get("admission") or {}), **LOOKS}}, file)


def _check(values: Path, platform: dict[str, Any]) -> None:
    """Refuse what the platform of the values may not say: made local, a slip in the key of a cluster would not show."""
    try:
        Platform.model_validate(platform)
    except ValidationError as error:
        fault = error.errors()[0]
        # pydantic puts the kind of a site into the place of a fault
        where = ".".join(str(part) for part in fault["loc"] if part not in ("local", "kubernetes"))
        said = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
        raise DemoProblem(f"{values}: platform.{where}: {said}") from error


def _local(site: dict[str, Any]) -> dict[str, Any]:
    """What a local site can have of a site: neither a cluster, nor its Dask Gateway."""
    return {key: site[key] for key in LocalSite.model_fields if key in site and key != "dask"} | {"kind": "local"}


def with_groups(accounts: Sequence[Account], platform: Platform) -> list[Account]:
    """The accounts, of which one is in all groups that the platform names."""
    named = sorted(set(_groups(platform.model_dump())) - {EVERYBODY})
    return [
        replace(each, groups=list(dict.fromkeys([*each.groups, *named]))) if each.name == GUIDE else each
        for each in accounts
    ]


def _groups(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key == "groups":
                yield from value
            elif key == "group" and isinstance(value, str):
                yield value
            else:
                yield from _groups(value)
    elif isinstance(part, list | tuple):
        for each in part:
            yield from _groups(each)
