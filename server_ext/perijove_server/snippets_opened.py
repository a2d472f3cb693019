"""How code opens an object as a file: as it is, or unpacked where it is compressed as a whole. Part of ``snippets``."""

from __future__ import annotations

from dataclasses import dataclass

from .preview.answers import Compression

_MODULES = {"gzip": "gzip", "bz2": "bz2", "xz": "lzma"}


@dataclass(frozen=True)
class Opened:
    """``clause`` goes behind ``with``; ``module`` is what it needs of Python's own."""

    clause: str
    module: str | None

    def imports(self, *others: str) -> str:
        """The lines that import what is Python's own, to go before all."""
        lines = {*others, *([f"import {self.module}"] if self.module else [])}
        return "\n".join(sorted(lines, key=lambda line: (line.startswith("from"), line))) + "\n\n" if lines else ""


def opened(url: str, compression: Compression | None, text: str = "") -> Opened:
    """An object as the file ``file``: of bytes, or of text with the arguments ``text``."""
    if compression is None:
        arguments = f', "r", {text}' if text else ""
        return Opened(f"perijove.open({url!r}{arguments}) as file", None)
    module, arguments = _MODULES[compression], f', "rt", {text}' if text else ""
    return Opened(f"perijove.open({url!r}) as packed, {module}.open(packed{arguments}) as file", module)
