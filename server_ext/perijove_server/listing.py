"""One page of a directory of a dataset, paged at the store: one ListObjectsV2 per page, however many keys there are.

obstore cannot do this: ``list_with_delimiter`` collects all pages before it answers, and ``list`` knows no delimiter.
aiobotocore could, but takes half a second and 20 MB to import and brings a second HTTP stack. So the one GET is signed
by botocore's signer, which is light, and sent with the HTTP client that is here anyway.

Source: "ListObjectsV2", Amazon S3 API reference.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import httpx

from perijove.client import TIMEOUT, AsyncControlClient
from perijove.errors import BadRequest, NotFound
from perijove.listed import Listed, parse_listing
from perijove.models import Credentials, PresignListRequest, Replica, TreeEntry
from perijove.paths import PATH_MAX_BYTES, check_path
from perijove.proxied import fetch, list_page, refusal
from perijove.stores import DatasetReader

CURSOR_MAX_CHARS = 4096

_NO_NAME = re.compile(r"[/\x00-\x1f\x7f]")


@dataclass(frozen=True)
class TreePage:
    """Some entries of a directory, and the cursor of the rest; None: there is no more."""

    items: list[TreeEntry]
    cursor: str | None


class TreeLister:
    """Lists directories. Belongs to one event loop.

    Args:
        client: carries out calls to control, which signs the listings of ``proxied`` datasets.
    """

    def __init__(self, client: AsyncControlClient) -> None:
        self._client = client
        self._http = httpx.AsyncClient(timeout=TIMEOUT)

    async def page(
        self, reader: DatasetReader, path: str, cursor: str | None, limit: int, begins: str = ""
    ) -> TreePage:
        """Up to ``limit`` entries of the directory ``path``, after those that ``cursor`` stands for.

        With ``begins`` only those whose names begin so: the store leaves out the others, however many there are.
        Keys that cannot be paths here, such as those with empty names between slashes, are left out.

        Raises:
            PerijoveError: bad path or cursor, no such directory, refused, not listable, or no replica answers.
        """
        path = check_path(path, directory=True)
        if _NO_NAME.search(begins) or len(begins.encode()) > PATH_MAX_BYTES:
            raise BadRequest(
                "The beginning of names must have no slash, no control character and at most "
                f"{PATH_MAX_BYTES} bytes: open the directory, then filter the names in it."
            )
        wish = PresignListRequest(path=path, begins=begins, limit=limit)
        listed, following = await self.listed(reader, wish, cursor)
        page = TreePage(listed.entries(), following)
        if path and not begins and cursor is None and not page.items and page.cursor is None:
            raise NotFound(f"There is no directory {path} in the dataset {reader.dataset.id}.")
        return page

    async def listed(
        self, reader: DatasetReader, wish: PresignListRequest, cursor: str | None
    ) -> tuple[Listed, str | None]:
        """What the store lists for ``wish`` (its own ``cursor`` and ``replica`` are not looked at), and a cursor.

        Raises:
            PerijoveError: bad cursor, refused, or no replica answers.
        """
        if cursor is not None:
            replica, token = _decode_cursor(reader, cursor)  # a store's token means nothing to another store
            return await self._on(reader, replica, wish.model_copy(update={"cursor": token}))
        return await reader.on_a_replica(lambda replica: self._on(reader, replica, wish))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _on(self, reader: DatasetReader, replica: Replica, wish: PresignListRequest) -> tuple[Listed, str | None]:
        if reader.dataset.delivery == "proxied":
            page = await list_page(self._client, reader.dataset, replica, wish)
        else:
            page = await self._direct(reader, replica, wish)
        return page, _encode_cursor(replica, page.token) if page.token else None

    async def _direct(self, reader: DatasetReader, replica: Replica, wish: PresignListRequest) -> Listed:
        source = reader.direct_reader(replica).credentials
        credentials = await source.get()
        query = _query(credentials, wish)
        status, body = await fetch(self._http, _signed_request(credentials, query), _name(replica))
        doubtful = status in {400, 401, 403} and credentials.kind != "anonymous"
        if doubtful and source.forget(credentials):  # they may have ended early
            credentials = await source.get()
            status, body = await fetch(self._http, _signed_request(credentials, query), _name(replica))
        if status != 200:
            raise refusal(status, reader.dataset, replica, wish.path, has_cursor=wish.cursor is not None)
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
    # Imported on the first listing: it takes a tenth of a second that the start of the server need not wait for.
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


def _encode_cursor(replica: Replica, token: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([replica.id, token]).encode()).decode().rstrip("=")


def _decode_cursor(reader: DatasetReader, cursor: str) -> tuple[Replica, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        match json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
            case [str(replica_id), str(token)] if len(cursor) <= CURSOR_MAX_CHARS and token:
                replica = next((found for found in reader.dataset.replicas if found.id == replica_id), None)
            case _:
                raise BadRequest("The cursor is not one that a tree has given.")
    except (binascii.Error, UnicodeError, ValueError):
        raise BadRequest("The cursor is not one that a tree has given.") from None
    if replica is None:
        raise BadRequest("The replica that this listing began on is gone: start the listing again.")
    return replica, token


def _name(replica: Replica) -> str:
    return replica.endpoint or replica.region
