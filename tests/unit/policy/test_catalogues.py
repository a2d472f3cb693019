"""Catalogues of others in the platform file: where the files in buckets of a STAC catalogue are read."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from perijove_hub.policy.catalogues import CatalogueSpec

STAC: dict[str, Any] = {"kind": "stac", "title": "Earth", "url": "https://stac.example"}


def test_an_address_for_buckets_may_have_their_name_in_its_host_or_its_path() -> None:
    said = {
        "sentinel-cogs": "https://sentinel-cogs.s3.us-west-2.amazonaws.com",
        "a.b_C": "http://s3.example:9000/x/",
        "*": "https://{bucket}.s3.example/{bucket}",
    }
    assert CatalogueSpec.model_validate({**STAC, "s3_endpoints": said}).s3_endpoints == said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"s3_endpoints": {"*": "https://s3.example"}}, "the address for * must hold {bucket}"),
        ({"s3_endpoints": {"b": "https://s3.example"}}, "String should match pattern"),
        ({"s3_endpoints": {"a/b": "https://s3.example"}}, "String should match pattern"),
        ({"s3_endpoints": {"..": "https://s3.example"}}, "String should match pattern"),
        ({"s3_endpoints": {"own": "s3://own"}}, "expected an http(s) address"),
        ({"s3_endpoints": {"own": "https://user@s3.example"}}, "expected an http(s) address"),
        ({"s3_endpoints": {"own": "https://s3.example/?a=b"}}, "expected an http(s) address without a query"),
        ({"s3_endpoints": {"own": "https://s3.example/{key}"}}, "{bucket} may stand for the bucket"),
        ({"kind": "http", "s3_endpoints": {"own": "https://s3.example"}}, "a catalogue of kind http takes none"),
    ],
)
def test_an_address_for_buckets_that_cannot_be_one_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        CatalogueSpec.model_validate({**STAC, **more})
    assert said in str(refused.value)
