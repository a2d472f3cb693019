"""GRIB, editions 1 and 2: the messages of a file, and the field of one drawn, by ecCodes.

Messages are found by the lengths that they begin with. To list one, its sections are given to ecCodes without their
values; only the one that is drawn is read whole. Source: WMO, "Manual on Codes", FM 92 GRIB.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import eccodes  # type: ignore[import-untyped] # published without types
import numpy as np
from numpy.typing import NDArray

from .arrays import CHUNK_MAX_BYTES, DRAW_BYTES, Json, Tree, tree_look
from .contents import EXACT_MAX
from .drawing import drawing_of
from .pixels import shrunk
from .rangefile import RangeFile
from .source import PreviewProblem, Source
from .tables import NAME_CHARS, clipped
from .windows import Window, cut, part

if TYPE_CHECKING:
    from .look import Look, Wish

BLOCK_BYTES = 16 << 10
#: Each message is found by the one before it: a request of its own, where they are far from each other.
MESSAGES_MAX = 200
#: Between two messages there may be so many other bytes.
GAP_BYTES = 4096
#: Where messages are of one length, so many are looked for at once, and twice as many each time that they are there.
AHEAD_MIN, AHEAD_MAX = 4, 64
_HEADER_MAX_BYTES = 1 << 20
_KEYS = (
    "name", "units", "typeOfLevel", "level", "dataDate", "dataTime", "stepRange", "gridType", "packingType", "centre",
    "edition", "number",
)  # fmt: skip
_ERRORS = (eccodes.CodesInternalError, ValueError, TypeError, KeyError, IndexError, ArithmeticError, RuntimeError)


@dataclass(frozen=True)
class _Message:
    """Where a message is in the file, and of which edition."""

    number: int
    start: int
    stop: int
    edition: int

    @property
    def path(self) -> str:
        """Of its node."""
        return f"/{self.number}"


def look(source: Source, wish: Wish) -> Look:
    """The messages of a file, and the field of one of them.

    Raises:
        PreviewProblem: it is empty, cut off or broken, or has no such message.
    """
    file = _GribFile(source, None if wish.window is None else wish.node or "/1")
    message = file.chosen(wish)
    notes = [file.tree.note]
    drawing, png = None, b""
    try:
        drawing, png = _draw(file, message, wish)
    except PreviewProblem as problem:
        if wish.window is not None or (len(file.messages) == 1 and not file.tree.nodes):
            raise
        notes.append(problem.detail)
    return tree_look(f"GRIB {message.edition}", wish, file.tree, drawing, notes), png


def describe(source: Source, wish: Wish) -> dict[str, Any]:
    """Which bytes are the message; raises as :func:`look`."""
    message = _GribFile(source).chosen(wish)
    return {"node": message.path, "start": message.start, "stop": message.stop}


class _GribFile:
    """The messages of a file; ``until``: up to the one of this path, for whoever wants no list."""

    def __init__(self, source: Source, until: str | None = None) -> None:
        if source.size_bytes == 0:
            raise PreviewProblem("The file is empty: expected GRIB.")
        self.tree = Tree()
        self.source = source
        self.messages: list[_Message] = []
        self._file = RangeFile(source, BLOCK_BYTES)
        self._ahead = AHEAD_MIN
        self._fetched_until = 0
        self._walk(until)

    def bytes_of(self, start: int, stop: int) -> bytes:
        """A part of the file."""
        self._file.seek(start)
        return self._file.read(stop - start)

    def chosen(self, wish: Wish) -> _Message:
        """The message that was asked for, else the first."""
        if wish.node is None:
            return self.messages[0]
        found = next((message for message in self.messages if message.path == wish.node), None)
        if found is None:
            raise PreviewProblem(f"There is no message {clipped(ascii(wish.node), 200)} among those that are listed.")
        return found

    def _walk(self, until: str | None) -> None:
        at = 0
        while at < self.source.size_bytes:
            if len(self.messages) == MESSAGES_MAX or self.source.left_bytes < DRAW_BYTES + BLOCK_BYTES:
                self._stop(f"The first {len(self.messages)} messages are listed; the file has more.")
                return
            message = self._message_at(at)
            if message is None:
                return
            self.messages.append(message)
            if message.path == until or not self._add(message):
                return
            at = message.stop
            self._look_ahead()

    def _look_ahead(self) -> None:
        """Fetch, in parallel, where the next messages are if they are as long as the last two, as in many files."""
        if len(self.messages) < 2 or self.messages[-1].start < self._fetched_until:
            return
        before, last = self.messages[-2:]
        length = last.stop - last.start
        if length != before.stop - before.start or last.start != before.stop or length <= BLOCK_BYTES:
            self._ahead = AHEAD_MIN
            return
        starts = [last.stop + length * step for step in range(min(self._ahead, MESSAGES_MAX - len(self.messages)))]
        spare_bytes = self.source.left_bytes - DRAW_BYTES - BLOCK_BYTES
        starts = [start for start in starts if start < self.source.size_bytes][: max(0, spare_bytes // BLOCK_BYTES)]
        self._file.prefetch([(start, start + BLOCK_BYTES) for start in starts])
        self._fetched_until = starts[-1] if starts else 0
        self._ahead = min(2 * self._ahead, AHEAD_MAX)

    def _message_at(self, at: int) -> _Message | None:
        """The next message from ``at`` on; None: there is none, which is noted."""
        begin = self.bytes_of(at, min(at + GAP_BYTES, self.source.size_bytes)).find(b"GRIB")
        if begin < 0:
            if not self.messages:
                raise PreviewProblem("This is not GRIB: its first bytes hold no message.")
            self._stop("After the last message that is listed come bytes that are none.")
            return None
        start = at + begin
        head = self.bytes_of(start, min(start + 16, self.source.size_bytes))
        edition = head[7] if len(head) == 16 else 0
        length = int.from_bytes(head[4:7] if edition == 1 else head[8:16], "big")
        if edition not in (1, 2) or length < 20:
            problem = f"Message {len(self.messages) + 1} is broken or of an edition of GRIB other than 1 and 2."
        elif edition == 1 and length & 0x800000:  # a length in units of 120 bytes, as ECMWF writes large fields
            problem = f"Message {len(self.messages) + 1} is larger than edition 1 of GRIB allows."
        elif start + length > self.source.size_bytes:
            problem = (
                f"The file is cut off: message {len(self.messages) + 1} has {length} bytes from byte {start} on, and "
                f"the file has {self.source.size_bytes}."
            )
        else:
            return _Message(len(self.messages) + 1, start, start + length, edition)
        if not self.messages:
            raise PreviewProblem(problem)
        self._stop(problem)
        return None

    def _stop(self, note: str) -> None:
        self.tree.truncated = True
        self.tree.note = note

    def _add(self, message: _Message) -> bool:
        try:
            with _decoded(_without_values(self, message)) as handle:
                said = {key: _key(handle, key) for key in _KEYS}
                name, size = _key(handle, "shortName"), [_key(handle, key) for key in ("Nj", "Ni")]
        except (*_ERRORS, PreviewProblem):
            return self.tree.add_field(message.path, f"message {message.number}", {}, note="It does not read.")
        known = {key: value for key, value in said.items() if value not in (None, "unknown")}
        shape = [side for side in size if isinstance(side, int) and 0 < side <= EXACT_MAX]
        where = " ".join(str(known[key]) for key in ("typeOfLevel", "level") if key in known)
        return self.tree.add_field(
            message.path,
            str(name or known.get("name") or f"message {message.number}"),
            known,
            type=clipped(known.get("gridType", ""), NAME_CHARS) or None,
            shape=shape if len(shape) == 2 else None,
            unit=clipped(known.get("units", ""), NAME_CHARS) or None,
            note=clipped(f"{where}, step {known.get('stepRange', 0)}", NAME_CHARS),
        )


@contextlib.contextmanager
def _decoded(message: bytes) -> Iterator[Any]:
    handle = eccodes.codes_new_from_message(message)
    try:
        yield handle
    finally:
        eccodes.codes_release(handle)


def _key(handle: Any, name: str) -> Any:
    try:
        return eccodes.codes_get(handle, name)
    except _ERRORS:
        return None


def _without_values(file: _GribFile, message: _Message) -> bytes:
    """The message with no bitmap and no values, of which ecCodes reads all the same what it is about."""
    return _short_1(file, message) if message.edition == 1 else _short_2(file, message)


def _short_1(file: _GribFile, message: _Message) -> bytes:
    at = message.start + 8
    product = bytearray(_section(file, at, 3, message))
    at += len(product)
    flags = product[7]
    grid = b""
    if flags & 0x80:
        grid = _section(file, at, 3, message)
        at += len(grid)
    if flags & 0x40:
        at += int.from_bytes(file.bytes_of(at, at + 3), "big")
    product[7] = flags & ~0x40
    data = (12).to_bytes(3, "big") + file.bytes_of(at + 3, at + 11) + b"\0"
    whole = bytes(product) + grid + data + b"7777"
    return b"GRIB" + (len(whole) + 8).to_bytes(3, "big") + b"\1" + whole


def _short_2(file: _GribFile, message: _Message) -> bytes:
    at = message.start + 16
    kept = []
    while at < message.stop - 4:
        number = file.bytes_of(at + 4, at + 5)
        if number in (b"\6", b"\7"):
            break
        section = _section(file, at, 4, message)
        kept.append(section)
        at += len(section)
    whole = b"".join(kept) + b"\0\0\0\6\6\xff" + b"\0\0\0\5\7" + b"7777"
    return file.bytes_of(message.start, message.start + 8) + (len(whole) + 16).to_bytes(8, "big") + whole


def _section(file: _GribFile, at: int, length_bytes: int, message: _Message) -> bytes:
    length = int.from_bytes(file.bytes_of(at, at + length_bytes), "big")
    if not length_bytes < length <= min(_HEADER_MAX_BYTES, message.stop - at):
        raise PreviewProblem(f"Message {message.number} is broken: one of its sections has no sensible length.")
    return file.bytes_of(at, at + length)


def _draw(file: _GribFile, message: _Message, wish: Wish) -> tuple[Json, bytes]:
    size_bytes = message.stop - message.start
    if size_bytes > file.source.left_bytes:
        raise PreviewProblem(f"Message {message.number} has {size_bytes} bytes, more than a preview may move.")
    try:
        with _decoded(file.bytes_of(message.start, message.stop)) as handle:
            if (_key(handle, "numberOfDataPoints") or 0) * 8 > CHUNK_MAX_BYTES * 2:
                raise PreviewProblem(f"The field of message {message.number} has too many points for a preview.")
            values, place, note = _plane(handle)
            unit, upward = _key(handle, "units"), bool(_key(handle, "jScansPositively"))
    except _ERRORS as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise PreviewProblem(f"Message {message.number} does not decode: {clipped(first, 200).rstrip('.')}.") from None
    height, width = values.shape
    asked = cut(wish.window, height, width) if wish.window is not None else Window(0, 0, width, height)
    window = asked.upside_down(height)  # the first row of the values is the lowest
    plane = shrunk(values[window.y : window.y + window.height, window.x : window.x + window.width])
    box = (window.y, window.x, *plane.box[2:])
    shown = part((height, width), box, upward=True) | {"upward": upward}
    named_axes: list[Json] = [
        {"name": name, "size": size, "index": None} for name, size in (("j", height), ("i", width))
    ]
    known = unit if isinstance(unit, str) and unit != "unknown" else None
    place = place and _within(place, box, (height, width))
    return drawing_of(plane.values, wish, message.path, named_axes, known, place, note, shown)


def _within(
    place: tuple[float, float, float, float], box: tuple[float, float, float, float], plane: tuple[int, int]
) -> tuple[float, float, float, float]:
    """West, south, east and north of a part of a map: its first row and column, rows and columns."""
    west, south, east, north = place
    down, across = (north - south) / plane[0], (east - west) / plane[1]
    west, south = west + box[1] * across, south + box[0] * down
    return west, south, west + box[3] * across, south + box[2] * down


def _plane(handle: Any) -> tuple[NDArray[np.floating], tuple[float, float, float, float] | None, str | None]:
    """The field with its first row below, where it is on Earth, and what is to be said of it."""
    grid = str(_key(handle, "gridType"))
    eccodes.codes_set(handle, "missingValue", 1e300)
    values = np.asarray(eccodes.codes_get_values(handle), np.float64)
    values[np.abs(values) >= 1e300] = np.nan
    if grid.startswith("reduced"):
        rows = eccodes.codes_get_array(handle, "pl")
        plane = _unfolded(values, np.asarray(rows, int))
        return plane[::-1], _extent(handle, plane.shape), "Rows of a reduced grid, each stretched to the longest."
    columns, rows_count = _sides(handle)
    if columns * rows_count != len(values):
        raise PreviewProblem(f"The field is on a grid of the kind {clipped(grid, 60)}, which is not drawn.")
    if _key(handle, "jPointsAreConsecutive"):
        plane = values.reshape(columns, rows_count).T
    else:
        plane = values.reshape(rows_count, columns)
    if _key(handle, "alternativeRowScanning"):
        plane = plane.copy()
        plane[1::2] = plane[1::2, ::-1]
    if not _key(handle, "jScansPositively"):
        plane = plane[::-1]
    if _key(handle, "iScansNegatively"):
        plane = plane[:, ::-1]
    is_map = grid in {"regular_ll", "regular_gg"}
    note = None if is_map else f"On its own grid ({clipped(grid, 60)}), not on a map."
    return plane, _extent(handle, plane.shape) if is_map else None, note


def _sides(handle: Any) -> tuple[int, int]:
    for across, down in (("Ni", "Nj"), ("Nx", "Ny")):
        sides = _key(handle, across), _key(handle, down)
        if all(isinstance(side, int) and 0 < side < 1 << 20 for side in sides):
            return int(sides[0]), int(sides[1])
    raise PreviewProblem("The field has no grid of rows and columns, so it is not drawn.")


def _unfolded(values: NDArray[np.float64], lengths: NDArray[np.int_]) -> NDArray[np.float64]:
    """Rows of different lengths, north first, each stretched to the longest by its nearest values."""
    if len(lengths) == 0 or lengths.min() < 0 or lengths.sum() != len(values) or lengths.max() * len(lengths) > 1 << 24:
        raise PreviewProblem("The rows of this reduced grid do not go together with its values.")
    longest = int(lengths.max())
    plane = np.full((len(lengths), longest), np.nan)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        if length:
            plane[row] = values[start + (np.arange(longest) * length // longest)]
    return plane


def _extent(handle: Any, shape: tuple[int, ...]) -> tuple[float, float, float, float] | None:
    """West, south, east and north, half a step beyond the outer points."""
    names = ("latitudeOfFirstGridPointInDegrees", "latitudeOfLastGridPointInDegrees",
             "longitudeOfFirstGridPointInDegrees", "longitudeOfLastGridPointInDegrees")  # fmt: skip
    corners = [_key(handle, name) for name in names]
    if not all(isinstance(corner, int | float) and abs(corner) <= 360 for corner in corners) or min(shape) < 2:
        return None
    south, north = sorted(map(float, corners[:2]))
    west, east = map(float, corners[2:])
    if _key(handle, "iScansNegatively"):
        west, east = east, west
    if east <= west:
        east += 360.0
    half_down, half_across = (north - south) / (shape[0] - 1) / 2, (east - west) / (shape[1] - 1) / 2
    if half_down <= 0:
        return None
    return west - half_across, max(-90.0, south - half_down), east + half_across, min(90.0, north + half_down)
