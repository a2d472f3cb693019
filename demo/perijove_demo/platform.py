"""The platform file of the demo, with the datasets at the addresses that its stores have this time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from perijove_demo.archive import TITLE
from perijove_demo.data.catalogue import with_endpoints
from perijove_demo.gateways import DaskSite
from perijove_demo.out_of_order import OUT_OF_ORDER

HERE = Path(__file__).parent

#: The name of the secret that holds control's key for a cloud.
STORE_SECRET = "{}-store"  # noqa: S105 - a name, no secret

#: Its one copy is at the site that is out of order.
POLAR_DATASET = "sea-at-the-pole"


def write_platform(
    path: Path, endpoints: Mapping[str, str], archive_url: str, gateways: Mapping[str, DaskSite]
) -> None:
    """Write the platform file.

    Args:
        path: where.
        endpoints: the address of each site's store.
        archive_url: the archive's.
        gateways: the Dask Gateways, by site.
    """
    yaml = YAML()
    document: dict[str, Any] = yaml.load(HERE / "platform.yaml")
    datasets = with_endpoints(dict(endpoints))
    document["datasets"] = datasets | {POLAR_DATASET: _polar(datasets["sea-surface-temperature"])}
    document["catalogues"] = _catalogues(archive_url)
    for name, gateway in gateways.items():
        document["sites"][name]["dask"] = {
            "address": gateway.address,
            "proxy_address": gateway.proxy_address,
            "secret": gateway.service,
        }
    with path.open("w") as file:
        yaml.dump(document, file)


def _catalogues(archive_url: str) -> dict[str, Any]:
    """The archive as others would federate it: by its catalogue, and by the pages that list its files."""
    common = {"licence": "CC0-1.0", "refresh_minutes": 1, "allow_private": True}
    return {
        "demo-stac": {
            "kind": "stac",
            "title": f"{TITLE} (STAC)",
            "url": f"{archive_url}/catalog.json",
            "frame": "sky",
            **common,
        },
        "demo-files": {"kind": "http", "title": f"{TITLE} (files)", "url": f"{archive_url}/", **common},
    }


def _polar(dataset: dict[str, Any]) -> dict[str, Any]:
    """The same data once more, as if they were kept at the polar station; ESAC's store serves them."""
    at_esac = next(replica for replica in dataset["replicas"] if replica["site"] == "esac")
    return {
        **dataset,
        "title": "Sea surface temperature, kept at the pole",
        "description": "The same files, whose nearest site is out of order: a session for them starts elsewhere.",
        "groups": ["polar"],
        "replicas": [{**at_esac, "site": OUT_OF_ORDER, "region": "an-pole-1"}],
    }
