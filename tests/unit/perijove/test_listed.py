"""What stores send as listings: read when it is one, and one sentence when it is anything else."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.listed import ListedObject, NoListing, parse_listing

PAGE = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Prefix>root/</Prefix>
<Contents><Key>root/a%20b/c.fits</Key><LastModified>2026-11-26T08:00:00.000Z</LastModified>
<ETag>&quot;abc&quot;</ETag><Size>7</Size></Contents>
<Contents><Key>root/../x</Key><Size>1</Size></Contents>
<CommonPrefixes><Prefix>root/d/</Prefix></CommonPrefixes>
<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken></ListBucketResult>"""
LAUGHS = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def test_a_page_has_objects_directories_and_where_the_next_begins() -> None:
    page = parse_listing(PAGE, "root/")

    modified = datetime(2026, 11, 26, 8, tzinfo=UTC)
    assert page.objects == [
        ListedObject("a b/c.fits", 7, modified, '"abc"'),
        ListedObject("~2e~2e/x", 1, None, None),
    ]
    assert page.directories == ["d"]
    assert page.token == "next"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not XML",
        b"<html><body>login</body></html>",
        PAGE[:-20],
        PAGE.replace(b'"UTF-8"', b'"no-such-encoding"'),
        PAGE.replace(b"?>", b"?>" + LAUGHS, 1),
        PAGE.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>', 1),
        PAGE.replace(b"<Size>7<", b"<Size>many<"),
        PAGE.replace(b"2026-11-26T08", b"yesterday"),
    ],
)
def test_what_is_no_listing_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(NoListing, match=r"sent (something else than )?a listing"):
        parse_listing(body, "root/")


@given(st.binary(max_size=200), st.integers(0, len(PAGE)))
def test_no_bytes_raise_anything_else(noise: bytes, at: int) -> None:
    with contextlib.suppress(NoListing):
        page = parse_listing(PAGE[:at] + noise + PAGE[at:], "root/")
        assert not [each.path for each in page.objects if ".." in each.path.split("/")]
