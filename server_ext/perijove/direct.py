"""Listings of ``direct`` datasets: one ListObjectsV2 for each page, signed here with the user's own credentials.

obstore cannot do this. ``list_with_delimiter`` collects all pages before it answers, ``list`` knows no delimiter, and
both give up a whole listing for one key that its parser takes for no path, as ``a//b``, which any store may hold.
aiobotocore could, but takes half a second and 20 MB to import and brings a second HTTP stack. So the one GET is signed
by botocore's signer, which is light, and sent with the HTTP client that is here anyway.

Source: "ListObjectsV2", Amazon S3 API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import httpx

from .client import AsyncControlClient
from .credentials import CredentialSource
from .listed import Listed, parse_listing
from .models import Credentials, Dataset, PresignListRequest, Replica
from .proxied import fetch, refusal


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
    return query | ({"start-after": _prefix(credentials, "") + wish.start_after} if wish.start_after else {})


def _prefix(credentials: Credentials, path: str) -> str:
    """The prefix of the keys of a directory: always within the dataset, always ending in a slash unless empty."""
    parts = [part for part in (credentials.prefix.strip("/"), path) if part]
    return "/".join(parts) + "/" if parts else ""


def _signed_request(credentials: Credentials, query: Mapping[str, str]) -> httpx.Request:
    # Imported on the first listing: it takes a tenth of a second that nothing else need wait for.
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as BotoCredentials

    fixed = {"list-type": "2", "encoding-type": "url"}
    encoded = urlencode(sorted({**fixed, **query}.items()), quote_via=quote, safe="-_.~")
    url = f"{credentials.bucket_url}?{encoded}"
    request = AWSRequest("GET", url)
    if credentials.kind != "anonymous":
        keys = BotoCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
        S3SigV4Auth(keys, "s3", credentials.region).add_auth(request)
    return httpx.Request("GET", url, headers=dict(request.headers.items()))


def _name(replica: Replica) -> str:
    return replica.endpoint or replica.region
