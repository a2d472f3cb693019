"""More of the probe: headers, addresses that are tampered with or too old, odd questions, and how errors are said."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from unittest import mock
from urllib.parse import quote, unquote, unquote_plus
from xml.etree import ElementTree as ET

from ..plain_http import asked
from .clients import boto_client, read_policy
from .probe import BUCKET, TEXT, Target, _code

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def _presigned(target: Target, operation: str = "get_object", key: str = "scoped/in.txt", seconds: int = 900) -> str:
    session = boto_client(target.endpoint, *target.session)
    url: str = session.generate_presigned_url(operation, Params={"Bucket": BUCKET, "Key": key}, ExpiresIn=seconds)
    return url


def _error(status: int, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    assert headers["content-type"].startswith("application/xml")
    root = ET.fromstring(body)
    assert root.tag == "Error"
    assert root.findtext("Message")
    return status, str(root.findtext("Code"))


def the_headers_of_an_object_are_all_there(target: Target) -> None:
    target.s3.put_object(Bucket=BUCKET, Key="scoped/head.fits", Body=TEXT, ContentType="application/fits")
    url = _presigned(target, key="scoped/head.fits")
    for byte_range, length in ((None, 10), ("bytes=0-0", 1)):
        status, headers, body = asked(url, **({"Range": byte_range} if byte_range else {}))
        assert (status, len(body)) == ((206 if byte_range else 200), length)
        assert headers["content-length"] == str(length)
        assert headers["accept-ranges"] == "bytes"
        assert headers["content-type"] == "application/fits"
        assert (
            headers["etag"]
            == f'"{target.s3.head_object(Bucket=BUCKET, Key="scoped/head.fits")["ETag"].strip(chr(34))}"'
        )
        assert abs(parsedate_to_datetime(headers["last-modified"]) - datetime.now(UTC)) < timedelta(hours=1)
        assert "content-encoding" not in headers
    head = target.s3.head_object(Bucket=BUCKET, Key="scoped/head.fits")
    assert (head["ContentLength"], head["ContentType"], head["AcceptRanges"]) == (10, "application/fits", "bytes")


def an_unfit_range_is_as_none(target: Target) -> None:
    status, _, body = asked(_presigned(target), Range="pages=1-2")
    assert (status, body) == (200, TEXT)


def a_presigned_url_that_is_tampered_with_is_refused(target: Target) -> None:
    url = _presigned(target)
    signature = url.partition("X-Amz-Signature=")[2].partition("&")[0]
    other = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    refused = (403, "SignatureDoesNotMatch")
    assert _error(*asked(url.replace(signature, other))) == refused
    assert _error(*asked(url.replace("X-Amz-Expires=900", "X-Amz-Expires=9000"))) == refused
    assert _error(*asked(url.replace("scoped/in.txt", "outside/out.txt"))) == refused
    assert asked(url, "PUT")[0] == 403


def a_presigned_url_outside_of_the_session_is_refused(target: Target) -> None:
    assert _error(*asked(_presigned(target, key="outside/out.txt"))) == (403, "AccessDenied")
    assert _error(*asked(_presigned(target, key="scoped/missing"))) == (404, "NoSuchKey")


def a_presigned_url_that_is_too_old_is_refused(target: Target) -> None:
    assert target.session  # made now, with the clock as it is
    earlier = datetime.now(UTC) - timedelta(minutes=16)
    with mock.patch("botocore.auth.get_current_datetime", return_value=earlier.replace(tzinfo=None)):
        url = _presigned(target, seconds=900)
    assert _error(*asked(url)) == (403, "AccessDenied")


def a_presigned_listing_is_bound_to_its_prefix(target: Target) -> None:
    session = boto_client(target.endpoint, *target.session)
    wish = {"Bucket": BUCKET, "Prefix": "scoped/", "Delimiter": "/", "MaxKeys": 10, "EncodingType": "url"}
    url = session.generate_presigned_url("list_objects_v2", Params=wish, ExpiresIn=900)
    status, _, body = asked(url)
    assert status == 200
    assert "scoped/in.txt" in [unquote(str(each.text)) for each in ET.fromstring(body).iter(f"{NAMESPACE}Key")]
    other = url.replace(f"prefix={quote('scoped/', safe='')}", f"prefix={quote('outside/', safe='')}")
    assert other != url
    assert _error(*asked(other)) == (403, "SignatureDoesNotMatch")


def odd_keys_are_escaped_in_listings_when_asked(target: Target) -> None:
    key = "escaped/a b+ü&\x01"
    target.s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    url = target.s3.generate_presigned_url(
        "list_objects_v2", Params={"Bucket": BUCKET, "Prefix": "escaped/", "EncodingType": "url"}, ExpiresIn=900
    )
    (found,) = [str(each.text) for each in ET.fromstring(asked(url)[2]).iter(f"{NAMESPACE}Key")]
    assert found == "escaped/a+b%2B%C3%BC%26%01"
    assert unquote_plus(found) == key


def a_listing_of_nothing_is_empty(target: Target) -> None:
    for more in ({"Prefix": "nothing/"}, {"Prefix": "list/", "StartAfter": "list/z"}):
        found = target.s3.list_objects_v2(Bucket=BUCKET, **more)
        assert (found["KeyCount"], found["IsTruncated"], found.get("Contents")) == (0, False, None)


def a_session_ends_when_it_says(target: Target) -> None:
    sts = boto_client(target.endpoint, *target.reader, service="sts")
    answer = sts.assume_role(
        RoleArn="arn:aws:iam::000000000000:role/perijove",
        RoleSessionName="probe",
        DurationSeconds=3600,
        Policy=json.dumps(read_policy(BUCKET, "scoped/")),
    )
    left = answer["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(minutes=60, seconds=5)


def a_role_is_not_assumed_with_a_policy_that_is_none(target: Target) -> None:
    sts = boto_client(target.endpoint, *target.reader, service="sts")
    wish: dict[str, Any] = {"RoleArn": "arn:aws:iam::000000000000:role/perijove", "RoleSessionName": "probe"}
    assert _code(sts.assume_role, **wish, Policy="this is no policy") != ""
    assert _code(sts.assume_role, **wish, DurationSeconds=900_000) != ""
    wrong = boto_client(target.endpoint, target.reader[0], "wrong-secret", service="sts")
    assert _code(wrong.assume_role, **wish) == "SignatureDoesNotMatch"


def a_session_is_no_wider_than_who_asked_for_it(target: Target) -> None:
    everything = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}],
    }
    session = boto_client(target.endpoint, *target.assume(json.dumps(everything)))
    assert session.get_object(Bucket=BUCKET, Key="outside/out.txt")["Body"].read() == TEXT
    assert _code(session.put_object, Bucket=BUCKET, Key="outside/new", Body=b"") == "AccessDenied"


EDGES: tuple[Callable[[Target], None], ...] = (
    the_headers_of_an_object_are_all_there,
    an_unfit_range_is_as_none,
    a_presigned_url_that_is_tampered_with_is_refused,
    a_presigned_url_outside_of_the_session_is_refused,
    a_presigned_url_that_is_too_old_is_refused,
    a_presigned_listing_is_bound_to_its_prefix,
    odd_keys_are_escaped_in_listings_when_asked,
    a_listing_of_nothing_is_empty,
    a_session_ends_when_it_says,
    a_role_is_not_assumed_with_a_policy_that_is_none,
    a_session_is_no_wider_than_who_asked_for_it,
)
