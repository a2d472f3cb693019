"""What files of arrays share: a tree of groups and variables, and which of them is worth drawing.

Conventions are those of CF, "NetCDF Climate and Forecast Metadata Conventions", version 1.11.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .contents import AXES_MAX, NODES_MAX
from .source import PreviewProblem, Source
from .tables import NAME_CHARS, attributes, clipped

if TYPE_CHECKING:
    from .look import Look, Wish

Json = dict[str, Any]
#: A part of an array: along each axis an index or a slice without a step.
Part = tuple[int | slice, ...]

#: What the nodes may take as JSON: a message has room for twice as much.
NODES_JSON_BYTES = 1 << 20
#: A tree is listed as long as so many bytes of the budget are left to draw with.
DRAW_BYTES = 4 << 20
#: What must be unpacked at once may not be larger.
CHUNK_MAX_BYTES = 64 << 20
#: Types whose values can be drawn: truths, whole, real and complex numbers.
DRAWN_KINDS = "biufc"
_COORDINATES = {"lat", "lon", "latitude", "longitude", "x", "y", "z", "time", "level", "depth", "height"}
_DIRECTIONS = {"latitude", "longitude", "grid_latitude", "grid_longitude"}


@dataclass(frozen=True)
class Variable:
    """An array in a file. ``dimensions`` are names of its axes, "" where there is none.

    ``chunks`` None: it is stored in one piece, rows after one another. ``refused``: why its values are not read.
    """

    path: str
    dtype: np.dtype[Any] | None
    shape: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    dimensions: tuple[str, ...] = ()
    chunks: tuple[int, ...] | None = None
    refused: str | None = None
    type_words: str | None = None
    note: str | None = None

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def group(self) -> str:
        """The path of the group that it is in, without a slash at its end."""
        return self.path.rsplit("/", 1)[0]

    @property
    def unit(self) -> str | None:
        """In its own words."""
        return words(self.attributes.get("units")) or None

    @property
    def item_bytes(self) -> int:
        """Of one value."""
        return self.dtype.itemsize if self.dtype is not None else 0

    @property
    def block(self) -> tuple[int, ...]:
        """The shape of what is stored together."""
        return self.chunks or self.shape

    def why_not_drawn(self) -> str | None:
        """A sentence, if its values cannot be drawn."""
        if self.refused:
            return self.refused
        if self.dtype is None or self.dtype.kind not in DRAWN_KINDS:
            return f"{self.name} holds no numbers, so it is not drawn."
        if not self.shape or 0 in self.shape:
            return f"{self.name} has {'one value' if not self.shape else 'no values'}: there is nothing to draw."
        if len(self.shape) > AXES_MAX:
            return f"{self.name} has {len(self.shape)} axes: at most {AXES_MAX} are drawn."
        if self.chunks and math.prod(self.chunks) * self.item_bytes > CHUNK_MAX_BYTES:
            return f"{self.name} is stored in pieces of more than {CHUNK_MAX_BYTES >> 20} MiB, too large for a preview."
        return None


@dataclass
class Tree:
    """What a file is made of, gathered while it is read."""

    variables: dict[str, Variable] = field(default_factory=dict)
    nodes: list[Json] = field(default_factory=list)
    truncated: bool = False
    note: str | None = None
    _room_bytes: int = NODES_JSON_BYTES

    def add_group(self, path: str, said: dict[str, Any]) -> bool:
        """List a group; False: there is no more room."""
        return self._add({"path": path, "name": path.rsplit("/", 1)[-1] or "/", "kind": "group"}, said)

    def add_variable(self, variable: Variable) -> bool:
        """List an array; False: there is no more room."""
        node = {
            "path": variable.path,
            "name": variable.name or "/",
            "kind": "array",
            "type": clipped(variable.type_words or variable.dtype, NAME_CHARS),
            "shape": list(variable.shape[:AXES_MAX]),
            "unit": variable.unit,
            "note": variable.note,
        }
        if not self._add(node, variable.attributes):
            return False
        self.variables[variable.path] = variable
        return True

    def add_field(self, path: str, name: str, said: dict[str, Any], **more: Any) -> bool:
        """List a field of a GRIB file; False: there is no more room."""
        return self._add({"path": path, "name": clipped(name, NAME_CHARS), "kind": "field", **more}, said)

    def tell(self, path: str, note: str) -> None:
        """Add to the note of a node."""
        for node in self.nodes:
            if node["path"] == path:
                node["note"] = ". ".join(filter(None, (node.get("note"), note)))

    def _add(self, node: Json, said: dict[str, Any]) -> bool:
        node["attributes"] = attributes((name, plain(value)) for name, value in said.items())
        self._room_bytes -= len(json.dumps(node))
        if self._room_bytes < 0 or len(self.nodes) == NODES_MAX:
            self.truncated = True
            return False
        self.nodes.append(node)
        return True


class ArrayFile(Protocol):
    """A file of arrays, as a module of a format gives it."""

    tree: Tree
    #: So many pieces may be read for one drawing.
    pieces_max: int

    def fetch(self, variable: Variable, parts: Sequence[Part]) -> int:
        """Bring as many of ``parts`` here, in their order, as the budget allows; how many these are."""

    def read(self, variable: Variable, part: Part) -> NDArray[Any]:
        """The stored values of one part."""


def words(value: Any) -> str:
    """An attribute that should be a text as one."""
    value = plain(value)
    return value if isinstance(value, str) else ""


def plain(value: Any) -> Any:
    """An attribute with what is one value taken out of its array, and bytes as text."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace").rstrip("\0")
    return value


def number(value: Any) -> float | None:
    """An attribute that should be a number as one; None: it is none."""
    try:
        found = float(plain(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return found


def chosen(tree: Tree, wish: Wish) -> Variable | None:
    """The variable that was asked for, else the one that shows most; None: none can be drawn, or a group was asked for.

    Raises:
        PreviewProblem: there is no such node.
    """
    if wish.node is not None:
        if wish.node not in {node["path"] for node in tree.nodes}:
            raise PreviewProblem(f"There is no node {clipped(ascii(wish.node), 200)} in this file.")
        return tree.variables.get(wish.node)
    return best(tree)


def best(tree: Tree) -> Variable | None:
    """Planes go before lines, real numbers before whole ones, data before coordinates, and the largest of these."""
    coordinates = _named_as_coordinates(tree)

    def worth(variable: Variable) -> tuple[bool, bool, bool, int]:
        is_plane = len(variable.shape) > 1 and min(variable.shape[-2:]) > 1
        packed = "scale_factor" in variable.attributes
        is_real = variable.dtype is not None and (variable.dtype.kind in "fc" or packed)
        return not is_coordinate(variable, coordinates), is_plane, is_real, math.prod(variable.shape)

    drawable = [variable for variable in tree.variables.values() if variable.why_not_drawn() is None]
    return max(drawable, key=worth, default=None)


def is_coordinate(variable: Variable, named: set[str]) -> bool:
    """Whether it tells where values are, by its name, its attributes, or because another one says so."""
    said = variable.attributes
    return (
        variable.name in named
        or variable.name.lower() in _COORDINATES
        or words(said.get("CLASS")) == "DIMENSION_SCALE"
        or words(said.get("standard_name")) in _DIRECTIONS
        or variable.dimensions == (variable.name,)
    )


def _named_as_coordinates(tree: Tree) -> set[str]:
    listed = ("coordinates", "bounds", "grid_mapping", "ancillary_variables", "cell_measures")
    said = (words(variable.attributes.get(name)) for variable in tree.variables.values() for name in listed)
    return {name for text in said for name in text.split()}


def look_at_tree(source: Source, file: ArrayFile, file_format: str, wish: Wish) -> Look:
    """The tree of a file with a drawing of one variable, if one can be drawn."""
    from .drawing import draw_variable

    tree = file.tree
    variable = chosen(tree, wish)
    drawing, png, notes = None, b"", [tree.note]
    if variable is not None and (why_not := variable.why_not_drawn()) is not None:
        notes.append(why_not)
    elif variable is not None:
        try:
            drawing, png = draw_variable(file, variable, wish)
        except PreviewProblem as problem:
            if wish.index or wish.window is not None:
                raise
            notes.append(problem.detail)
    return tree_look(file_format, wish, tree, drawing, notes), png


def tree_look(file_format: str, wish: Wish, tree: Tree, drawing: Json | None, notes: Sequence[str | None]) -> Json:
    """A look, as JSON, at a tree and what is drawn of it."""
    content = {
        "nodes": tree.nodes if wish.window is None else [],
        "truncated": tree.truncated,
        "drawing": drawing,
        "note": " ".join(note for note in notes if note) or None,
    }
    return {"kind": "tree", "format": file_format, "title": wish.path.rsplit("/", 1)[-1], "content": content}


def storage_note(chunks: tuple[int, ...] | None, compression: Sequence[str]) -> str | None:
    """How an array is stored, in words."""
    said = [f"chunks {' × '.join(map(str, chunks))}"] if chunks else []
    return ", ".join([*said, *compression]) or None
