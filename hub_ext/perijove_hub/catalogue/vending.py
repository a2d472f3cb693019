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

from perijove.keys import key_of_path
from perijove.models import Credentials, Presigned, PresignedList, PresignedPath, PresignListRequest
from perijove_hub.policy.models import ReplicaSpec, StaticCredentials, StsCredentials
from perijove_hub.policy.secrets import SecretError, Secrets

from .signers import Signer, Signers

log = logging.getLogger(__name__)

#: botocore renews in the last 15 minutes of a life; an hour leaves it room.
CREDENTIALS_SECONDS = 3600
PRESIGNED_SECONDS = 900
#: For so long addresses are signed by the same short-lived keys; a store that forgets them is whole again after it.
SIGNER_SECONDS = 300

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

#: What all tries together may take: less than clients wait for an answer, so that they hear that it is the store, and
#: take another copy.
MINT_SECONDS = 12.0

#: What asking a store for keys may end with; a KeyError is how the library takes a page that is no answer.
STORE_ERRORS = (BotoCoreError, ClientError, ResponseParserError, KeyError, OSError)


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
        self._signers = Signers(clock)

    async def vend(
        self, dataset_id: str, replica_id: str, replica: ReplicaSpec, region: str, owner: str
    ) -> Credentials:
        """Keys for an hour that list and read the replica's prefix and nothing else.

        Raises:
            VendingError: the store does not answer or refuses, or its keys are for control alone.
        """
        if isinstance(replica.credentials, StaticCredentials):
            raise VendingError(f"The keys of {dataset_id} stay with the platform; open it with perijove.open.")
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
        key = await self._held_keys(dataset_id, replica, replica.credentials.secret, region)
        minted = await self._assume_role(dataset_id, replica, replica.credentials, key, region, owner)
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
        client = await self._signer(dataset_id, replica, region, owner)
        items = [
            PresignedPath(
                path=path,
                url=await client.generate_presigned_url(
                    "get_object",
                    Params={"Bucket": replica.bucket, "Key": replica.prefix + key_of_path(path)},
                    ExpiresIn=PRESIGNED_SECONDS,
                ),
            )
            for path in paths
        ]
        return Presigned(items=items, expires=expires)

    async def presign_list(
        self, dataset_id: str, replica: ReplicaSpec, region: str, owner: str, asked: PresignListRequest
    ) -> PresignedList:
        """One URL that sends one page of the keys below one prefix of the replica, good for GET until ``expires``.

        ``asked`` has been checked: its path stays below the dataset.

        Raises:
            VendingError: as :meth:`vend`.
        """
        expires = self._clock() + timedelta(seconds=PRESIGNED_SECONDS)
        directory = replica.prefix + (f"{key_of_path(asked.path)}/" if asked.path else "")
        wish: dict[str, Any] = {
            "Bucket": replica.bucket,
            "Prefix": directory + asked.begins,
            "MaxKeys": asked.limit,
            "EncodingType": "url",
        }
        wish |= {"Delimiter": asked.delimiter} if asked.delimiter else {}
        wish |= {"ContinuationToken": asked.cursor} if asked.cursor else {}
        wish |= {"StartAfter": replica.prefix + key_of_path(asked.start_after)} if asked.start_after else {}
        client = await self._signer(dataset_id, replica, region, owner)
        url = await client.generate_presigned_url("list_objects_v2", Params=wish, ExpiresIn=PRESIGNED_SECONDS)
        return PresignedList(url=url, expires=expires)

    async def _signer(self, dataset_id: str, replica: ReplicaSpec, region: str, owner: str) -> Any:
        """A client that signs addresses at the replica's store; of a public one, a client that signs nothing.

        It is kept for as long as addresses from it outlive their own time. Whether the owner may still read is asked
        before each call of this, and the platform's key is looked up each time: one that was replaced signs no more.
        """
        place = (replica.endpoint, region)
        soon = self._clock() + timedelta(seconds=SIGNER_SECONDS)
        if isinstance(replica.credentials, StsCredentials):
            sts = replica.credentials
            key = await self._held_keys(dataset_id, replica, sts.secret, region)

            async def mint() -> Signer:
                # signed with short-lived, prefix-scoped keys: a URL can never do more than its user might
                minted = await self._assume_role(dataset_id, replica, sts, key, region, owner)
                keys = {
                    "aws_access_key_id": minted["AccessKeyId"],
                    "aws_secret_access_key": minted["SecretAccessKey"],
                    "aws_session_token": minted["SessionToken"],
                }
                last = minted["Expiration"] - timedelta(seconds=PRESIGNED_SECONDS)
                return await self._made(replica, region, keys, min(last, soon))

            scope = (replica.bucket, replica.prefix, owner, sts.sts_endpoint, sts.role)
            return await self._signers.get((place, scope, tuple(key.items())), mint)
        keys: dict[str, str] = {}
        if isinstance(replica.credentials, StaticCredentials):
            keys = await self._held_keys(dataset_id, replica, replica.credentials.secret, region)
        return await self._signers.get((place, tuple(keys.items())), lambda: self._made(replica, region, keys, soon))

    async def _made(self, replica: ReplicaSpec, region: str, keys: dict[str, str], good_until: datetime) -> Signer:
        config = STS_CONFIG if keys else STS_CONFIG.merge(AioConfig(signature_version=UNSIGNED))
        # a client that only signs connects to nothing, so that there is nothing to close when it is no longer kept
        async with self._client("s3", replica.endpoint, region, keys, config) as client:
            return Signer(client, good_until)

    async def _held_keys(self, dataset_id: str, replica: ReplicaSpec, secret: str, region: str) -> dict[str, str]:
        """The platform's own keys of a store. Raises VendingError."""
        try:
            key = await asyncio.to_thread(self._secrets.access_key, secret)
        except SecretError as error:
            raise self._no_keys(dataset_id, replica, region, error) from error
        return {"aws_access_key_id": key.access_key_id, "aws_secret_access_key": key.secret_access_key}

    async def _assume_role(
        self,
        dataset_id: str,
        replica: ReplicaSpec,
        credentials: StsCredentials,
        keys: dict[str, str],
        region: str,
        owner: str,
    ) -> dict[str, Any]:
        endpoint = credentials.sts_endpoint or replica.endpoint
        try:
            async with asyncio.timeout(MINT_SECONDS), self._client("sts", endpoint, region, keys, STS_CONFIG) as client:
                answer = await client.assume_role(
                    RoleArn=credentials.role or "arn:aws:iam::000000000000:role/perijove",
                    RoleSessionName=_session_name(owner),
                    DurationSeconds=CREDENTIALS_SECONDS,
                    Policy=read_only_policy(replica.bucket, replica.prefix),
                )
            minted: dict[str, Any] = answer["Credentials"]
        except STORE_ERRORS as error:
            raise self._no_keys(dataset_id, replica, region, error) from error
        return minted

    @staticmethod
    def _no_keys(dataset_id: str, replica: ReplicaSpec, region: str, error: Exception) -> VendingError:
        # the library's own text may quote the request; the log gets its kind only, the user a sentence
        log.warning(
            "store gave no credentials",
            extra={"dataset": dataset_id, "endpoint": replica.endpoint, "error": type(error).__name__},
        )
        where = replica.endpoint or f"the store in {region}"
        return VendingError(f"{where} gives no credentials for {dataset_id} now; try again in a minute.")

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
