"""Code for a notebook that opens what is selected: complete, to be run as it stands in the user's image.

Names come from strangers' buckets, so they enter the code only as Python literals, never in comments. What a preview
process has seen of a file enters only as the whole numbers and truths of ``preview.answers``.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

from perijove.catalogue import size_text
from perijove.errors import InvalidPath, NotFound
from perijove.stores import DatasetReader

from . import snippets_arrays, snippets_tables
from .listing import tree_page
from .preview.answers import Compression, FileFormat, FitsHeader, FitsImage, FitsTable
from .preview.pool import PreviewFailed
from .service import DataService
from .snippets_opened import opened

#: A cutout has at most so many pixels on each side, and spans rows of at most so many bytes in the file.
CUTOUT_SIDE = 1024
CUTOUT_SPAN_BYTES = 32 << 20
#: How files of other formats are opened, by the format's name: code from the address and what was seen.
FORMATS: dict[str, Callable[[str, FileFormat], str]] = {**snippets_arrays.SNIPPETS, **snippets_tables.SNIPPETS}


async def snippet(
    service: DataService, reader: DatasetReader, path: str, hdu: int | None, node: str | None = None
) -> str:
    """Code that opens ``path`` of a dataset, or lists it if it is a directory or empty.

    Raises:
        PerijoveError: no such file or directory, refused, or the store is away.
    """
    url = f"{reader.dataset.id}/{path}" if path else reader.dataset.id
    if reader.dataset.delivery == "proxied" and not path:
        return _about(reader.dataset.id)
    try:
        seen = await service.previews.describe(reader, path, hdu, node)
    except (NotFound, InvalidPath):
        if path:
            await _check_directory(reader, path)
        return _listing(url)
    except PreviewFailed:
        return _first_bytes(url)
    match seen:
        case FitsImage():
            return _fits_image(url, seen)
        case FitsTable(hdu=number):
            return _fits_table(url, number, seen.compression)
        case FitsHeader(hdu=number):
            return _fits_header(url, number, seen.compression)
        case FileFormat() if seen.format in FORMATS:
            return FORMATS[seen.format](url, seen)
    return _text(url, seen.compression)


async def _check_directory(reader: DatasetReader, path: str) -> None:
    if reader.dataset.delivery == "proxied":
        raise NotFound(f"There is no file {path} in the dataset {reader.dataset.id}.")
    await tree_page(reader, path, None, 1)


def _code(text: str) -> str:
    return dedent(text).lstrip("\n")


def _about(dataset_id: str) -> str:
    return _code(f"""
        import perijove

        dataset = perijove.dataset({dataset_id!r})
        print(dataset.title, dataset.description, dataset.licence, sep="\\n")
        """)


def _listing(url: str) -> str:
    return _code(f"""
        import fsspec

        files = fsspec.filesystem("perijove")
        for entry in files.ls({url!r}):
            print(f"{{entry['size']:>15,}}  {{entry['name']}}")
        """)


def _first_bytes(url: str) -> str:
    return _code(f"""
        import perijove

        with perijove.open({url!r}) as file:
            head = file.read(256)
            print(f"{{file.size:,}} bytes, which begin with")
        head
        """)


def _text(url: str, compression: Compression | None) -> str:
    file = opened(url, compression, 'encoding="utf-8", errors="replace"')
    return file.imports("from itertools import islice") + _code(f"""
        import perijove

        with {file.clause}:
            for line in islice(file, 20):
                print(line, end="")
        """)


def _fits_header(url: str, hdu: int, compression: Compression | None) -> str:
    file = opened(url, compression)
    return file.imports() + _code(f"""
        import perijove
        from astropy.io import fits

        with {file.clause}, fits.open(file) as hdus:
            hdus.info()
            header = hdus[{hdu}].header
        header
        """)


def _fits_table(url: str, hdu: int, compression: Compression | None) -> str:
    file = opened(url, compression)
    return file.imports() + _code(f"""
        import perijove
        from astropy.io import fits
        from astropy.table import Table

        with {file.clause}, fits.open(file) as hdus:
            hdus.info()
            table = Table(hdus[{hdu}].data)
        table
        """)


def _fits_image(url: str, seen: FitsImage) -> str:
    rows, columns, what = _cutout(seen)
    section = ", ".join(["0"] * (len(seen.shape) - 2) + [rows, columns])
    sky, file = seen.celestial, opened(url, seen.compression)
    # what is only seen in part is shown whole beside it, where the file has an overview
    overview = seen.overview if rows != ":" else None
    lines = [
        "import matplotlib.pyplot as plt",
        "import perijove",
        "from astropy.io import fits",
        "from astropy.visualization import simple_norm",
        *(["from astropy.wcs import WCS"] if sky else []),
        "",
        f"with {file.clause}, fits.open(file) as hdus:",
        *(_whole(overview, sky) if overview is not None else []),
        f"    hdu = hdus[{seen.hdu}]",
        f"    # {what}",
        f"    image = hdu.section[{section}]",
        *([f"    sky = WCS(hdu.header).celestial[{rows}, {columns}]"] if sky else []),
        "",
        *(
            [
                "plt.figure(figsize=(12, 5))",
                *_plot("whole", "121, projection=whole_sky" if sky else "121"),
                *_plot("image", "122, projection=sky" if sky else "122"),
            ]
            if overview is not None
            else _plot("image", "projection=sky" if sky else "")
        ),
        "plt.show()",
    ]
    return file.imports() + "\n".join(lines) + "\n"


def _whole(overview: int, sky: bool) -> list[str]:
    return [
        "    # all of it, in the file's own overview",
        f"    whole = hdus[{overview}].section[:, :]",
        *([f"    whole_sky = WCS(hdus[{overview}].header).celestial"] if sky else []),
    ]


def _plot(name: str, place: str) -> list[str]:
    return [
        f"axes = plt.subplot({place})",
        f'axes.imshow({name}, origin="lower", cmap="gray", norm=simple_norm({name}, "asinh", percent=99.5))',
    ]


def _cutout(seen: FitsImage) -> tuple[str, str, str]:
    """Slices of rows and columns around the middle, and a comment that says what they are."""
    height, width = seen.shape[-2:]
    side = min(CUTOUT_SIDE, max(64, CUTOUT_SPAN_BYTES // (width * seen.pixel_bytes)))
    rows, columns = min(height, side), min(width, side)
    if (rows, columns) == (height, width):
        return ":", ":", f"all {height} × {width} pixels"
    top, left = (height - rows) // 2, (width - columns) // 2
    size = size_text(height * width * seen.pixel_bytes)
    rest = "the rest is not read" if seen.compression is None else "the file is unpacked up to there"
    comment = f"the central {rows} × {columns} of {height} × {width} pixels ({size}); {rest}"
    return f"{top}:{top + rows}", f"{left}:{left + columns}", comment
