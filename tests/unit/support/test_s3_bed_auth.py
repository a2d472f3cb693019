"""Who may do what on the bed: signatures, sessions, policies, lives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.plain_http import asked
from tests.support.s3 import S3Bed, User, threaded_bed
from tests.support.s3.clients import anonymous_client, boto_client, read_policy
from tests.support.s3.policy import parse_policy

pytest_plugins = ["tests.support.s3.fixtures"]


def code_of(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def url_status(url: str) -> int:
    return asked(url)[0]


def test_the_right_secret_reads_and_a_wrong_one_does_not(s3_bed: S3Bed) -> None:
    s3_bed.put("b", "k", b"data")
    assert boto_client(s3_bed.endpoint).get_object(Bucket="b", Key="k")["Body"].read() == b"data"
    wrong = boto_client(s3_bed.endpoint, "admin", "not-it")
    assert code_of(wrong.get_object, Bucket="b", Key="k") == "SignatureDoesNotMatch"


def test_a_public_bucket_is_read_without_a_signature_and_not_written(s3_bed: S3Bed) -> None:
    s3_bed.make_bucket("open", public=True)
    s3_bed.put("open", "k", b"data")
    s3_bed.put("closed", "k", b"data")
    client = anonymous_client(s3_bed.endpoint)
    assert client.get_object(Bucket="open", Key="k")["Body"].read() == b"data"
    assert client.list_objects_v2(Bucket="open")["KeyCount"] == 1
    assert code_of(client.get_object, Bucket="closed", Key="k") == "AccessDenied"
    assert code_of(client.put_object, Bucket="open", Key="k", Body=b"") == "AccessDenied"


def test_a_presigned_url_dies_at_its_time_and_does_not_bear_changes(s3_bed: S3Bed) -> None:
    s3_bed.put("b", "k", b"data")
    s3_bed.put("b", "other", b"data")
    url = boto_client(s3_bed.endpoint).generate_presigned_url(
        "get_object", Params={"Bucket": "b", "Key": "k"}, ExpiresIn=900
    )
    assert url_status(url) == 200
    assert url_status(url.replace("/k?", "/other?")) == 403
    assert url_status(url.replace("X-Amz-Expires=900", "X-Amz-Expires=90000")) == 403
    s3_bed.clock_offset_seconds = 901
    assert url_status(url) == 403


@pytest.mark.parametrize("broken", ["X-Amz-Expires=soon", "X-Amz-Date=yesterday", "X-Amz-Credential=me"])
def test_a_presigned_url_that_is_not_well_formed_is_refused_in_words(s3_bed: S3Bed, broken: str) -> None:
    url = boto_client(s3_bed.endpoint).generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    name = broken.partition("=")[0]
    before, _, after = url.partition(f"{name}=")
    assert url_status(f"{before}{broken}&{after.partition('&')[2]}") == 403


def test_a_session_expires(s3_bed: S3Bed) -> None:
    s3_bed.put("b", "k", b"data")
    session = s3_bed.new_session(life_seconds=10)
    client = boto_client(s3_bed.endpoint, session.access_key, session.secret, session.token)
    assert client.get_object(Bucket="b", Key="k")["Body"].read() == b"data"
    s3_bed.clock_offset_seconds = 11
    assert code_of(client.get_object, Bucket="b", Key="k") == "ExpiredToken"


def test_a_session_with_a_junk_token_is_refused(s3_bed: S3Bed) -> None:
    session = s3_bed.new_session()
    client = boto_client(s3_bed.endpoint, session.access_key, session.secret, "junk")
    assert code_of(client.list_buckets) == "InvalidToken"


def test_assume_role_narrows_to_the_policy_and_says_when_it_ends(s3_bed: S3Bed) -> None:
    s3_bed.put("b", "in/k", b"data")
    s3_bed.put("b", "out/k", b"data")
    sts = boto_client(s3_bed.endpoint, service="sts")
    asked = {"RoleArn": "arn:aws:iam::000000000000:role/r", "RoleSessionName": "test"}
    answer = sts.assume_role(**asked, DurationSeconds=900, Policy=json.dumps(read_policy("b", "in/")))["Credentials"]
    client = boto_client(s3_bed.endpoint, answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
    assert client.get_object(Bucket="b", Key="in/k")["Body"].read() == b"data"
    assert code_of(client.get_object, Bucket="b", Key="out/k") == "AccessDenied"
    s3_bed.clock_offset_seconds = 899
    assert client.list_objects_v2(Bucket="b", Prefix="in/")["KeyCount"] == 1
    s3_bed.clock_offset_seconds = 901
    assert code_of(client.list_objects_v2, Bucket="b", Prefix="in/") == "ExpiredToken"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"DurationSeconds": 50_000}, "ValidationError"),
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"Policy": json.dumps({"Statement": [{"Effect": "Maybe"}]})}, "MalformedPolicyDocument"),
        ({"Policy": " " * 2049}, "PackedPolicyTooLarge"),
    ],
)
def test_assume_role_refuses_what_it_does_not_understand(s3_bed: S3Bed, changed: dict[str, Any], code: str) -> None:
    asked = {"RoleArn": "arn:aws:iam::000000000000:role/r", "RoleSessionName": "test", **changed}
    assert code_of(boto_client(s3_bed.endpoint, service="sts").assume_role, **asked) == code


def test_a_user_with_a_policy_may_do_only_that() -> None:
    policy = json.dumps(
        {
            "Statement": [
                {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b*"},
                {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"},
            ]
        }
    )
    users = {"reader": User("secret", parse_policy(policy))}
    with threaded_bed(users) as bed:
        bed.put("b", "k", b"data")
        client = boto_client(bed.endpoint, "reader", "secret")
        client.put_object(Bucket="b", Key="k", Body=b"new")
        assert code_of(client.delete_object, Bucket="b", Key="k") == "AccessDenied"
        assert code_of(client.put_object, Bucket="c", Key="k", Body=b"") == "AccessDenied"


@pytest.mark.parametrize(
    "condition", [{"NumericEquals": {"s3:max-keys": "1"}}, {"StringLike": {"aws:SourceIp": "*"}}, {"StringLike": []}]
)
def test_a_condition_that_is_not_understood_is_refused_not_ignored(condition: dict[str, Any]) -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}
    with pytest.raises(Exception, match="MalformedPolicyDocument"):
        parse_policy(json.dumps({"Statement": statement}))
