"""One page of a directory of a dataset, paged at the store: one ListObjectsV2 per page, however many keys there are.

obstore cannot do this: ``list_with_delimiter`` collects all pages before it answers, and ``list`` knows no delimiter.
aiobotocore could, but takes half a second and 20 MB to import and brings a second HTTP stack. So the one GET is signed
by botocore's signer, which is light, and sent with the HTTP client that is here anyway.

Source: "ListObjectsV2", Amazon S3 API reference.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode

import httpx
from defusedxml import DefusedXmlException  # type: ignore[import-untyped]  # published without types
from defusedxml.ElementTree import ParseError, fromstring  # type: ignore[import-untyped]  # likewise

from perijove.client import TIMEOUT
from perijove.errors import BadRequest, InvalidPath, NotFound, Refused, StoreUnavailable
from perijove.models import Credentials, Replica, TreeEntry
from perijove.paths import PATH_MAX_BYTES, check_path
from perijove.stores import DatasetReader

#: Tries of one page at one replica, and the pause before the second, which doubles.
TRIES = 3
FIRST_PAUSE_SECONDS = 0.2
CURSOR_MAX_CHARS = 4096

_NO_NAME = re.compile(r"[/\x00-\x1f\x7f]")
_XMLNS = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass(frozen=True)
class TreePage:
    """Some entries of a directory, and the cursor of the rest; None: there is no more."""

    items: list[TreeEntry]
    cursor: str | None


class TreeLister:
    """Lists directories. Belongs to one event loop."""

    def __init__(self) -> None:
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
        if cursor is None:
            page = await reader.on_a_replica(lambda replica: self._page(reader, replica, path, None, limit, begins))
        else:
            replica, token = _decode_cursor(reader, cursor)  # a store's token means nothing to another store
            page = await self._page(reader, replica, path, token, limit, begins)
        if path and not begins and cursor is None and not page.items and page.cursor is None:
            raise NotFound(f"There is no directory {path} in the dataset {reader.dataset.id}.")
        return page

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _page(
        self, reader: DatasetReader, replica: Replica, path: str, token: str | None, limit: int, begins: str
    ) -> TreePage:
        source = reader.direct_reader(replica).credentials
        credentials = await source.get()
        directory = _prefix(credentials, path)
        query = {"prefix": directory + begins, "max-keys": str(limit)}
        query |= {"continuation-token": token} if token else {}
        response = await self._fetch(credentials, query, replica)
        doubtful = response.status_code in {400, 401, 403} and credentials.kind != "anonymous"
        if doubtful and source.forget(credentials):  # they may have ended early
            credentials = await source.get()
            response = await self._fetch(credentials, query, replica)
        if response.status_code == 400 and token:
            raise BadRequest("The store does not know this cursor (any more): start the listing again.")
        if response.status_code != 200:
            raise _refusal(response.status_code, reader, replica, path)
        return _parse(response.content, directory, path, replica)

    async def _fetch(self, credentials: Credentials, query: Mapping[str, str], replica: Replica) -> httpx.Response:
        pause_seconds = FIRST_PAUSE_SECONDS
        for attempt in range(1, TRIES + 1):
            try:
                response = await self._http.send(_signed_request(credentials, query))
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code < 500:
                return response
            if attempt < TRIES:
                await asyncio.sleep(pause_seconds)
                pause_seconds *= 2
        what = "did not answer" if response is None else f"answered {response.status_code}"
        raise StoreUnavailable(f"The store at {_name(replica)} {what} when listing (tried {TRIES} times).")


def _prefix(credentials: Credentials, path: str) -> str:
    """The prefix of the keys of a directory: always within the dataset, always ending in a slash unless empty."""
    parts = [part for part in (credentials.prefix.strip("/"), path) if part]
    return "/".join(parts) + "/" if parts else ""


def _signed_request(credentials: Credentials, query: Mapping[str, str]) -> httpx.Request:
    # Imported on the first listing: it takes a tenth of a second that the start of the server need not wait for.
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as BotoCredentials

    endpoint = credentials.endpoint or f"https://s3.{credentials.region}.amazonaws.com"
    fixed = {"list-type": "2", "delimiter": "/", "encoding-type": "url"}
    encoded = urlencode(sorted({**fixed, **query}.items()), quote_via=quote, safe="-_.~")
    url = f"{endpoint.rstrip('/')}/{quote(credentials.bucket)}?{encoded}"
    request = AWSRequest("GET", url)
    if credentials.kind != "anonymous":
        keys = BotoCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
        S3SigV4Auth(keys, "s3", credentials.region).add_auth(request)
    return httpx.Request("GET", url, headers=dict(request.headers.items()))


def _parse(body: bytes, prefix: str, path: str, replica: Replica) -> TreePage:
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException):
        root = None
    if root is None or root.tag != f"{_XMLNS}ListBucketResult":
        raise StoreUnavailable(f"What answers at {_name(replica)} is not an object store: it sent no listing.")
    items = [
        *(_entry(path, prefix, _text(node, "Prefix"), node) for node in root.iterfind(f"{_XMLNS}CommonPrefixes")),
        *(_entry(path, prefix, _text(node, "Key"), node) for node in root.iterfind(f"{_XMLNS}Contents")),
    ]
    token = _text(root, "NextContinuationToken") if _text(root, "IsTruncated") == "true" else ""
    shown = sorted((item for item in items if item is not None), key=lambda item: item.name)
    return TreePage(shown, _encode_cursor(replica, token) if token else None)


def _entry(path: str, prefix: str, encoded_key: str, node: Any) -> TreeEntry | None:
    """The entry of one key or common prefix; None for what is not below ``prefix`` or cannot be a path here."""
    key = unquote(encoded_key)
    name = key.removeprefix(prefix)
    is_directory = node.tag == f"{_XMLNS}CommonPrefixes"
    if not key.startswith(prefix) or not name:  # an empty name: the marker of the directory itself
        return None
    try:
        full = check_path(f"{path}/{name}" if path else name, directory=is_directory)
    except InvalidPath:
        return None
    return TreeEntry.model_validate(
        {
            "name": full.rsplit("/", 1)[-1],
            "path": full,
            "type": "directory" if is_directory else "file",
            "size_bytes": None if is_directory else int(_text(node, "Size") or 0),
            "modified": None if is_directory else _text(node, "LastModified") or None,
        }
    )


def _text(node: Any, tag: str) -> str:
    found = node.findtext(f"{_XMLNS}{tag}")
    return found if isinstance(found, str) else ""


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


def _refusal(status: int, reader: DatasetReader, replica: Replica, path: str) -> Exception:
    what = f"{reader.dataset.id}/{path}"
    if status == 404:
        return NotFound(f"The store at {_name(replica)} does not hold the dataset {reader.dataset.id}.")
    if status in {401, 403}:
        return Refused(f"The store at {_name(replica)} refuses to list {what}.")
    return StoreUnavailable(f"The store at {_name(replica)} answered {status} when listing {what}.")


def _name(replica: Replica) -> str:
    return replica.endpoint or replica.region
