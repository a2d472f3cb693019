"""Services of the Virtual Observatory that answer for a position: images (SIA) and rows of a table (cone search).

A position is a directory called ``@ra,dec,radius``, in degrees, ICRS. What is in it is asked when it is opened.

Sources: IVOA "Simple Image Access" 1.0 and 2.0; IVOA "Simple Cone Search" 1.03.
"""

from __future__ import annotations

import re
from abc import abstractmethod

import requests

from perijove_hub.catalogue import texts, votables
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
        self._check_table(session, self.spec.url, **self.probe())
        return [self.whole(self.formats)]

    def branch(self, session: GuardedSession, found: Found, path: str, cursor: str, limit: int) -> Branch:
        """The examples of the platform file, or what is at a position."""
        if not path:
            return slice_of([folder_leaf("", f"@{each}") for each in self.spec.positions], cursor, limit)
        position = parse_position(path)
        base, params = self.question(found, position)
        url = requests.Request("GET", base, params=params).prepare().url or base
        return slice_of([file_leaf(path, RESULTS, url), *self.images(session, found, path, position)], cursor, limit)

    @abstractmethod
    def probe(self) -> dict[str, str]:
        """The cheapest question that the service must answer."""

    @abstractmethod
    def question(self, found: Found, position: Position) -> tuple[str, dict[str, str]]:
        """The question for a position: an address and its parameters."""

    def images(self, session: GuardedSession, found: Found, path: str, position: Position) -> list[Leaf]:
        """What lies at a position beside the table of results."""
        return []

    def _check_table(self, session: GuardedSession, url: str, **params: str) -> None:
        start = session.fetch(url, **params).content[:8192].upper()
        if b"VOTABLE" not in start:
            raise CatalogueError("It answered with something else than a VOTable.")


class ConeSearchProvider(_PositionProvider):
    """Rows near a position, as a VOTable file."""

    formats = ("VOTable",)

    def probe(self) -> dict[str, str]:
        """A cone of no size."""
        return {"RA": "0", "DEC": "0", "SR": "0"}

    def question(self, found: Found, position: Position) -> tuple[str, dict[str, str]]:
        """A cone."""
        ra, dec, radius = position
        return self.spec.url, {"RA": f"{ra:g}", "DEC": f"{dec:g}", "SR": f"{radius:g}"}


class ImageSearchProvider(_PositionProvider):
    """Images near a position, of a service that speaks version 1 of the protocol or version 2.

    Which one it is, its capabilities say when it is harvested; most services of version 1 have none.
    """

    formats = ("FITS",)

    def harvest(self, session: GuardedSession) -> list[Found]:
        """The service, with the address of its queries when it speaks version 2."""
        try:
            ((said,),) = votables.ask(session, "queries_2", url=self.spec.url)
        except CatalogueError:
            return super().harvest(session)  # which says what is wrong, if anything is
        queries = joined(self.spec.url, said)
        if queries is None:
            raise CatalogueError("It names an address for queries that is not http(s).")
        self._check_table(session, queries, POS="CIRCLE 0 0 0.01", MAXREC="0")
        return [self.whole(self.formats).model_copy(update={"where": {"queries": queries}})]

    def probe(self) -> dict[str, str]:
        """What the service says of itself."""
        return {"POS": "0,0", "SIZE": "0", "FORMAT": "METADATA"}

    def question(self, found: Found, position: Position) -> tuple[str, dict[str, str]]:
        """A circle, or in version 1 the square around it."""
        ra, dec, radius = position
        if queries := found.where.get("queries"):
            return queries, {"POS": f"CIRCLE {ra:.12g} {dec:.12g} {radius:.12g}", "MAXREC": str(IMAGES_MAX)}
        return self.spec.url, {"POS": f"{ra:.12g},{dec:.12g}", "SIZE": f"{2 * radius:.12g}", "FORMAT": "ALL"}

    def images(self, session: GuardedSession, found: Found, path: str, position: Position) -> list[Leaf]:
        """The images that the service names, each with a name made of its title."""
        queries = found.where.get("queries")
        arguments = dict(zip(("ra", "dec", "radius"), position, strict=True)) | {"most": IMAGES_MAX}
        rows = votables.ask(session, "images_2" if queries else "images", url=queries or self.spec.url, **arguments)
        leaves: dict[str, Leaf] = {}
        for number, (said_title, media_type, address) in enumerate(rows):
            url = joined(self.spec.url, address)
            if url is None or not address:
                continue
            suffix = suffix_of(media_type)
            title = texts.line(said_title, 100).removesuffix(suffix) or "image"
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
