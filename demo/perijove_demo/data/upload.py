"""Brings a folder to a prefix of a cloud, so that an interrupted upload goes on where it stopped.

Beside the datasets each bucket holds one manifest per dataset. It is written twice: when an upload begins, and when all
is there. An object counts as uploaded if its size is right and the manifest says that the same build began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import obstore
from obstore.store import S3Store
from pydantic import BaseModel, ValidationError

from perijove_demo.clouds import ROOT_KEY, Cloud
from perijove_demo.data.catalogue import Copy

_PART_BYTES = 16 << 20
_PARTS_AT_ONCE = 3
_SIGNED_FOR = timedelta(minutes=5)
_MANIFESTS = ".manifests"


class Manifest(BaseModel):
    """Which build of a dataset a prefix holds, or is to hold."""

    version: str
    complete: bool
    sizes_bytes: dict[str, int]


@dataclass(frozen=True)
class Shelf:
    """The place of one replica on its cloud."""

    copy: Copy
    store: S3Store

    def manifest(self) -> Manifest | None:
        """What the place holds; None if nothing, or nothing that is understood."""
        try:
            return Manifest.model_validate_json(bytes(obstore.get(self.store, self._manifest_key).bytes()))
        except (FileNotFoundError, ValidationError):
            return None

    def fill(self, folder: Path, version: str, report: Callable[[float], None]) -> None:
        """Makes the prefix hold exactly the files of ``folder``. ``report`` is told the share done, 0 to 1."""
        sizes_bytes = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        before = self.manifest()
        there = self._sizes_bytes()
        done = there if before is not None and before.version == version else {}
        self._write(Manifest(version=version, complete=False, sizes_bytes=sizes_bytes))
        progress = _Progress(sum(sizes_bytes.values()), report)
        for path, size_bytes in sizes_bytes.items():
            if done.get(path) == size_bytes:
                progress.add(size_bytes)
            else:
                self._put(path, folder / path, progress)
        self._delete([self.copy.prefix + path for path in there.keys() - sizes_bytes.keys()])
        self._write(Manifest(version=version, complete=True, sizes_bytes=sizes_bytes))

    @property
    def _manifest_key(self) -> str:
        return f"{_MANIFESTS}/{self.copy.dataset_id}.json"

    def _write(self, manifest: Manifest) -> None:
        obstore.put(self.store, self._manifest_key, manifest.model_dump_json().encode())

    def _sizes_bytes(self) -> dict[str, int]:
        prefix = self.copy.prefix
        return {
            item["path"].removeprefix(prefix): item["size"]
            for page in obstore.list(self.store, prefix)
            for item in page
        }

    def _delete(self, keys: list[str]) -> None:
        """One by one: obstore deletes in bulk, which the gateway does not answer as S3 does."""
        for url in obstore.sign(self.store, "DELETE", keys, _SIGNED_FOR) if keys else ():
            httpx.delete(url, trust_env=False).raise_for_status()

    def _put(self, path: str, source: Path, progress: _Progress) -> None:
        key = self.copy.prefix + path
        if source.stat().st_size <= _PART_BYTES:
            data = source.read_bytes()
            obstore.put(self.store, key, data, use_multipart=False)
            progress.add(len(data))
        else:
            parts = _parts(source, progress)
            obstore.put(self.store, key, parts, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)


def shelf(cloud: Cloud, copy: Copy) -> Shelf:
    """The place of a replica, with the right to write there."""
    store = S3Store(
        copy.bucket,
        endpoint=cloud.endpoint,
        region=cloud.region,
        access_key_id=ROOT_KEY,
        secret_access_key=cloud.root_secret,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "timeout": "120s"},
    )
    return Shelf(copy, store)


@dataclass
class _Progress:
    total_bytes: int
    report: Callable[[float], None]
    done_bytes: int = 0

    def add(self, size_bytes: int) -> None:
        self.done_bytes += size_bytes
        self.report(self.done_bytes / max(1, self.total_bytes))


def _parts(source: Path, progress: _Progress) -> Iterator[bytes]:
    with source.open("rb") as file:
        while part := file.read(_PART_BYTES):
            yield part
            progress.add(len(part))
