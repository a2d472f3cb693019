"""Signature version 4, checked as S3 checks it: in the Authorization header or in a presigned URL.

Source: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote

from .errors import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
MAX_SKEW_SECONDS = 15 * 60
MAX_PRESIGN_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request says about who signed it. ``expires_seconds`` is set for presigned URLs only."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    time: str
    token: str | None
    payload_hash: str
    expires_seconds: int | None

    @property
    def signed_at(self) -> float:
        """When it was signed, in seconds since the epoch."""
        return _seconds(self.time)


def read_signature(raw_path: str, headers: Mapping[str, str]) -> Signature | None:
    """The signature of a request, or None if it is anonymous. Raises S3Error for one that is not well-formed."""
    query = {_decoded(name): _decoded(value) for name, value in _query_pairs(raw_path)}
    try:
        if "X-Amz-Signature" in query:
            return _from_query(query)
        if headers.get("Authorization", "").startswith(ALGORITHM):
            return _from_header(headers)
    except (KeyError, ValueError) as error:
        raise S3Error("AccessDenied", f"The request's signature is not well-formed: {error!r}") from error
    return None


def check_signature(
    signature: Signature, secret: str, *, method: str, raw_path: str, headers: Mapping[str, str], now: float
) -> None:
    """Raises S3Error unless ``secret`` made this signature and it is good at ``now`` (seconds since the epoch)."""
    canonical = _canonical_request(signature, method, raw_path, headers)
    scope = f"{signature.date}/{signature.region}/{signature.service}/aws4_request"
    to_sign = f"{ALGORITHM}\n{signature.time}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(secret, signature.date, signature.region, signature.service)
    if not hmac.compare_digest(hmac.new(key, to_sign.encode(), "sha256").hexdigest(), signature.signature):
        raise S3Error(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )
    if signature.expires_seconds is not None:
        if not signature.signed_at <= now + MAX_SKEW_SECONDS:
            raise S3Error("AccessDenied", "Request is not valid yet")
        if now > signature.signed_at + signature.expires_seconds:
            raise S3Error("AccessDenied", "Request has expired")


def check_skew(signature: Signature, now: float) -> None:
    """Raises S3Error ``RequestTimeTooSkewed`` for a header signature made more than 15 minutes from ``now``."""
    if signature.expires_seconds is None and abs(now - signature.signed_at) > MAX_SKEW_SECONDS:
        raise S3Error(
            "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
        )


def _from_query(query: Mapping[str, str]) -> Signature:
    access_key, date, region, service, _ = query["X-Amz-Credential"].rsplit("/", 4)
    expires_seconds = int(query["X-Amz-Expires"])
    if not 0 < expires_seconds <= MAX_PRESIGN_SECONDS:
        raise ValueError(f"X-Amz-Expires is {expires_seconds}, expected 1 to {MAX_PRESIGN_SECONDS}")
    return Signature(
        access_key=access_key,
        date=date,
        region=region,
        service=service,
        signed_headers=tuple(query["X-Amz-SignedHeaders"].split(";")),
        signature=query["X-Amz-Signature"],
        time=query["X-Amz-Date"],
        token=query.get("X-Amz-Security-Token"),
        payload_hash=UNSIGNED_PAYLOAD,
        expires_seconds=expires_seconds,
    )


def _from_header(headers: Mapping[str, str]) -> Signature:
    fields = dict(
        part.strip().split("=", 1) for part in headers["Authorization"].removeprefix(ALGORITHM).strip().split(",")
    )
    access_key, date, region, service, _ = fields["Credential"].rsplit("/", 4)
    return Signature(
        access_key=access_key,
        date=date,
        region=region,
        service=service,
        signed_headers=tuple(fields["SignedHeaders"].split(";")),
        signature=fields["Signature"],
        time=headers["X-Amz-Date"],
        token=headers.get("X-Amz-Security-Token"),
        payload_hash=headers.get("X-Amz-Content-Sha256", ""),
        expires_seconds=None,
    )


# Most of what is signed is the same from request to request, and what the bed takes is measured with its clients.


@lru_cache(maxsize=1024)
def _seconds(text: str) -> float:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


@lru_cache(maxsize=1024)
def _decoded(text: str) -> str:
    return unquote(text)


@lru_cache(maxsize=1024)
def _encoded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")


def _canonical_request(signature: Signature, method: str, raw_path: str, headers: Mapping[str, str]) -> str:
    pairs = sorted(
        (_encoded(name), _encoded(value)) for name, value in _query_pairs(raw_path) if name != "X-Amz-Signature"
    )
    canonical_headers = "".join(
        f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in signature.signed_headers
    )
    return "\n".join(
        [
            method,
            quote(unquote(raw_path.partition("?")[0]), safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            canonical_headers,
            ";".join(signature.signed_headers),
            signature.payload_hash,
        ]
    )


def _query_pairs(raw_path: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in raw_path.partition("?")[2].split("&") if part)
    return [(name, value) for name, _, value in parts]


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return key
