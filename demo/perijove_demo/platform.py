"""The platform file of the demo, with the datasets at the addresses that its stores have this time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from perijove_demo.data.catalogue import with_endpoints

HERE = Path(__file__).parent

#: The name of the secret that holds control's key for a cloud.
STORE_SECRET = "{}-store"  # noqa: S105 - a name, no secret


def write_platform(path: Path, public_url: str, endpoints: Mapping[str, str]) -> None:
    """Write the platform file; ``endpoints`` gives the address of each site's store."""
    yaml = YAML()
    document: dict[str, Any] = yaml.load(HERE / "platform.yaml")
    document["public_url"] = public_url
    document["datasets"] = with_endpoints(dict(endpoints))
    with path.open("w") as file:
        yaml.dump(document, file)
