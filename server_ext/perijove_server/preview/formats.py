"""Which module of this package shows a file that is not FITS. Runs in the child.

Each module has ``look(source, wish)``, which gives the JSON of a look and its picture, and ``describe(source, wish)``,
which gives what code that opens the file has to know of it beside its format (see ``answers.FileFormat``). It is
loaded with the first file of its format: their libraries take from a tenth of a second to two.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from .source import Source

#: As many bytes tell a format; they are fetched with what a format reads first.
MAGIC_BYTES = 64 << 10


@dataclass(frozen=True)
class Format:
    """A format: its name as in ``answers.FormatName``, the module, and by what it is known.

    ``magic`` are beginnings, each with its offset; ``names`` are endings of names, which count where no magic does.
    """

    name: str
    module: str
    magic: tuple[tuple[int, bytes], ...] = ()
    names: tuple[str, ...] = ()

    def load(self) -> ModuleType:
        """The module."""
        return import_module(f"{__package__}.{self.module}")


FORMATS: tuple[Format, ...] = ()


def format_of(source: Source, path: str) -> Format | None:
    """The format of an object: by its bytes, else by its name; None: neither tells one of these."""
    begins = source.read_at(0, 512, MAGIC_BYTES)
    for known in FORMATS:
        if any(begins.startswith(magic, offset) for offset, magic in known.magic):
            return known
    return next((known for known in FORMATS if path.lower().endswith(known.names or ("\0",))), None)
