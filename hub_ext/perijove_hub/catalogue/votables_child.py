"""The process that reads what services of the Virtual Observatory answer, with pyvo, under limits set on itself.

It serves one question and ends. Whatever pyvo wants to ask a service, it asks its parent to ask; once its libraries are
loaded it can open neither a file nor a connection. That matters: a VOTable may name another place for its rows, by
http or as a local file, and astropy would go there.
"""

from __future__ import annotations

import io
import json
import resource
import socket
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import islice
from typing import Any

import requests
from astropy.io.votable import parse
from astropy.io.votable.tree import CooSys
from pyvo.dal import DALQueryError, SIA2Service, SIAService, TAPService  # type: ignore[import-untyped]  # no types
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from perijove_hub.catalogue import frames

#: An answer of the parent is longer than what a session reads of one answer by its few other keys only.
ANSWER_MAX_BYTES = 64 * 2**20
#: A text of a table that is longer is of no use as a name, a title or an address.
TEXT_MAX_CHARS = 4000

#: What a rehearsal reads: the types of the format (but for unsignedByte, arrays of which astropy writes as something
#: else), scalar and in arrays, and what else tables commonly hold.
_TYPES = (
    "char", "unicodeChar", "boolean", "bit", "short", "int", "long", "float", "double", "floatComplex", "doubleComplex",
)  # fmt: skip
_CELLS = {"char": "a", "unicodeChar": "a", "boolean": "T", "floatComplex": "1 2", "doubleComplex": "1 2"}
_UNITS = dict(enumerate(("", "deg", "mas.yr**-1", "km/s", "10**-16erg/s/cm**2/Angstrom", "nonsense of units")))
_NO_ROWS = b"<VOTABLE><RESOURCE/></VOTABLE>"
_NO_CAPABILITIES = b'<capabilities xmlns="http://www.ivoa.net/xml/VOSICapabilities/v1.0"/>'


class _Session(requests.Session):
    """A session that gives each request to one adapter."""

    def __init__(self, adapter: BaseAdapter) -> None:
        super().__init__()
        self.trust_env = False
        self.adapters.clear()
        self.mount("", adapter)


class _Adapter(BaseAdapter, ABC):
    """Answers requests with whatever ``_answer`` has for them."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """An answer."""
        status, kind, body = self._answer(request)
        answer = requests.Response()
        answer.request, answer.url, answer.status_code, answer.reason = request, request.url or "", status, ""
        answer.headers["Content-Type"] = kind
        answer.raw = HTTPResponse(io.BytesIO(body), headers=dict(answer.headers), status=status, preload_content=False)
        return answer

    @abstractmethod
    def _answer(self, request: requests.PreparedRequest) -> tuple[int, str, bytes]:
        """Status, media type and body."""

    def close(self) -> None:
        """Nothing to close."""


class _Parent(_Adapter):
    """The parent asks, and sends back what came."""

    def __init__(self, pipe: socket.socket) -> None:
        super().__init__()
        self._pipe = pipe

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, str, bytes]:
        body: Any = request.body or b""
        frames.send(
            self._pipe,
            {
                "op": "fetch",
                "method": request.method,
                "url": request.url,
                "content_type": request.headers.get("Content-Type"),
            },
            body.encode() if isinstance(body, str) else body,
        )
        text, payload = frames.receive(self._pipe, ANSWER_MAX_BYTES)
        said = json.loads(text)
        return said["status"], said["content_type"], payload


class _Rehearsal(_Adapter):
    """The same for everybody."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._body = body

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, str, bytes]:
        return 200, "application/xml", self._body


def column(session: requests.Session, url: str, query: str, most: int) -> list[list[str]]:
    """The first column of what a TAP service answers to a query."""
    table = TAPService(url, session=session).run_sync(query, maxrec=most).to_table()
    return [[_text(value)] for value in table.columns[0][:most]]


def images(session: requests.Session, url: str, ra: float, dec: float, radius: float, most: int) -> list[list[str]]:
    """Title, media type and address of the images of an SIA 1 service in the square around a circle."""
    found = SIAService(url, session=session).search(pos=(ra, dec), size=2 * radius, format="all")
    return [[_text(each.title), _text(each.format), _text(each.getdataurl())] for each in islice(found, most)]


def images_2(session: requests.Session, url: str, ra: float, dec: float, radius: float, most: int) -> list[list[str]]:
    """Title, media type and address of what an SIA 2 service has at a circle; ``url`` is that of its queries."""
    found = SIA2Service(url, session=session, check_baseurl=False).search(pos=(ra, dec, radius), maxrec=most)
    names = set(found.fieldnames)

    def said(each: Any, *columns: str) -> str:
        return next((text for name in columns if name in names and (text := _text(each[name]))), "")

    return [
        [said(each, "obs_title", "target_name", "obs_id"), said(each, "access_format"), said(each, "access_url")]
        for each in islice(found, most)
    ]


def queries_2(session: requests.Session, url: str) -> list[list[str]]:
    """The address of the queries of an SIA 2 service, as its capabilities say it."""
    return [[_text(SIA2Service(url, session=session).query_ep)]]


_OPERATIONS: dict[str, Callable[..., list[list[str]]]] = {
    "column": column,
    "images": images,
    "images_2": images_2,
    "queries_2": queries_2,
}


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Bound what this process may take."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _everything() -> list[bytes]:
    """A table with one of each, in the three forms that rows may have."""
    fields = [("access_url", "char", "*")]
    fields += [(f"f{number}", kind, size) for size in ("", "2", "*") for number, kind in enumerate(_TYPES)]
    heads = "".join(
        f'<FIELD name="{name}{size}" ID="c{at}" datatype="{kind}" unit="{_UNITS.get(at, "")}" xtype="timestamp" '
        f'ucd="{"VOX:Image_AccessReference" if at == 0 else "meta.id;meta.main"}" utype="obscore:access.reference"'
        + (f' arraysize="{size}">' if size else ">")
        + ('<VALUES null="9"/>' if kind in ("short", "int", "long") else "<DESCRIPTION>d</DESCRIPTION>")
        + "</FIELD>"
        for at, (name, kind, size) in enumerate(fields)
    )
    cells = "".join(
        f"<TD>{' '.join([_CELLS.get(kind, '1')] * (2 if size and 'har' not in kind else 1))}</TD>"
        for _, kind, size in fields
    )
    text = (
        '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        '<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/><COOSYS ID="s" system="ICRS"/>'
        '<TIMESYS ID="t" timeorigin="JD-origin" timescale="TT" refposition="TOPOCENTER"/>'
        '<TABLE><PARAM name="p" datatype="char" arraysize="*" value="v"/><GROUP><FIELDref ref="c0"/></GROUP>'
        f"{heads}<DATA><TABLEDATA><TR>{cells}</TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    forms = []
    for form in ("tabledata", "binary", "binary2"):
        votable = parse(io.BytesIO(text.encode()), verify="ignore")
        votable.get_first_table().format = form
        written = io.BytesIO()
        votable.to_xml(written)
        forms.append(written.getvalue())
    return forms


def rehearse() -> None:
    """Do all of it once, so that what libraries load late is there when nothing can be opened any more."""
    # astropy opens the file of the frames of the sky again for each element that names one
    CooSys._reference_frames = CooSys(ID="s", system="ICRS").reference_frames
    for codec in ("ascii", "latin-1", "utf-16", "utf-16-be", "utf-16-le", "utf-8-sig", "idna"):
        "a".encode(codec)
    table, *others = _everything()
    for body in (table, _NO_CAPABILITIES, _NO_ROWS, b"<nonsense"):
        _try(images, body, 0.0, 0.0, 1.0, 1)
        _try(images_2, body, 0.0, 0.0, 1.0, 1)
        _try(queries_2, body)
    for body in (table, *others, _NO_ROWS, b"<nonsense"):
        _try(column, body, "q", 1)


def _try(operation: Callable[..., list[list[str]]], body: bytes, *arguments: object) -> None:
    try:
        operation(_Session(_Rehearsal(body)), "https://x.example/", *arguments)
    except Exception as error:  # noqa: BLE001 - whatever it raises, it raises it again later
        str(error)


def lock_up() -> None:
    """From now on this process opens no file and no connection: it has three, and may not have a fourth."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def main() -> None:
    """Serve the one question."""
    limit(int(sys.argv[1]), int(sys.argv[2]))
    warnings.simplefilter("ignore")
    pipe = socket.socket(fileno=0)
    rehearse()
    lock_up()
    wish = json.loads(frames.receive(pipe, ANSWER_MAX_BYTES)[0])
    try:
        rows = _OPERATIONS[wish["op"]](_Session(_Parent(pipe)), **wish["arguments"])
    except MemoryError:
        frames.send(pipe, {"op": "problem", "said": "", "is_too_large": True})
    except DALQueryError as error:
        frames.send(pipe, {"op": "problem", "said": _text(error.reason), "is_too_large": False})
    except Exception:  # noqa: BLE001 - libraries raise whatever they like when strangers feed them
        frames.send(pipe, {"op": "problem", "said": "", "is_too_large": False})
    else:
        frames.send(pipe, {"op": "rows", "rows": rows})


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:TEXT_MAX_CHARS]


if __name__ == "__main__":
    main()
