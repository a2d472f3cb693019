"""The demo's datasets as the platform file lists them, read from ``catalogue.yaml`` beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

SKY_DATASET = "euclid-demo"
TABLES_DATASET = "sea-surface-tables"
ARRAYS_DATASET = "sea-surface-arrays"


@dataclass(frozen=True)
class Copy:
    """One replica: of which dataset, on which site's cloud, in which bucket under which prefix (ends with a slash)."""

    dataset_id: str
    site: str
    bucket: str
    prefix: str


def load_datasets() -> dict[str, dict[str, Any]]:
    """The ``datasets:`` of the platform file, by id, without the endpoints of this run."""
    text = files(__package__).joinpath("catalogue.yaml").read_text(encoding="utf-8")
    datasets: dict[str, dict[str, Any]] = YAML(typ="safe").load(text)["datasets"]
    return datasets


def with_endpoints(endpoints: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The datasets for the platform file of this run; ``endpoints`` are the clouds' addresses by site."""
    datasets = load_datasets()
    for dataset in datasets.values():
        for replica in dataset["replicas"]:
            replica["endpoint"] = endpoints[replica["site"]]
    return datasets


def copies() -> list[Copy]:
    """Every replica that the demo has to provide."""
    found = []
    for dataset_id, dataset in load_datasets().items():
        for replica in dataset["replicas"]:
            bucket, _, prefix = replica["url"].removeprefix("s3://").partition("/")
            found.append(Copy(dataset_id, replica["site"], bucket, prefix))
    return found


def buckets(site: str) -> list[str]:
    """The buckets that the cloud of a site needs."""
    return sorted({copy.bucket for copy in copies() if copy.site == site})
