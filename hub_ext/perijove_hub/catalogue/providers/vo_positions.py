"""Services of the Virtual Observatory that answer for a position: images (SIA) and rows of a table (cone search).

A position is a directory called ``@ra,dec,radius``, in degrees, ICRS. What is in it is asked when it is opened.

Sources: IVOA "Simple Image Access" 1.0; IVOA "Simple Cone Search" 1.03.
"""

from __future__ import annotations

import re
from typing import Any

import requests

from perijove_hub.catalogue import texts
from perijove_hub.catalogue.guarded import GuardedSession
from perijove_hub.catalogue.models import Branch, CatalogueError, Found, Leaf, NoSuchPathError
from perijove_hub.catalogue.names import path_segment
from perijove_hub.catalogue.providers.base import Provider, file_leaf, folder_leaf, joined, slice_of
from perijove_hub.catalogue.providers.formats import suffix_of

#: The widest radius that is asked for, in degrees.
RADIUS_MAX = 10.0
#: Images of one position that are shown.
IMAGES_MAX = 5000
RESULTS = "results.vot"

_NUMBER = r"([+-]?\d{1,3}(?:\.\d{0,12})?)"
_POSITION = re.compile(rf"@{_NUMBER},{_NUMBER},{_NUMBER}")

Position = tuple[float, float, float]


class _PositionProvider(Provider):
    formats: tuple[str, ...]

    def harvest(self, session: GuardedSession) -> list[Found]:
        """The service, when it answers with a VOTable."""
        start = session.fetch(self.spec.url, **self.probe()).content[:8192].upper()
        if b"VOTABLE" not in start:
            raise CatalogueError("It answered with something else than a VOTable.")
        return [self.whole(self.formats)]

    def branch(self, session: GuardedSession, found: Found, path: str, cursor: str, limit: int) -> Branch:
        """The examples of the platform file, or what is at a position."""
        if not path:
            return slice_of([folder_leaf("", f"@{each}") for each in self.spec.positions], cursor, limit)
        position = parse_position(path)
        url = requests.Request("GET", self.spec.url, params=self.query(position)).prepare().url or self.spec.url
        return slice_of([file_leaf(path, RESULTS, url), *self.images(session, path, position)], cursor, limit)

    def probe(self) -> dict[str, str]:
        """The cheapest question that the service must answer."""
        raise NotImplementedError

    def query(self, position: Position) -> dict[str, str]:
        """The question for a position."""
        raise NotImplementedError

    def images(self, session: GuardedSession, path: str, position: Position) -> list[Leaf]:
        """What lies at a position beside the table of results."""
        return []


class ConeSearchProvider(_PositionProvider):
    """Rows near a position, as a VOTable file."""

    formats = ("VOTable",)

    def probe(self) -> dict[str, str]:
        """A cone of no size."""
        return {"RA": "0", "DEC": "0", "SR": "0"}

    def query(self, position: Position) -> dict[str, str]:
        """A cone."""
        ra, dec, radius = position
        return {"RA": f"{ra:g}", "DEC": f"{dec:g}", "SR": f"{radius:g}"}


class ImageSearchProvider(_PositionProvider):
    """Images near a position."""

    formats = ("FITS",)

    def probe(self) -> dict[str, str]:
        """What the service says of itself."""
        return {"POS": "0,0", "SIZE": "0", "FORMAT": "METADATA"}

    def query(self, position: Position) -> dict[str, str]:
        """A square around the cone."""
        ra, dec, radius = position
        return {"POS": f"{ra:.12g},{dec:.12g}", "SIZE": f"{2 * radius:.12g}", "FORMAT": "ALL"}

    def images(self, session: GuardedSession, path: str, position: Position) -> list[Leaf]:
        """The images that the service names, each with a name made of its title."""
        # brings in astropy, which a control without such catalogues does without
        from pyvo.dal import SIAService  # type: ignore[import-untyped]  # published without types

        ra, dec, radius = position
        service: Any = SIAService(self.spec.url, session=session)
        leaves: dict[str, Leaf] = {}
        for number, record in enumerate(service.search(pos=(ra, dec), size=2 * radius, format="all")):
            url = joined(self.spec.url, str(record.getdataurl() or ""))
            if number >= IMAGES_MAX:
                break
            if url is None:
                continue
            suffix = suffix_of(str(record.format or ""))
            title = texts.line(str(record.title or ""), 100).removesuffix(suffix) or "image"
            name = path_segment(f"{title}{suffix}")
            if name in leaves or name == RESULTS:
                name = path_segment(f"{title}-{number + 1}{suffix}")
            leaves.setdefault(name, file_leaf(path, name, url))
        return list(leaves.values())


def parse_position(path: str) -> Position:
    """Right ascension, declination and radius of a directory, in degrees.

    Raises:
        NoSuchPathError: it is no position; the sentence says how one is written.
    """
    match = _POSITION.fullmatch(path)
    if match:
        ra, dec, radius = (float(part) for part in match.groups())
        if 0 <= ra <= 360 and abs(dec) <= 90 and 0 < radius <= RADIUS_MAX:
            return ra, dec, radius
    raise NoSuchPathError(
        f"{path[:100]!r} is no position: expected @ra,dec,radius in degrees, such as @83.633,22.014,0.1, with a radius "
        f"of at most {RADIUS_MAX:g}."
    )
