"""Keys of an object store as paths, and back: some keys would be dangerous or ambiguous as paths. Pure.

A store takes ``a//b``, ``a/../b``, ``a\\b`` or ``a%2Fb`` for keys like any others. As paths they would be cleaned up,
climbed or decoded by whatever lies in between: browsers, proxies, filesystems. So a path writes ``~`` for a name
without a letter, and ``~xx``, the bytes of UTF-8 in lower-case hexadecimal, for what it cannot hold: ``a/~/b``,
``a/~2e~2e/b``, ``a~5cb``, ``a~252Fb``. Any other key is its own path, with its tildes; only where a key would be read
as such an escape is its tilde written ``~7e``. Every key has one path of its own, and it passes ``paths.check_path``.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

#: What most keys and paths are made of: nothing that would have to be looked at.
PLAIN = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII)

_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|%(?=2[ef]|5c|00|25)", re.IGNORECASE)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ESCAPE = re.compile(r"~([0-9a-f]{2})")
_LIKE_AN_ESCAPE = re.compile(r"~(?=[0-9a-f]{2})")


def path_of_key(key: str) -> str:
    """The path that stands for a key below a dataset. It holds no empty name, no ``.`` or ``..``, no backslash."""
    if PLAIN.fullmatch(key):
        return key
    path = _path(key)
    return path if key_of_path(path) == key else _path(_literally(key))


def key_of_path(path: str) -> str:
    """The key that a path stands for; a path with escapes that nobody had to write stands for itself."""
    if "~" not in path:
        return path
    key = "/".join("" if name == "~" else _unescaped(name) for name in path.split("/"))
    return key if path in (_path(key), _path(_literally(key))) else path


def is_odd(path: str) -> bool:
    """Whether a path stands for a key that is written otherwise, which not every client of a store can ask for."""
    return key_of_path(path) != path


def climbs(path: str) -> bool:
    """Whether something might take the key of a path for one in another directory: a store that keeps files."""
    if not is_odd(path):
        return False
    key = unicodedata.normalize("NFKC", unquote(key_of_path(path))).replace("\\", "/")
    return not {".", ".."}.isdisjoint(key.split("/"))


def _path(key: str) -> str:
    return "/".join(_name(name) for name in key.split("/"))


def _literally(key: str) -> str:
    """The same key with each tilde escaped that might be taken for an escape."""
    return "/".join("~7e" if name == "~" else _LIKE_AN_ESCAPE.sub("~7e", name) for name in key.split("/"))


def _name(name: str) -> str:
    if name == "":
        return "~"
    # what looks like a full stop is taken for one
    if (name if name.isascii() else unicodedata.normalize("NFKC", name)) in (".", ".."):
        return _bytes(name)
    escaped = _UNSAFE.sub(lambda found: _bytes(found[0]), name)
    return escaped if escaped.isascii() else _NOT_ASCII.sub(lambda found: _as_it_looks(found[0]), escaped)


def _as_it_looks(character: str) -> str:
    looks_like = unicodedata.normalize("NFKC", character)
    is_safe = "/" not in looks_like and not _UNSAFE.search(looks_like)
    return character if is_safe else _bytes(character)


def _bytes(text: str) -> str:
    return "".join(f"~{byte:02x}" for byte in text.encode(errors="surrogatepass"))


def _unescaped(name: str) -> str:
    raw, end = bytearray(), 0
    for found in _ESCAPE.finditer(name):
        raw += name[end : found.start()].encode(errors="surrogatepass") + bytes.fromhex(found[1])
        end = found.end()
    raw += name[end:].encode(errors="surrogatepass")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return name
