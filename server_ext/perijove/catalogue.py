"""What ``import perijove`` offers at a glance: datasets as a list that shows itself, and single files."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import date
from typing import IO, Any, Literal, overload

from .client import ControlClient, Search, dataset_call
from .models import Dataset


class DatasetList(Sequence[Dataset]):
    """Datasets in the order of the catalogue; shows itself as a table in notebooks and as lines elsewhere."""

    def __init__(self, items: Sequence[Dataset]) -> None:
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> Dataset: ...
    @overload
    def __getitem__(self, index: slice) -> DatasetList: ...
    def __getitem__(self, index: int | slice) -> Dataset | DatasetList:
        """The dataset at ``index``, or a shorter list for a slice."""
        return DatasetList(self._items[index]) if isinstance(index, slice) else self._items[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._items)

    def __repr__(self) -> str:
        """One line for each dataset: id, size, title."""
        if not self._items:
            return "no datasets"
        width = max(len(item.id) for item in self._items)
        return "\n".join(f"{item.id:<{width}}  {size_text(item.size_bytes):>9}  {item.title}" for item in self._items)

    def _repr_html_(self) -> str:
        """A table; everything that comes from the catalogue is text and escaped."""
        rows = "".join(
            f"<tr><td><code>{_escaped(item.id)}</code></td><td>{_escaped(item.title)}</td>"
            f"<td>{size_text(item.size_bytes)}</td><td>{_escaped(', '.join(item.formats))}</td>"
            f"<td>{_escaped(item.licence)}</td></tr>"
            for item in self._items
        )
        head = "".join(f"<th>{name}</th>" for name in ("id", "title", "size", "formats", "licence"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def datasets(
    q: str | None = None,
    *,
    catalogue: str | Sequence[str] = (),
    format: str | Sequence[str] = (),  # noqa: A002 - the word that everybody uses for it
    provider: str | Sequence[str] = (),
    licence: str | Sequence[str] = (),
    keyword: str | Sequence[str] = (),
    bbox: Sequence[float] | None = None,
    frame: Literal["earth", "sky"] = "earth",
    since: str | date | None = None,
    until: str | date | None = None,
) -> DatasetList:
    """The datasets that you may see, the platform's own and those of the catalogues that it knows.

    Args:
        q: words that must all be in the title, description, keywords or names.
        catalogue: ``"platform"`` for the platform's own, or ids of catalogues.
        format: one of these, as ``"FITS"``; so ``provider``, ``licence`` and ``keyword``.
        bbox: west, south, east, north in degrees: what touches this box.
        frame: ``"sky"``: the box is one of right ascension and declination (ICRS).
        since: what has data from then on; a day or a moment.
        until: what has data before.

    Raises:
        BadRequest: a box or a moment cannot be understood.
        PerijoveError: not in a session of the platform, or control is away.
    """
    search = Search(
        q=q or "",
        catalogue=_several(catalogue),
        format=_several(format),
        provider=_several(provider),
        licence=_several(licence),
        keyword=_several(keyword),
        bbox=",".join(f"{float(each):.12g}" for each in bbox or ()),
        frame=frame if bbox and frame != "earth" else "",
        since=_moment(since),
        until=_moment(until),
    )
    with ControlClient() as client:
        return DatasetList(client.all_datasets(search))


def dataset(dataset_id: str) -> Dataset:
    """One dataset by its id.

    Raises:
        NotFound: there is none of this name that you may read.
        PerijoveError: see :func:`datasets`.
    """
    with ControlClient() as client:
        return client.send(dataset_call(dataset_id))


def open_file(path: str, mode: str = "rb", **kwargs: Any) -> IO[Any]:
    """Open one file of a dataset, for example ``perijove.open("euclid-demo/mosaic.fits")``.

    The file is seekable and reads only what is asked for, in blocks that fit its format (``block_size`` sets another
    size in bytes), and further ahead while reads go on from each other. ``file.counts`` tells what was moved. Mode
    ``"r"`` gives text; all else of :func:`fsspec.open` may be given too. Use it in a ``with`` statement.

    Raises:
        PerijoveError: bad path, no such file, refused, or no replica answers.
    """
    from .filesystem import PerijoveFileSystem  # brings in obstore, which lists of datasets do without

    file: IO[Any] = PerijoveFileSystem().open(path, mode, **kwargs)
    return file


def size_text(size_bytes: int | None) -> str:
    """A size for people: ``1.1 GiB``; empty when unknown."""
    if size_bytes is None:
        return ""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} PiB"


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)


def _several(values: str | Sequence[str]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)


def _moment(value: str | date | None) -> str:
    return value.isoformat() if isinstance(value, date) else value or ""
