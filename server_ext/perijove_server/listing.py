"""One page of a directory of a dataset, paged at the store: one ListObjectsV2 per page, however many keys there are."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass

from perijove.errors import BadRequest, NotFound
from perijove.keys import key_of_path
from perijove.listed import Listed
from perijove.models import PresignListRequest, Replica, TreeEntry
from perijove.paths import PATH_MAX_BYTES, check_path
from perijove.stores import DatasetReader

CURSOR_MAX_CHARS = 4096

_NO_NAME = re.compile(r"[/\x00-\x1f\x7f]")


@dataclass(frozen=True)
class TreePage:
    """Some entries of a directory, and the cursor of the rest; None: there is no more.

    ``skipped`` names beside these entries are longer than any store allows.
    """

    items: list[TreeEntry]
    cursor: str | None
    skipped: int = 0


async def tree_page(reader: DatasetReader, path: str, cursor: str | None, limit: int, begins: str = "") -> TreePage:
    """Up to ``limit`` entries of the directory ``path``, after those that ``cursor`` stands for.

    With ``begins`` only those whose names begin so: the store leaves out the others, however many there are.
    Keys that are no paths, such as those with empty names between slashes, are written as :mod:`perijove.keys` says.

    Raises:
        PerijoveError: bad path or cursor, no such directory, refused, not listable, or no replica answers.
    """
    path = check_path(path, directory=True)
    begins = key_of_path(begins) or begins  # it may be the beginning of a name as it is shown
    if _NO_NAME.search(begins) or len(begins.encode()) > PATH_MAX_BYTES:
        raise BadRequest(
            "The beginning of names must have no slash, no control character and at most "
            f"{PATH_MAX_BYTES} bytes: open the directory, then filter the names in it."
        )
    wish = PresignListRequest(path=path, begins=begins, limit=limit)
    listed, following = await listed_page(reader, wish, cursor)
    if path and not begins and cursor is None and listed.is_empty and following is None:
        raise NotFound(f"There is no directory {path} in the dataset {reader.dataset.id}.")
    return TreePage(listed.entries(), following, listed.skipped)


async def listed_page(reader: DatasetReader, wish: PresignListRequest, cursor: str | None) -> tuple[Listed, str | None]:
    """What the store lists for ``wish`` (its own ``cursor`` and ``replica`` are not looked at), and a cursor.

    Raises:
        PerijoveError: bad cursor, refused, or no replica answers.
    """
    if cursor is not None:
        replica, token = _decode_cursor(reader, cursor)  # a store's token means nothing to another store
        return await _on(reader, replica, wish.model_copy(update={"cursor": token}))
    return await reader.on_a_replica(lambda replica: _on(reader, replica, wish))


async def _on(reader: DatasetReader, replica: Replica, wish: PresignListRequest) -> tuple[Listed, str | None]:
    page = await reader.page(replica, wish)
    return page, _encode_cursor(replica, page.token) if page.token else None


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
