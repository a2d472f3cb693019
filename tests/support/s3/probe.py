"""The probe: named checks of how an S3 server behaves towards the clients of a data platform.

The same checks pass on the bed and on a real gateway; that is what makes the bed's word worth something. Each check is
a function of a :class:`Target`; it writes only under a prefix of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import obstore
import pytest
from botocore.exceptions import ClientError

from .clients import anonymous_client, boto_client, obstore_store, read_policy

BUCKET = "probe"
TEXT = b"0123456789"


@dataclass
class Target:
    """A server, a key that may do all (``root``) and one of a user that may read and assume a role (``reader``)."""

    endpoint: str
    root: tuple[str, str]
    reader: tuple[str, str]

    @cached_property
    def s3(self) -> Any:
        """A client of the key that may do all."""
        return boto_client(self.endpoint, *self.root)

    @cached_property
    def session(self) -> tuple[str, str, str]:
        """Key, secret and token that may read under ``scoped/`` only."""
        return self.assume(json.dumps(read_policy(BUCKET, "scoped/")))

    def assume(self, policy: str) -> tuple[str, str, str]:
        """Short-lived credentials of the reader, narrowed by ``policy``."""
        answer = boto_client(self.endpoint, *self.reader, service="sts").assume_role(
            RoleArn="arn:aws:iam::000000000000:role/perijove",
            RoleSessionName="probe",
            DurationSeconds=3600,
            Policy=policy,
        )
        keys = answer["Credentials"]
        return keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]

    def fill(self) -> None:
        """Puts the objects there that the checks look at."""
        with contextlib.suppress(self.s3.exceptions.BucketAlreadyOwnedByYou):
            self.s3.create_bucket(Bucket=BUCKET)
        for key in ("list/a/1", "list/a/2", "list/b/1", "list/c", "list/d", "scoped/in.txt", "outside/out.txt"):
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=TEXT)


def _code(call: Callable[..., Any], **arguments: Any) -> str:
    """The error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def etag_is_the_md5(target: Target) -> None:
    answer = target.s3.put_object(Bucket=BUCKET, Key="etag", Body=TEXT)
    digest = hashlib.md5(TEXT, usedforsecurity=False).hexdigest()
    assert answer["ETag"] == f'"{digest}"'
    assert target.s3.head_object(Bucket=BUCKET, Key="etag")["ETag"] == f'"{digest}"'


def multipart_etag_ends_with_the_number_of_parts(target: Target) -> None:
    parts = [b"a" * (5 << 20), b"b"]
    named = {"Bucket": BUCKET, "Key": "multi"}
    upload = target.s3.create_multipart_upload(**named)["UploadId"]
    tags = [
        target.s3.upload_part(**named, UploadId=upload, PartNumber=number, Body=part)["ETag"]
        for number, part in enumerate(parts, start=1)
    ]
    listed = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]
    done = target.s3.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Parts": listed})
    assert done["ETag"].strip('"').endswith("-2")
    assert target.s3.head_object(**named)["ContentLength"] == sum(map(len, parts))
    assert target.s3.get_object(**named, Range="bytes=-2")["Body"].read() == b"ab"


def ranges_are_answered_with_206(target: Target) -> None:
    for byte_range, expected, said in (
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=-99", TEXT, "bytes 0-9/10"),
    ):
        answer = target.s3.get_object(Bucket=BUCKET, Key="list/c", Range=byte_range)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert answer["ContentRange"] == said
        assert answer["Body"].read() == expected


def a_range_beyond_the_end_is_416(target: Target) -> None:
    assert _code(target.s3.get_object, Bucket=BUCKET, Key="list/c", Range="bytes=10-") == "InvalidRange"


def conditions_are_held(target: Target) -> None:
    etag = target.s3.head_object(Bucket=BUCKET, Key="list/c")["ETag"]
    read = {"Bucket": BUCKET, "Key": "list/c"}
    assert target.s3.get_object(**read, IfMatch=etag)["Body"].read() == TEXT
    assert _code(target.s3.get_object, **read, IfMatch='"other"') == "PreconditionFailed"
    assert _code(target.s3.get_object, **read, IfNoneMatch=etag) == "304"
    assert target.s3.get_object(**read, IfNoneMatch='"other"')["Body"].read() == TEXT


def what_is_missing_is_said(target: Target) -> None:
    assert _code(target.s3.get_object, Bucket=BUCKET, Key="missing") == "NoSuchKey"
    assert _code(target.s3.head_object, Bucket=BUCKET, Key="missing") == "404"
    assert _code(target.s3.list_objects_v2, Bucket="no-such-bucket") == "NoSuchBucket"


def listing_v2_groups_by_delimiter_and_pages(target: Target) -> None:
    whole = target.s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", Delimiter="/")
    assert [item["Key"] for item in whole["Contents"]] == ["list/c", "list/d"]
    assert [item["Prefix"] for item in whole["CommonPrefixes"]] == ["list/a/", "list/b/"]
    found: list[str] = []
    pages = target.s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 1}
    )
    for page in pages:
        assert page["KeyCount"] == 1
        found += [item["Key"] for item in page.get("Contents", [])]
        found += [item["Prefix"] for item in page.get("CommonPrefixes", [])]
    assert found == ["list/a/", "list/b/", "list/c", "list/d"]


def listing_v2_starts_after_a_key(target: Target) -> None:
    answer = target.s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", StartAfter="list/b/1")
    assert [item["Key"] for item in answer["Contents"]] == ["list/c", "list/d"]


def listing_v1_pages_by_marker(target: Target) -> None:
    found: list[str] = []
    pages = target.s3.get_paginator("list_objects").paginate(
        Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 2}
    )
    for page in pages:
        found += [item["Key"] for item in page["Contents"]]
    assert found == ["list/a/1", "list/a/2", "list/b/1", "list/c", "list/d"]


def odd_keys_come_back_as_they_were(target: Target) -> None:
    for key in ("odd/with space.txt", "odd/plus+and&=?#.txt", "odd/ünï-中文.txt", "odd/percent%20.txt"):
        target.s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        assert target.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == key.encode()
        assert [item["Key"] for item in target.s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]] == [key]


def obstore_reads_ranges_and_lists(target: Target) -> None:
    store = obstore_store(target.endpoint, BUCKET, *target.root)
    assert bytes(obstore.get_range(store, "list/c", start=2, length=3)) == b"234"
    assert bytes(obstore.get(store, "list/c", options={"range": {"suffix": 2}}).bytes()) == b"89"
    listed = obstore.list_with_delimiter(store, "list/")
    assert sorted(listed["common_prefixes"]) == ["list/a", "list/b"]
    assert [item["path"] for item in listed["objects"]] == ["list/c", "list/d"]


def deleting_what_is_missing_is_no_error(target: Target) -> None:
    target.s3.put_object(Bucket=BUCKET, Key="gone", Body=b"")
    target.s3.delete_object(Bucket=BUCKET, Key="gone")
    target.s3.delete_object(Bucket=BUCKET, Key="gone")
    assert _code(target.s3.head_object, Bucket=BUCKET, Key="gone") == "404"


def wrong_keys_are_refused(target: Target) -> None:
    asked = {"Bucket": BUCKET, "Prefix": "list/"}
    wrong_secret = boto_client(target.endpoint, target.root[0], "wrong-secret")
    assert _code(wrong_secret.list_objects_v2, **asked) == "SignatureDoesNotMatch"
    unknown = boto_client(target.endpoint, "nobody", "wrong-secret")
    assert _code(unknown.list_objects_v2, **asked) == "InvalidAccessKeyId"
    assert _code(anonymous_client(target.endpoint).list_objects_v2, **asked) == "AccessDenied"


def the_reader_may_not_write(target: Target) -> None:
    reader = boto_client(target.endpoint, *target.reader)
    assert reader.get_object(Bucket=BUCKET, Key="list/c")["Body"].read() == TEXT
    assert _code(reader.put_object, Bucket=BUCKET, Key="list/c", Body=b"") == "AccessDenied"
    assert _code(reader.delete_object, Bucket=BUCKET, Key="list/c") == "AccessDenied"


def a_session_reads_its_prefix_only(target: Target) -> None:
    session = boto_client(target.endpoint, *target.session)
    assert session.get_object(Bucket=BUCKET, Key="scoped/in.txt")["Body"].read() == TEXT
    assert session.head_object(Bucket=BUCKET, Key="scoped/in.txt")["ContentLength"] == len(TEXT)
    assert _code(session.get_object, Bucket=BUCKET, Key="outside/out.txt") == "AccessDenied"
    assert _code(session.head_object, Bucket=BUCKET, Key="outside/out.txt") == "403"
    assert _code(session.put_object, Bucket=BUCKET, Key="scoped/new", Body=b"") == "AccessDenied"
    assert _code(session.delete_object, Bucket=BUCKET, Key="scoped/in.txt") == "AccessDenied"


def a_session_lists_its_prefix_only(target: Target) -> None:
    session = boto_client(target.endpoint, *target.session)
    listed = session.list_objects_v2(Bucket=BUCKET, Prefix="scoped/", Delimiter="/")
    assert [item["Key"] for item in listed["Contents"]] == ["scoped/in.txt"]
    for prefix in ("", "scoped", "outside/"):
        assert _code(session.list_objects_v2, Bucket=BUCKET, Prefix=prefix) == "AccessDenied"
    assert _code(session.list_objects_v2, Bucket=BUCKET) == "AccessDenied"


def a_session_learns_nothing_of_what_it_may_not_list(target: Target) -> None:
    session = boto_client(target.endpoint, *target.session)
    assert _code(session.get_object, Bucket=BUCKET, Key="scoped/missing") == "NoSuchKey"
    assert _code(session.get_object, Bucket=BUCKET, Key="outside/missing") == "AccessDenied"


def a_session_may_not_assume_a_role(target: Target) -> None:
    key, secret, token = target.session
    sts = boto_client(target.endpoint, key, secret, token, service="sts")
    asked = {"RoleArn": "arn:aws:iam::000000000000:role/perijove", "RoleSessionName": "again"}
    assert _code(sts.assume_role, **asked) == "AccessDenied"


def a_session_needs_its_token(target: Target) -> None:
    key, secret, token = target.session
    for wrong in (None, token[:-4] + "AAAA", "junk"):
        client = boto_client(target.endpoint, key, secret, wrong)
        with pytest.raises(ClientError) as caught:
            client.get_object(Bucket=BUCKET, Key="scoped/in.txt")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)


def obstore_reads_with_a_session(target: Target) -> None:
    store = obstore_store(target.endpoint, BUCKET, *target.session)
    assert bytes(obstore.get(store, "scoped/in.txt").bytes()) == TEXT
    assert [item["path"] for item in obstore.list(store, "scoped/").collect()] == ["scoped/in.txt"]


def presigned_urls_of_a_session_work(target: Target) -> None:
    session = boto_client(target.endpoint, *target.session)
    url = session.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "scoped/in.txt"}, ExpiresIn=900)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == TEXT
    request = urllib.request.Request(url, headers={"Range": "bytes=0-1"})
    with urllib.request.urlopen(request) as answer:
        assert (answer.status, answer.read()) == (206, b"01")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("in.txt", "other.txt"))
    assert caught.value.code == 403
    caught.value.close()


CHECKS: tuple[Callable[[Target], None], ...] = (
    etag_is_the_md5,
    multipart_etag_ends_with_the_number_of_parts,
    ranges_are_answered_with_206,
    a_range_beyond_the_end_is_416,
    conditions_are_held,
    what_is_missing_is_said,
    listing_v2_groups_by_delimiter_and_pages,
    listing_v2_starts_after_a_key,
    listing_v1_pages_by_marker,
    odd_keys_come_back_as_they_were,
    obstore_reads_ranges_and_lists,
    deleting_what_is_missing_is_no_error,
    wrong_keys_are_refused,
    the_reader_may_not_write,
    a_session_reads_its_prefix_only,
    a_session_lists_its_prefix_only,
    a_session_learns_nothing_of_what_it_may_not_list,
    a_session_may_not_assume_a_role,
    a_session_needs_its_token,
    obstore_reads_with_a_session,
    presigned_urls_of_a_session_work,
)
