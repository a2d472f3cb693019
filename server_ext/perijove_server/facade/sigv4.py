"""Signature version 4, checked as S3 checks it: in the Authorization header or in a presigned URL.

Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API reference. Libraries sign; none checks.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, unquote

from .errors import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
#: The access key id of everybody; the secret is PERIJOVE_DATA_KEY.
ACCESS_KEY_ID = "perijove"
MAX_SKEW_SECONDS = 15 * 60
MAX_PRESIGN_SECONDS = 7 * 24 * 3600

_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")


@dataclass(frozen=True)
class _Signature:
    credential: str
    signed_headers: tuple[str, ...]
    signature: str
    time: str
    payload_hash: str
    life_seconds: int | None


def check_signature(method: str, target: str, headers: Mapping[str, str], secret: str, now: float) -> None:
    """Let pass what ``secret`` has signed and what is good at ``now`` (seconds since the epoch).

    Args:
        method: of the request.
        target: path and query as they were sent.
        headers: by names in any case.
        secret: that clients share with us.
        now: the time.

    Raises:
        S3Error: it is not signed, not by us, or too old.
    """
    found = _read(target, headers)
    parts = found.credential.split("/")
    if len(parts) != 5 or "host" not in found.signed_headers:
        raise S3Error("AccessDenied", "The request's signature is not well formed.")
    access_key, date, region, service, _ = parts
    key = _signing_key(secret, date, region, service)
    scope = f"{date}/{region}/{service}/aws4_request"
    canonical = _canonical(method, target, headers, found).encode("utf-8", "surrogateescape")
    hashed = hashlib.sha256(canonical).hexdigest()
    to_sign = f"{ALGORITHM}\n{found.time}\n{scope}\n{hashed}".encode("utf-8", "surrogateescape")
    expected = hmac.digest(key, to_sign, "sha256").hex()
    good = hmac.compare_digest(expected.encode(), found.signature.encode("utf-8", "replace"))
    if not good or access_key != ACCESS_KEY_ID:
        raise S3Error(
            "SignatureDoesNotMatch",
            "The signature is not that of this session: take the options from perijove.storage_options.",
        )
    _check_time(found, date, now)


def _check_time(found: _Signature, date: str, now: float) -> None:
    try:
        signed_at = _seconds(found.time)
    except ValueError:
        raise S3Error("AccessDenied", "The request's signature has no time.") from None
    if not found.time.startswith(date):
        raise S3Error("AccessDenied", "The request's signature is for another day.")
    if found.life_seconds is None:
        if abs(now - signed_at) > MAX_SKEW_SECONDS:
            raise S3Error("RequestTimeTooSkewed", "The request was signed more than 15 minutes from now.")
    elif not signed_at - MAX_SKEW_SECONDS <= now <= signed_at + found.life_seconds:
        raise S3Error("AccessDenied", "Request has expired")


def _seconds(time: str) -> float:
    if not _TIME.fullmatch(time):
        raise ValueError("not in the one form that signatures have")
    return datetime.fromisoformat(time).timestamp()  # strptime would take half of the whole check


def _read(target: str, headers: Mapping[str, str]) -> _Signature:
    query = dict(query_pairs(target))
    try:
        if "X-Amz-Signature" in query:
            life_seconds = int(query["X-Amz-Expires"])
            if query["X-Amz-Algorithm"] == ALGORITHM and 0 < life_seconds <= MAX_PRESIGN_SECONDS:
                names = tuple(query["X-Amz-SignedHeaders"].split(";"))
                signature, time = query["X-Amz-Signature"], query["X-Amz-Date"]
                return _Signature(query["X-Amz-Credential"], names, signature, time, "UNSIGNED-PAYLOAD", life_seconds)
        given = headers.get("Authorization", "")
        if given.startswith(ALGORITHM):
            said = dict(part.strip().split("=", 1) for part in given.removeprefix(ALGORITHM).split(","))
            names = tuple(said["SignedHeaders"].split(";"))
            payload, time = headers.get("X-Amz-Content-Sha256", ""), headers["X-Amz-Date"]
            return _Signature(said["Credential"], names, said["Signature"], time, payload, None)
    except (KeyError, ValueError):
        raise S3Error("AccessDenied", "The request's signature is not well formed.") from None
    raise S3Error("AccessDenied", "The request is not signed: take the options from perijove.storage_options.")


def _canonical(method: str, target: str, headers: Mapping[str, str], found: _Signature) -> str:
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in query_pairs(target) if name != "X-Amz-Signature")
    return "\n".join(
        [
            method,
            quote(unquote(target.partition("?")[0], errors="surrogateescape"), safe="/-_.~", errors="surrogateescape"),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in found.signed_headers),
            ";".join(found.signed_headers),
            found.payload_hash,
        ]
    )


def query_pairs(target: str) -> list[tuple[str, str]]:
    """Names and values of the query of a request target, decoded; a plus sign stays one, as S3 has it."""
    parts = (part.partition("=") for part in target.partition("?")[2].split("&") if part)
    return [(_unquoted(name), _unquoted(value)) for name, _, value in parts]


def _unquoted(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~", errors="surrogateescape")


@lru_cache(maxsize=64)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode("utf-8", "surrogateescape"), "sha256")
    return key
