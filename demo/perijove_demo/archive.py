"""An archive of others that the demo brings along: an index of files with ranges, and a static STAC catalogue in it.

``python -m perijove_demo.archive DIRECTORY PORT`` serves it on loopback.
"""

from __future__ import annotations

import asyncio
import html
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import numpy as np
from astropy.io import fits
from tornado.web import Application, HTTPError, StaticFileHandler

TITLE = "Demonstration archive"
#: Fields of the sky of which it has an image: name, right ascension and declination in degrees.
FIELDS = (("Crab", 83.633, 22.014), ("Orion", 83.822, -5.391), ("Pleiades", 56.601, 24.114))


def write_archive(directory: Path) -> None:
    """Make the files, where they are not there yet."""
    if (directory / "catalog.json").exists():
        return
    links = []
    for name, ra, dec in FIELDS:
        folder = directory / "fields" / name
        folder.mkdir(parents=True, exist_ok=True)
        _write_image(folder / f"{name.lower()}.fits", name, ra, dec)
        asset = {"href": f"./{name.lower()}.fits", "type": "application/fits", "title": "Image"}
        place: dict[str, object] = {
            "geometry": None,
            "properties": {"datetime": "2026-01-01T00:00:00Z"},
            "assets": {"image": asset},
        }
        item = {"type": "Feature", "stac_version": "1.1.0", "id": name, "links": [], **place}
        _write_json(folder / f"{name}.json", item)
        links.append({"rel": "item", "href": f"./{name}/{name}.json"})
    _write_json(directory / "fields" / "collection.json", _collection(links))
    (directory / "README.txt").write_text("Made by the demo: small images with world coordinates.\n")
    root = {"type": "Catalog", "stac_version": "1.1.0", "id": "archive", "title": TITLE, "description": TITLE}
    # last: it says that all is there
    _write_json(directory / "catalog.json", {**root, "links": [{"rel": "child", "href": "./fields/collection.json"}]})


def _collection(links: list[dict[str, str]]) -> dict[str, object]:
    return {
        "type": "Collection", "stac_version": "1.1.0", "id": "famous-fields", "title": "Famous fields of the sky",
        "description": "Small made-up images around well-known objects.", "license": "CC0-1.0",
        "keywords": ["sky", "images"], "providers": [{"name": "The demo", "roles": ["producer", "host"]}],
        "extent": {
            "spatial": {"bbox": [[56, -6, 84, 25]]},
            "temporal": {"interval": [["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]]},
        },
        "item_assets": {"image": {"type": "application/fits"}}, "links": links,
    }  # fmt: skip


def _write_image(path: Path, name: str, ra: float, dec: float) -> None:
    noise = np.random.default_rng(int(ra * 1000)).normal(100, 3, (256, 256))
    y, x = np.mgrid[:256, :256]
    image = noise + 900 * np.exp(-((x - 128) ** 2 + (y - 128) ** 2) / 400)
    header = fits.Header(
        {
            "OBJECT": name, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec,
            "CRPIX1": 128.5, "CRPIX2": 128.5, "CDELT1": -0.0005, "CDELT2": 0.0005, "CUNIT1": "deg", "CUNIT2": "deg",
        }
    )  # fmt: skip
    fits.PrimaryHDU(image.astype("float32"), header).writeto(path, overwrite=True)


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    path.write_text(json.dumps(document, indent=1))


class IndexHandler(StaticFileHandler):
    """Files with ranges, as tornado serves them; of a directory, an index in the manner of nginx."""

    def compute_etag(self) -> str | None:
        """An index has none: it is made anew each time."""
        return super().compute_etag() if getattr(self, "absolute_path", None) else None

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """As the base, which keeps within the root; a directory is answered with its index."""
        path = Path(absolute_path)
        inside = path.resolve().is_relative_to(Path(root).resolve())
        if not (inside and path.is_dir() and self.request.path.endswith("/")):
            return super().validate_absolute_path(root, absolute_path)
        if self.request.method not in ("GET", "HEAD"):
            raise HTTPError(405)
        names = sorted(f"{each.name}/" if each.is_dir() else each.name for each in path.iterdir())
        rows = "\n".join(f'<a href="{quote(name)}">{html.escape(name)}</a>' for name in names)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(f'<html><body><h1>Index</h1><pre><a href="../">../</a>\n{rows}\n</pre></body></html>')
        return None


def make_app(directory: Path) -> Application:
    """The server of a directory."""
    return Application([(r"/(.*)", IndexHandler, {"path": str(directory)})])


async def serve(directory: Path, port: int) -> None:
    """Serve a directory on loopback, for ever."""
    make_app(directory).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    write_archive(Path(sys.argv[1]))
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
