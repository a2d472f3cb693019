"""Vending: short-lived, read-only keys for one prefix, and URLs for one object, from a key that control holds."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from perijove.models import Credentials, Presigned, PresignedPath
from perijove_hub.policy.models import ReplicaSpec, StsCredentials
from perijove_hub.policy.secrets import SecretError, Secrets

log = logging.getLogger(__name__)

#: botocore renews in the last 15 minutes of a life; an hour leaves it room.
CREDENTIALS_SECONDS = 3600
PRESIGNED_SECONDS = 900

#: What a store may take to mint keys, and how many tries it gets.
STS_CONFIG = AioConfig(
    signature_version="s3v4",
    connect_timeout=3,
    read_timeout=10,
    retries={"max_attempts": 3, "mode": "standard"},
    s3={"addressing_style": "path"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)

#: What asking a store for keys may end with; a KeyError is how the library takes a page that is no answer.
STORE_ERRORS = (BotoCoreError, ClientError, ResponseParserError, KeyError, SecretError, OSError)


class VendingError(Exception):
    """Keys cannot be had from the store; the message is for the user and holds no secret."""


class Vendor:
    """Mints access to replicas.

    Args:
        secrets: where the stores' long-lived keys are.
        clock: gives the time, aware.
    """

    def __init__(self, secrets: Secrets, clock: Callable[[], datetime]) -> None:
        self._secrets = secrets
        self._clock = clock
        # one for all: it keeps the services' descriptions, which take a quarter of a second to read
        self._session = get_session()

    async def vend(
        self, dataset_id: str, replica_id: str, replica: ReplicaSpec, region: str, owner: str
    ) -> Credentials:
        """Keys for an hour that list and read the replica's prefix and nothing else.

        Raises:
            VendingError: the store does not answer or refuses.
        """
        common = {
            "dataset": dataset_id,
            "replica": replica_id,
            "endpoint": replica.endpoint,
            "region": region,
            "bucket": replica.bucket,
            "prefix": replica.prefix,
        }
        if not isinstance(replica.credentials, StsCredentials):
            return Credentials(kind="anonymous", **common)
        minted = await self._assume_role(dataset_id, replica, replica.credentials, region, owner)
        return Credentials(
            kind="sts",
            access_key_id=minted["AccessKeyId"],
            secret_access_key=minted["SecretAccessKey"],
            session_token=minted["SessionToken"],
            expires=minted["Expiration"],
            **common,
        )

    async def presign(
        self, dataset_id: str, replica: ReplicaSpec, region: str, owner: str, paths: Sequence[str]
    ) -> Presigned:
        """One URL per object, good for GET until ``expires``.

        Raises:
            VendingError: as :meth:`vend`.
        """
        expires = self._clock() + timedelta(seconds=PRESIGNED_SECONDS)
        keys: dict[str, str] = {}
        if isinstance(replica.credentials, StsCredentials):
            # signed with short-lived, prefix-scoped keys: a URL can never do more than its user might
            minted = await self._assume_role(dataset_id, replica, replica.credentials, region, owner)
            keys = {
                "aws_access_key_id": minted["AccessKeyId"],
                "aws_secret_access_key": minted["SecretAccessKey"],
                "aws_session_token": minted["SessionToken"],
            }
        config = STS_CONFIG if keys else STS_CONFIG.merge(AioConfig(signature_version=UNSIGNED))
        async with self._client("s3", replica.endpoint, region, keys, config) as client:
            items = [
                PresignedPath(
                    path=path,
                    url=await client.generate_presigned_url(
                        "get_object",
                        Params={"Bucket": replica.bucket, "Key": replica.prefix + path},
                        ExpiresIn=PRESIGNED_SECONDS,
                    ),
                )
                for path in paths
            ]
        return Presigned(items=items, expires=expires)

    async def _assume_role(
        self, dataset_id: str, replica: ReplicaSpec, credentials: StsCredentials, region: str, owner: str
    ) -> dict[str, Any]:
        try:
            key = await asyncio.to_thread(self._secrets.access_key, credentials.secret)
            endpoint = credentials.sts_endpoint or replica.endpoint
            keys = {"aws_access_key_id": key.access_key_id, "aws_secret_access_key": key.secret_access_key}
            async with self._client("sts", endpoint, region, keys, STS_CONFIG) as client:
                answer = await client.assume_role(
                    RoleArn=credentials.role or "arn:aws:iam::000000000000:role/perijove",
                    RoleSessionName=_session_name(owner),
                    DurationSeconds=CREDENTIALS_SECONDS,
                    Policy=read_only_policy(replica.bucket, replica.prefix),
                )
            minted: dict[str, Any] = answer["Credentials"]
        except STORE_ERRORS as error:
            # the library's own text may quote the request; the log gets its kind only, the user a sentence
            log.warning(
                "store gave no credentials",
                extra={"dataset": dataset_id, "endpoint": replica.endpoint, "error": type(error).__name__},
            )
            where = replica.endpoint or f"the store in {region}"
            raise VendingError(f"{where} gives no credentials for {dataset_id} now; try again in a minute.") from error
        return minted

    def _client(
        self, service: str, endpoint: str | None, region: str, keys: dict[str, str], config: AioConfig
    ) -> AbstractAsyncContextManager[Any]:
        client: AbstractAsyncContextManager[Any] = self._session.create_client(
            service, endpoint_url=endpoint, region_name=region, config=config, **keys
        )
        return client


def read_only_policy(bucket: str, prefix: str) -> str:
    """The session policy for one prefix: list below it, read below it. The store enforces it, not only we."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:ListBucket"],
                    "Resource": [f"arn:aws:s3:::{bucket}"],
                    **({"Condition": {"StringLike": {"s3:prefix": [f"{prefix}*"]}}} if prefix else {}),
                },
                {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket}/{prefix}*"]},
            ],
        }
    )


def _session_name(owner: str) -> str:
    # AWS takes 2 to 64 of these characters; the name only shows in the store's audit log
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "=,.@-_") else "-" for char in owner)
    return f"perijove-{kept}"[:64]
