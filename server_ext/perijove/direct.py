"""What obstore cannot ask the stores of ``direct`` datasets for, signed here with the user's own credentials.

Listings, one ListObjectsV2 for each page: ``list_with_delimiter`` collects all pages before it answers, ``list`` knows
no delimiter, and both give up a whole listing for one key that its parser takes for no path, as ``a//b``. And the
objects of such keys. aiobotocore could, but takes half a second and 20 MB to import and brings a second HTTP stack. So
each GET is signed by botocore's signer, which is light, and sent with the HTTP clients that are here anyway.

Source: "ListObjectsV2", Amazon S3 API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import httpx

from .client import AsyncControlClient
from .credentials import CredentialSource
from .keys import key_of_path
from .listed import Listed, parse_listing
from .models import Credentials, Dataset, PresignListRequest, Replica
from .proxied import fetch, refusal

if TYPE_CHECKING:
    from botocore.credentials import Credentials as BotoCredentials


async def list_page(
    client: AsyncControlClient, dataset: Dataset, replica: Replica, source: CredentialSource, wish: PresignListRequest
) -> Listed:
    """One page of the keys that ``wish`` asks for (its own ``replica`` is not looked at).

    Raises:
        PerijoveError: control gives no credentials; the store refuses or does not answer; the cursor is not its own.
    """
    credentials = await source.get()
    query = _query(credentials, wish)
    status, body = await fetch(client.pages(), _signed_request(credentials, query), _name(replica))
    doubtful = status in {400, 401, 403} and credentials.kind != "anonymous"
    if doubtful and source.forget(credentials):  # they may have ended early
        credentials = await source.get()
        status, body = await fetch(client.pages(), _signed_request(credentials, query), _name(replica))
    if status != 200:
        raise refusal(status, dataset, replica, wish.path, has_cursor=wish.cursor is not None)
    return parse_listing(body, _prefix(credentials, ""), _name(replica))


def _query(credentials: Credentials, wish: PresignListRequest) -> dict[str, str]:
    query = {"prefix": _prefix(credentials, wish.path) + wish.begins, "max-keys": str(wish.limit)}
    query |= {"delimiter": wish.delimiter} if wish.delimiter else {}
    query |= {"continuation-token": wish.cursor} if wish.cursor else {}
    return query | ({"start-after": key_in(credentials, wish.start_after)} if wish.start_after else {})


def key_in(credentials: Credentials, path: str) -> str:
    """The key in the bucket of an object below the dataset: always within its prefix."""
    return _prefix(credentials, "") + key_of_path(path)


def _prefix(credentials: Credentials, path: str) -> str:
    """The prefix of the keys of a directory: always within the dataset, always ending in a slash unless empty."""
    root = credentials.prefix.strip("/")
    return (f"{root}/" if root else "") + (f"{key_of_path(path)}/" if path else "")


def object_url(credentials: Credentials, path: str, lifetime_seconds: int) -> str:
    """A URL that reads one object, whatever its key; not to be cleaned up by what sends it."""
    url = f"{credentials.bucket_url}/{quote(key_in(credentials, path))}"
    if credentials.kind == "anonymous":
        return url
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest("GET", url)
    S3SigV4QueryAuth(_keys(credentials), "s3", credentials.region, lifetime_seconds).add_auth(request)
    return str(request.url)


def _keys(credentials: Credentials) -> BotoCredentials:
    from botocore.credentials import Credentials as BotoCredentials

    return BotoCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)


def _signed_request(credentials: Credentials, query: Mapping[str, str]) -> httpx.Request:
    # Imported on the first listing: it takes a tenth of a second that nothing else need wait for.
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest

    fixed = {"list-type": "2", "encoding-type": "url"}
    encoded = urlencode(sorted({**fixed, **query}.items()), quote_via=quote, safe="-_.~")
    url = f"{credentials.bucket_url}?{encoded}"
    request = AWSRequest("GET", url)
    if credentials.kind != "anonymous":
        S3SigV4Auth(_keys(credentials), "s3", credentials.region).add_auth(request)
    return httpx.Request("GET", url, headers=dict(request.headers.items()))


def _name(replica: Replica) -> str:
    return replica.endpoint or replica.region
