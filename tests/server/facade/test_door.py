"""Who gets into the façade, and how it answers by the letter of S3 and HTTP."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import httpx
import psutil
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from perijove_hub.web.auth import CACHE_SECONDS
from perijove_server.facade.errors import S3Error
from perijove_server.facade.ranges import byte_range, not_modified
from perijove_server.facade.service import DATASET_SECONDS
from perijove_server.facade.sigv4 import check_signature
from tests.server.conftest import Dataset
from tests.support.control import FakeControl
from tests.support.facade import RunningFacade
from tests.support.s3 import Fault, FaultKind, breaks_long_answers

BODY = bytes(range(256)) * 40


def ask(
    facade: RunningFacade,
    path: str,
    method: str = "GET",
    *,
    key: str | None = None,
    user: str = "perijove",
    presigned: bool = False,
    **headers: str,
) -> httpx.Response:
    """One signed request; ``headers`` are not signed, their underscores are dashes."""
    request = AWSRequest(method, facade.url + path, headers={"Host": f"127.0.0.1:{facade.port}"})
    credentials = Credentials(user, key or facade.key)
    signer = S3SigV4QueryAuth(credentials, "s3", "any-1") if presigned else S3SigV4Auth(credentials, "s3", "any-1")
    signer.add_auth(request)
    sent = dict(request.headers.items()) | {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, request.url, headers=sent, trust_env=False)


def ask_raw(facade: RunningFacade, path: str) -> tuple[int, bytes]:
    """A signed GET of a path that httpx would clean up."""
    request = AWSRequest("GET", facade.url + path, headers={"Host": f"127.0.0.1:{facade.port}"})
    S3SigV4Auth(Credentials("perijove", facade.key), "s3", "any-1").add_auth(request)
    with closing(HTTPConnection("127.0.0.1", facade.port)) as connection:
        connection.request("GET", path, headers=dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.read()


def code(answer: httpx.Response) -> str:
    assert answer.headers["Content-Type"].startswith("application/xml")
    return ElementTree.fromstring(answer.content).findtext("Code") or ""


@pytest.fixture
def file(data: Dataset) -> str:
    data.put("a.bin", BODY)
    return f"/{data.id}/a.bin"


def test_only_the_key_of_the_session_opens(facade: RunningFacade, file: str) -> None:
    assert ask(facade, file).content == BODY
    assert ask(facade, file, presigned=True).content == BODY
    assert code(httpx.get(facade.url + file)) == "AccessDenied"
    assert code(ask(facade, file, key="wrong")) == "SignatureDoesNotMatch"
    assert code(ask(facade, file, user="other")) == "SignatureDoesNotMatch"
    assert code(ask(facade, file, presigned=True, key="wrong")) == "SignatureDoesNotMatch"
    url = str(ask(facade, file, presigned=True).request.url)
    assert code(httpx.get(url.replace("a.bin", "b.bin"))) == "SignatureDoesNotMatch"
    assert code(httpx.get(url.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601"))) == "SignatureDoesNotMatch"
    assert httpx.head(url).status_code == 403
    for broken in ("AWS4-HMAC-SHA256 x", "AWS4-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=é", "Basic x"):
        answer = httpx.get(facade.url + file, headers={"Authorization": broken.encode()})
        assert code(answer) == "AccessDenied"


def test_a_page_of_a_browser_does_not_get_in(facade: RunningFacade, file: str) -> None:
    for header in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}):
        answer = ask(facade, file, **header)
        assert code(answer) == "AccessDenied"
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert code(ask(facade, file, Host="evil.example")) == "AccessDenied"
    assert code(ask(facade, file, Host=f"127.0.0.1.evil.example:{facade.port}")) == "AccessDenied"
    assert httpx.options(facade.url + file, headers={"Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_nothing_writes(facade: RunningFacade, file: str, method: str) -> None:
    answer = ask(facade, file, method)
    assert (answer.status_code, code(answer), answer.headers["Allow"]) == (405, "MethodNotAllowed", "GET, HEAD")


@pytest.mark.parametrize("query", ["acl=", "tagging=", "versions=", "uploads=", "versionId=x", "policy="])
def test_other_operations_are_said_to_be_none(facade: RunningFacade, file: str, query: str) -> None:
    assert code(ask(facade, f"{file}?{query}")) == "NotImplemented"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", BODY[:1]),
        ("bytes=5-", BODY[5:]),
        ("bytes=-7", BODY[-7:]),
        ("bytes=0-99999999", BODY),
        (f"bytes={len(BODY) - 1}-", BODY[-1:]),
    ],
)
def test_ranges(facade: RunningFacade, file: str, asked: str, expected: bytes) -> None:
    answer = ask(facade, file, Range=asked)
    start = BODY.index(expected) if len(expected) > 256 else (0 if asked == "bytes=0-0" else len(BODY) - len(expected))
    assert answer.status_code == 206
    assert answer.content == expected
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{len(BODY)}"
    head = ask(facade, file, "HEAD", Range=asked)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (206, str(len(expected)), b"")


def test_ranges_that_are_none(facade: RunningFacade, file: str, data: Dataset) -> None:
    for asked in (f"bytes={len(BODY)}-", "bytes=-0", "bytes=99999999-"):
        answer = ask(facade, file, Range=asked)
        assert (answer.status_code, code(answer)) == (416, "InvalidRange")
        assert answer.headers["Content-Range"] == f"bytes */{len(BODY)}"
    for asked in ("bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "junk"):
        answer = ask(facade, file, Range=asked)
        assert (answer.status_code, len(answer.content)) == (200, len(BODY))
    data.put("empty", b"")
    answer = ask(facade, f"/{data.id}/empty")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "0")


def test_conditions(facade: RunningFacade, file: str) -> None:
    head = ask(facade, file, "HEAD")
    etag, modified = head.headers["ETag"], head.headers["Last-Modified"]
    assert ask(facade, file, If_Match=etag).status_code == 200
    assert code(ask(facade, file, If_Match='"other"')) == "PreconditionFailed"
    assert ask(facade, file, If_None_Match=etag).status_code == 304
    assert ask(facade, file, If_None_Match='"other"').status_code == 200
    assert ask(facade, file, If_Modified_Since=modified).status_code == 304
    assert ask(facade, file, If_Unmodified_Since=modified).status_code == 200
    assert code(ask(facade, file, If_Unmodified_Since="Thu, 01 Jan 1970 00:00:00 GMT")) == "PreconditionFailed"
    assert ask(facade, file, If_Modified_Since="junk").status_code == 200


ODD_KEYS = ["a//b", "dir/", "/a", "..", "a/../b", "a\\b", "a\x01b", "a%2Fb", "~2e~2e", "~"]


@pytest.mark.parametrize("key", [*ODD_KEYS, "x" * 1025, "a\x00b"])
def test_keys_that_no_dataset_has_are_missing_and_never_another_object(
    facade: RunningFacade, data: Dataset, key: str
) -> None:
    for name in ("a/b", "dir", "a", "b", "..a"):
        data.put(name, b"other")
    assert ask(facade, f"/{data.id}/{quote(key)}").status_code in (403, 404)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_that_are_no_paths_are_read_and_listed_as_they_are(facade: RunningFacade, data: Dataset, key: str) -> None:
    data.put("fine", b"fine")
    data.put(key, BODY)

    assert ask_raw(facade, f"/{data.id}/{quote(key)}") == (200, BODY)
    for delimiter, prefix in (("", ""), ("", key[:-1]), ("/", key.rpartition("/")[0] + "/" if "/" in key else "")):
        names = {"list-type": "2", "encoding-type": "url", "prefix": prefix, "delimiter": delimiter}
        text = ask(facade, f"/{data.id}?{urlencode(sorted(names.items()), quote_via=quote, safe='')}").text
        assert f"<Key>{quote(key, safe='/-_.~')}</Key>" in text


def test_an_object_that_is_replaced_is_the_new_one_at_once(facade: RunningFacade, file: str, data: Dataset) -> None:
    assert ask(facade, file).content == BODY
    data.put("a.bin", b"new and much shorter")
    assert ask(facade, file, Range="bytes=0-2").content == b"new"
    data.put("a.bin", BODY * 2)
    assert ask(facade, file, Range=f"bytes={len(BODY)}-").content == BODY


def test_a_body_that_breaks_off_is_seen_to(facade: RunningFacade, data: Dataset) -> None:
    data.put("big", bytes(40 << 20))
    assert ask(facade, f"/{data.id}/big", Range="bytes=0-9").status_code == 206
    late = Fault(FaultKind.ERROR, op="GetObject", code="AccessDenied", times=None, where=lambda part: "=0-" not in part)
    data.bed.faults.add(breaks_long_answers())
    data.bed.faults.add(late)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(facade, f"/{data.id}/big")


def test_who_lost_the_dataset_reads_no_more_within_a_minute(
    facade: RunningFacade, file: str, data: Dataset, control: FakeControl
) -> None:
    assert CACHE_SECONDS + DATASET_SECONDS < 60
    taken = control.datasets.pop(data.id)
    try:
        assert code(ask(facade, f"/{data.id}x/a.bin")) == "AccessDenied"
        assert code(ask(facade, f"/{data.id}x")) == "NoSuchBucket"
        assert data.id not in ask(facade, "/").text
    finally:
        control.datasets[data.id] = taken


def test_it_starts_when_it_is_called_and_again_when_it_died(facade: RunningFacade, file: str) -> None:
    assert ask(facade, file).status_code == 200
    child = next(
        process for process in psutil.Process().children() if "perijove_server.facade" in " ".join(process.cmdline())
    )
    assert facade.key not in " ".join(child.cmdline())
    child.kill()
    child.wait(10)
    deadline = time.monotonic() + 20
    while True:  # what was in the dead one's hands is lost, what comes after waits for the next
        try:
            assert ask(facade, file).content == BODY
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline


@given(start=st.integers(0, 60), stop=st.integers(0, 60), size_bytes=st.integers(0, 50))
def test_a_range_is_never_outside(start: int, stop: int, size_bytes: int) -> None:
    for header in (f"bytes={start}-{stop}", f"bytes={start}-", f"bytes=-{stop}"):
        try:
            found = byte_range(header, size_bytes)
        except S3Error:
            continue
        assert found is None or 0 <= found[0] < found[1] <= size_bytes


@given(st.text(), st.text())
def test_conditions_of_any_text_are_answered(one: str, other: str) -> None:
    moment = datetime.now(UTC)
    is_named = not_modified({"If-None-Match": one}, other, moment)
    assert not is_named or "*" in one or other.removeprefix("W/").strip('"') in one
    assert not_modified({"If-Modified-Since": one}, other, moment) in {True, False}


@given(st.text(), st.dictionaries(st.sampled_from(["Authorization", "X-Amz-Date", "host"]), st.text()))
def test_no_text_is_taken_for_a_signature(target: str, headers: dict[str, str]) -> None:
    with pytest.raises(S3Error):
        check_signature("GET", f"/{target}", headers, "secret", time.time())


def test_a_signature_has_its_time() -> None:
    request = AWSRequest("GET", "http://127.0.0.1:1/b/k", headers={"Host": "127.0.0.1:1"})
    S3SigV4Auth(Credentials("perijove", "secret"), "s3", "r").add_auth(request)
    headers = httpx.Headers(dict(request.headers.items()))
    check_signature("GET", "/b/k", headers, "secret", time.time())
    for seconds in (-901, 901):
        with pytest.raises(S3Error) as caught:
            check_signature("GET", "/b/k", headers, "secret", time.time() + seconds)
        assert caught.value.code == "RequestTimeTooSkewed"
