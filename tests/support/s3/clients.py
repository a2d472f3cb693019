"""S3 clients for tests: every one path style, in one region, without retries, so that what the server does is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import S3Config  # exists for type checkers only

REGION = "eu-test-1"

_CHECKSUMS: dict[str, Any] = {
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


def boto_client(
    endpoint: str, key: str = "admin", secret: str = "admin-secret", token: str | None = None, service: str = "s3"
) -> Any:
    """A boto3 client of S3, or of STS."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(
            signature_version="s3v4" if service == "s3" else "v4",
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            read_timeout=5,
            proxies={},
            **_CHECKSUMS,
        ),
    )


def anonymous_client(endpoint: str) -> Any:
    """A boto3 S3 client that signs nothing."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def obstore_store(
    endpoint: str, bucket: str, key: str = "admin", secret: str = "admin-secret", token: str | None = None
) -> S3Store:
    """An obstore store of one bucket."""
    keys: S3Config = {"access_key_id": key, "secret_access_key": secret}
    if token is not None:
        keys["session_token"] = token
    return S3Store(
        bucket,
        config=keys,
        endpoint=endpoint,
        region=REGION,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def read_policy(bucket: str, prefix: str) -> dict[str, Any]:
    """The session policy that a platform hands to STS: read and list one prefix."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket}/{prefix}*"]},
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}"],
                "Condition": {"StringLike": {"s3:prefix": [f"{prefix}*"]}},
            },
        ],
    }
