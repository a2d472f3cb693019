"""By which address an asset of STAC is read, and what is said of one that has none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove_hub.catalogue import texts
from perijove_hub.catalogue.models import Leaf
from perijove_hub.catalogue.providers.stac_assets import leaves_of, s3_address

BASE = "https://stac.example/items/a.json"
ENDPOINTS = {"own": "https://s3.example/own", "*": "https://{bucket}.s3.example/"}


def leaf_of(asset: dict[str, Any], endpoints: dict[str, str] | None = None) -> Leaf:
    """The file of the only asset of an item."""
    (leaf,) = leaves_of({"assets": {"data": asset}}, BASE, "a", endpoints or {})
    return leaf


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("s3://own/a.tif", "https://s3.example/own/a.tif"),
        ("S3://own/a/b c+d.tif", "https://s3.example/own/a/b%20c%2Bd.tif"),
        ("s3://own/a%20b?c#d.tif", "https://s3.example/own/a%2520b%3Fc%23d.tif"),
        ("s3://own/é//a.tif", "https://s3.example/own/%C3%A9//a.tif"),
        ("s3://other.b-1/a.tif", "https://other.b-1.s3.example/a.tif"),
        ("s3://own", None),
        ("s3://own/", None),
        ("s3:///a.tif", None),
        ("s3://own/../secret/a.tif", None),
        ("s3://evil.example#/a.tif", None),
        ("s3://user:secret@evil.example/a.tif", None),
        ("s3://../a.tif", None),
        ("gs://own/a.tif", None),
        ("own/a.tif", None),
    ],
)
def test_a_key_is_appended_to_what_is_named_for_its_bucket(href: str, url: str | None) -> None:
    assert s3_address(href, ENDPOINTS) == url


def test_a_bucket_for_which_nothing_is_named_has_no_address() -> None:
    assert s3_address("s3://other/a.tif", {"own": ENDPOINTS["own"]}) is None


@given(st.text(max_size=30), st.text(max_size=60))
def test_whatever_a_catalogue_calls_a_bucket_and_a_key_no_other_host_is_named(bucket: str, key: str) -> None:
    url = s3_address(f"s3://{bucket}/{key}", ENDPOINTS)
    assert url is None or (texts.address(url) == url and url.split("/")[2].endswith("s3.example"))


def test_an_alternate_address_of_the_web_goes_before_a_bucket_that_is_on_the_web_too() -> None:
    alternate = {
        "odd": 7,
        "none": {"href": None},
        "store": {"href": "s3://own/b.tif"},
        "web": {"href": "https://files.example/a.tif"},
    }
    asset = {"href": "s3://own/a.tif", "alternate": alternate, "file:size": 5}
    leaf = leaf_of(asset, ENDPOINTS)
    assert (leaf.url, leaf.why_not) == ("https://files.example/a.tif", None)
    assert (leaf.entry.path, leaf.entry.size_bytes) == ("a/a.tif", 5)
    assert leaf_of({**asset, "href": "./own.tif"}, ENDPOINTS).url == "https://stac.example/items/own.tif"
    del alternate["web"]
    assert leaf_of({"href": "file:///data/a.tif", "alternate": alternate}, ENDPOINTS).url == (
        "https://s3.example/own/b.tif"
    )


@pytest.mark.parametrize(
    ("asset", "name", "said"),
    [
        ({"href": "s3://far/a/B04.tif"}, "B04.tif", "lies at s3://far/a/B04.tif,"),
        ({"href": "s3://far/a/B04?.tif"}, "B04~3f.tif", "`s3_endpoints` of this catalogue in the platform file."),
        ({"href": "gs://far/a.zarr"}, "a.zarr", "lies at gs://far/a.zarr, which cannot be read from here"),
        ({"href": "az://far/a.parquet"}, "a.parquet", "lies at az://far/a.parquet,"),
        ({"href": "file:///data/a.nc"}, "a.nc", "lies at file:///data/a.nc,"),
        ({"href": "/vsicurl/x", "type": "image/tiff"}, None, ""),
        ({"type": "image/tiff"}, "data.tif", "The catalogue names no address of this file."),
        ({"href": 7}, "data", "The catalogue names no address of this file."),
        ({"href": "http://[::1"}, "data", "which cannot be read from here"),
    ],
)
def test_an_asset_that_cannot_be_read_is_a_file_that_says_why(
    asset: dict[str, Any], name: str | None, said: str
) -> None:
    leaf = leaf_of(asset)
    if name is None:
        assert (leaf.url, leaf.why_not) == ("https://stac.example/vsicurl/x", None)
        return
    assert (leaf.entry.name, leaf.entry.type, leaf.url) == (name, "file", None)
    assert leaf.why_not is not None
    assert said in leaf.why_not
    assert leaf.why_not.endswith(".")


def test_what_may_be_a_password_is_not_said() -> None:
    for href in ("https://user:secret@files.example/a.tif", "s3://key:secret@bucket/a.tif"):
        why_not = leaf_of({"href": href}).why_not
        assert why_not is not None
        assert "secret" not in why_not
