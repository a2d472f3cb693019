"""A citation made of what is known of a dataset, as BibTeX. Pure.

Source: the fields of ``@misc`` as BibLaTeX and DataCite's BibTeX use them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from perijove.models import Provider

_SPECIAL = re.compile(r"[\\{}%#&$_~^]")
_SPELT = {"\\": r"\textbackslash ", "~": r"\textasciitilde ", "^": r"\textasciicircum "}
#: Whoever made a dataset is its author; a host only publishes it.
_AUTHORS = ("producer", "licensor", "processor")


def bibtex(
    key: str, title: str, providers: Sequence[Provider], year: int | None, doi: str | None, url: str | None
) -> str:
    """A ``@misc`` entry; fields that nothing is known of are left out."""
    authors = [each.name for each in providers if set(each.roles) & set(_AUTHORS)]
    hosts = [each.name for each in providers if each.name not in authors]
    authors, publishers = (authors, hosts) if authors else (hosts[:1], hosts[1:])
    fields = {
        "title": "{" + _plain(title) + "}",  # doubled: BibTeX would make capitals small
        "author": " and ".join("{" + _plain(name) + "}" for name in authors[:20]),
        "publisher": _plain(", ".join(publishers[:3])),
        "year": str(year) if year else "",
        "doi": _address(doi),
        "url": _address(f"https://doi.org/{doi}" if doi and not url else url),
    }
    said = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    return f"@misc{{{re.sub(r'[^A-Za-z0-9_.:-]', '-', key)},\n{said}\n}}"


def _plain(value: str) -> str:
    flat = " ".join(value.split())
    return _SPECIAL.sub(lambda match: _SPELT.get(match[0], "\\" + match[0]), flat)


def _address(value: str | None) -> str:
    return re.sub(r"[\\{}\s]", "", value or "")
