"""What S3 clients need to read a dataset by themselves: the session's own façade, or keys of the store."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from .client import ControlClient, credentials_call
from .errors import BadRequest, NotConfigured
from .paths import check_dataset_id

Client = Literal["s3fs", "boto3", "obstore", "pyarrow", "aws"]

#: The access key id of the façade; its secret is PERIJOVE_DATA_KEY.
FACADE_ACCESS_KEY_ID = "perijove"
FACADE_REGION = "us-east-1"


@dataclass(frozen=True)
class _Store:
    """Where a dataset is, and with what it is read; ``key`` and all after it None: without a signature."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str
    key: str | None
    secret: str | None
    token: str | None


def storage_options(
    dataset_id: str, client: Client = "s3fs", *, direct: bool = False, replica: str | None = None
) -> dict[str, Any]:
    """What ``client`` needs to read a dataset, as keyword arguments.

    The dataset is a bucket, its paths are the keys, and the store is this session itself, which reads from the nearest
    copy, for as long as it lasts. The bucket is called by the dataset's id; where that has a tilde, which boto3 and
    s3fs do not take, by ``perijove.bucket_name(id)``, with dots instead. There is no key of a store in what you get::

        s3fs.S3FileSystem(**perijove.storage_options("euclid-demo"))
        boto3.client("s3", **perijove.storage_options("euclid-demo", "boto3"))
        obstore.store.S3Store("euclid-demo", **perijove.storage_options("euclid-demo", "obstore"))
        pyarrow.fs.S3FileSystem(**perijove.storage_options("euclid-demo", "pyarrow"))
        subprocess.run(["aws", "s3", "ls", "s3://euclid-demo/"], env=os.environ | storage_options("euclid-demo", "aws"))

    Args:
        dataset_id: of the dataset.
        client: for which the options are.
        direct: read a ``direct`` dataset at its store, under the store's own bucket and prefix, with keys that live
            for an hour at most and are not renewed.
        replica: with ``direct``, which copy; None: the nearest.

    Raises:
        BadRequest: an unknown client; ``replica`` without ``direct``.
        NotConfigured: this process was not started by a Jupyter server of the platform.
        Refused: with ``direct``, the dataset is delivered otherwise, or you may not read it.
        PerijoveError: see :func:`perijove.datasets`.
    """
    if client not in get_args(Client):
        raise BadRequest(f"There are no options for the client {client!r}: choose from {', '.join(get_args(Client))}.")
    if replica is not None and not direct:
        raise BadRequest("A copy can be named with `direct=True` only: else the session takes the nearest that works.")
    store = _direct(dataset_id, replica) if direct else _facade(dataset_id)
    return _FORMS[client](store)


def _facade(dataset_id: str) -> _Store:
    url, key = os.environ.get("PERIJOVE_DATA_URL"), os.environ.get("PERIJOVE_DATA_KEY")
    if not url or not key:
        raise NotConfigured(
            "This process was not started by a Jupyter server of a Perijove platform: PERIJOVE_DATA_URL and "
            "PERIJOVE_DATA_KEY are not set. Use perijove:// URLs, or direct=True."
        )
    return _Store(check_dataset_id(dataset_id), "", url, FACADE_REGION, FACADE_ACCESS_KEY_ID, key, None)


def _direct(dataset_id: str, replica: str | None) -> _Store:
    with ControlClient() as client:
        found = client.send(credentials_call(dataset_id, replica))
    keys = (found.access_key_id, found.secret_access_key, found.session_token)
    return _Store(found.bucket, found.prefix, found.endpoint, found.region, *keys)


def _s3fs(store: _Store) -> dict[str, Any]:
    options: dict[str, Any] = {
        "client_kwargs": {"region_name": store.region},
        "config_kwargs": {"s3": {"addressing_style": "path"}},
        "default_block_size": 1 << 20,
        "default_cache_type": "blockcache",
    }
    options |= {"endpoint_url": store.endpoint} if store.endpoint else {}
    if store.key is None:
        return options | {"anon": True}
    options |= {"key": store.key, "secret": store.secret}
    return options | ({"token": store.token} if store.token else {})


def _boto3(store: _Store) -> dict[str, Any]:
    from botocore import UNSIGNED  # takes its time to import
    from botocore.config import Config

    config: dict[str, Any] = {"s3": {"addressing_style": "path"}}
    if store.key is None:
        config["signature_version"] = UNSIGNED
    if store.endpoint and urlsplit(store.endpoint).hostname == "127.0.0.1":
        config["proxies"] = {}  # a proxy for the Internet does not lead to this machine
    return {
        "endpoint_url": store.endpoint,
        "region_name": store.region,
        "aws_access_key_id": store.key,
        "aws_secret_access_key": store.secret,
        "aws_session_token": store.token,
        "config": Config(**config),
    }


def _obstore(store: _Store) -> dict[str, Any]:
    options: dict[str, Any] = {"region": store.region, "virtual_hosted_style_request": False}
    if store.endpoint:
        options |= {"endpoint": store.endpoint}
        if store.endpoint.startswith("http://"):
            options["client_options"] = {"allow_http": True}
    if store.key is None:
        return options | {"skip_signature": True}
    options |= {"access_key_id": store.key, "secret_access_key": store.secret}
    return options | ({"session_token": store.token} if store.token else {})


def _pyarrow(store: _Store) -> dict[str, Any]:
    options: dict[str, Any] = {"region": store.region}
    if store.endpoint:
        place = urlsplit(store.endpoint)
        options |= {"endpoint_override": place.netloc, "scheme": place.scheme}
    if store.key is None:
        return options | {"anonymous": True}
    options |= {"access_key": store.key, "secret_key": store.secret}
    return options | ({"session_token": store.token} if store.token else {})


def _aws(store: _Store) -> dict[str, Any]:
    names = {
        "AWS_ENDPOINT_URL_S3": store.endpoint,
        "AWS_DEFAULT_REGION": store.region,
        "AWS_ACCESS_KEY_ID": store.key,
        "AWS_SECRET_ACCESS_KEY": store.secret,
        "AWS_SESSION_TOKEN": store.token,
    }
    return {name: value for name, value in names.items() if value}


_FORMS = {"s3fs": _s3fs, "boto3": _boto3, "obstore": _obstore, "pyarrow": _pyarrow, "aws": _aws}
