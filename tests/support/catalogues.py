"""Catalogues of others on loopback: a STAC API, a static STAC, TAP, SIA and cone search, an index, a data store.

One server plays them all, each below a path of its own, and misbehaves to order.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus, unquote, urlsplit

PAGE = b"<!DOCTYPE html><html><body><h1>Down for maintenance</h1></body></html>"
XSS = "<script>alert(1)</script>"

VOTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/><COOSYS ID="sky" system="ICRS" epoch="J2000.0"/>
<TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE>
</RESOURCE></VOTABLE>"""

CAPABILITIES = """<?xml version="1.0" encoding="UTF-8"?>
<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1">
<capability standardID="ivo://ivoa.net/std/SIA#query-2.0"><interface xsi:type="vs:ParamHTTP" role="std" version="2.0">
<accessURL use="base">{url}</accessURL></interface></capability></vosi:capabilities>"""


def votable(fields: list[tuple[str, str]], rows: list[list[str]]) -> bytes:
    """A VOTable of texts; a field is its name and its UCD."""
    heads = "".join(f'<FIELD name="{name}" ucd="{ucd}" datatype="char" arraysize="*"/>' for name, ucd in fields)
    body = "".join("<TR>" + "".join(f"<TD>{cell}</TD>" for cell in row) + "</TR>" for row in rows)
    return VOTABLE.format(fields=heads, rows=body).encode()


@dataclass
class FakeCatalogues:
    """What is served and how it misbehaves; ``faults`` maps the first part of a path to a fault.

    A fault is a status, ``html`` (a page with 200), ``drop`` (no answer), ``slow`` (an answer that drips for ever),
    ``huge`` (an answer without end), ``short`` (less than it says) or an address to redirect to; ``bodies`` maps the
    same to what is answered instead.
    """

    url: str = ""
    collections: list[dict[str, Any]] = field(default_factory=list)
    items: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=lambda: {"public": ["public.stars", 'public."my galaxies"']})
    files: dict[str, bytes] = field(default_factory=lambda: {"README.txt": b"the sky", "tiles/a 1.fits": b"SIMPLE"})
    faults: dict[str, int | str] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    seen_headers: list[dict[str, str]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        """Status, type and body for a path."""
        first, _, rest = path.lstrip("/").partition("/")
        if first in self.bodies:
            return 200, "application/json" if first == "json" else "application/xml", self.bodies[first]
        kinds: dict[str, Callable[[str, dict[str, str]], tuple[str, bytes] | None]] = {
            "stac": self._stac,
            "static": self._static,
            "tap": self._tap,
            "sia": self._sia,
            "sia2": self._sia2,
            "scs": self._scs,
            "files": self._files,
            "json": self._json_index,
            "cds": self._cds,
            "s3": self._s3,
        }
        made = kinds[first](rest, query) if first in kinds else None
        return (200, *made) if made else (404, "text/plain", b"nothing here")

    def _stac(self, rest: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        base = f"{self.url}/stac"
        parts = rest.split("/")
        if not rest:
            return _json({"type": "Catalog", "links": [{"rel": "data", "href": f"{base}/collections"}]})
        if parts == ["collections"]:
            start = int(query.get("page", "0"))
            links = [{"rel": "next", "href": f"{base}/collections?page={start + 2}"}]
            return _json(
                {
                    "collections": self.collections[start : start + 2],
                    "links": links if start + 2 < len(self.collections) else [],
                }
            )
        items = self.items.get(unquote(parts[1]), [])
        if len(parts) == 2:
            return _json(next(each for each in self.collections if each["id"] == unquote(parts[1])))
        if len(parts) == 3:
            start, limit = int(query.get("token", "0")), int(query.get("limit", "2"))
            link = {"rel": "next", "href": f"{base}/{rest}?token={start + limit}&limit={limit}"}
            page = items[start : start + limit]
            return _json({"features": page, "links": [link] if start + limit < len(items) else []})
        item = next((each for each in items if each["id"] == unquote(parts[3])), None)
        return _json(item) if item else None

    def _static(self, rest: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        return _json(self.documents[rest]) if rest in self.documents else None

    def _tap(self, rest: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        adql = query.get("QUERY", "")
        if rest != "sync":
            return None
        if "TAP_SCHEMA.schemas" in adql:
            return _vo(votable([("schema_name", "")], [[name] for name in self.tables]))
        if "TAP_SCHEMA.tables" in adql:
            schema = adql.partition("schema_name = '")[2].removesuffix("'").replace("''", "'")
            return _vo(votable([("table_name", "")], [[name] for name in self.tables.get(schema, [])]))
        return _vo(votable([("name", "")], [["Vega"]]))

    def _sia(self, rest: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        fields = [
            ("title", "VOX:Image_Title"),
            ("format", "VOX:Image_Format"),
            ("url", "VOX:Image_AccessReference"),
        ]
        rows = [
            ["Crab", "image/fits", f"{self.url}/files/crab.fits"],
            ["Crab", "image/fits", f"{self.url}/files/crab2.fits"],
            ["Evil", "image/fits", "file:///etc/passwd"],
        ]
        return _vo(votable(fields, [] if query.get("FORMAT") == "METADATA" else rows))

    def _sia2(self, rest: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        if rest == "capabilities":
            return "text/xml", CAPABILITIES.format(url=f"{self.url}/sia2/find").encode()
        if rest != "find" or not query.get("POS", "").startswith("CIRCLE "):
            return None
        names = ("obs_title", "target_name", "access_format", "access_url")
        rows = [
            ["Crab nebula", "M 1", "application/fits", f"{self.url}/files/crab.fits"],
            ["", "M 1", "application/x-votable+xml;content=datalink", f"{self.url}/files/links"],
            ["Evil", "M 1", "application/fits", "file:///etc/passwd"],
        ]
        return _vo(votable([(name, "") for name in names], rows[: int(query.get("MAXREC", "9"))]))

    def _scs(self, rest: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        return _vo(votable([("id", "meta.id;meta.main")], [[query.get("RA", "")]]))

    def _below(self, rest: str) -> tuple[list[str], dict[str, bytes]]:
        prefix = unquote(rest)
        found = {name.removeprefix(prefix): body for name, body in self.files.items() if name.startswith(prefix)}
        return sorted({f"{name.split('/')[0]}/" for name in found if "/" in name}), {
            name: body for name, body in found.items() if name and "/" not in name
        }

    def _files(self, rest: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        if unquote(rest) in self.files:
            return "application/octet-stream", self.files[unquote(rest)]
        folders, files = self._below(rest)
        rows = [f'<a href="{quote(name)}">{name}</a>    25-Nov-2026 12:00       -' for name in folders]
        rows += [
            f'<a href="{quote(name)}">{name}</a>    25-Nov-2026 12:00      {len(body)}' for name, body in files.items()
        ]
        head = (
            '<h1>Index</h1><pre><a href="../">../</a>\n<a href="?C=M">Date</a><a href="https://other.example/x">x</a>'
        )
        return ("text/html", (f"<html>{head}" + "\n".join(rows) + "</pre></html>").encode()) if rows else None

    def _json_index(self, rest: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        folders, files = self._below(rest)
        stamp = {"mtime": "Wed, 25 Nov 2026 12:00:00 GMT"}
        entries: list[dict[str, Any]] = [{"name": name.strip("/"), "type": "directory", **stamp} for name in folders]
        entries += [{"name": name, "type": "file", "size": len(body), **stamp} for name, body in files.items()]
        return _json([*entries, {"name": "../up", "type": "file"}, {"name": ".."}, {"name": 7}, "junk"])

    def _s3(self, rest: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        prefix = query.get("prefix", "")
        folders, files = self._below(quote(prefix))

        def key(name: str) -> str:
            return quote_plus(prefix + name, safe="/")  # as real stores do: all of it, and a space is a plus

        rows = "<IsTruncated>false</IsTruncated>" + "".join(
            f"<Contents><Key>{key(name)}</Key><LastModified>2026-11-25T12:00:00.000Z</LastModified>"
            f"<Size>{len(body)}</Size></Contents>"
            for name, body in files.items()
        )
        rows += "".join(f"<CommonPrefixes><Prefix>{key(name)}</Prefix></CommonPrefixes>" for name in folders)
        named = f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rows}</ListBucketResult>'
        return None if rest else ("application/xml", named.encode())

    def _cds(self, rest: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        start = "catalogue/v1/collections"
        form = {"rel": "form", "href": f"{self.url}/cds/{start}/era5/form.json"}
        era5 = {
            "id": "era5",
            "title": "ERA5",
            "description": "Reanalysis",
            "links": [form],
            "sci:doi": "10.24381/cds.x",
        }
        if rest == start:
            return _json({"collections": [era5, {"id": "secret", "cads:hidden": True}], "links": []})
        return _json(era5) if rest == f"{start}/era5" else None


def collection(local: str, **more: Any) -> dict[str, Any]:
    """A STAC collection."""
    extent = {"spatial": {"bbox": [[-10, 35, 5, 44]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}}
    said = {"description": f"About {local}", "license": "CC-BY-4.0", "extent": extent, "links": []}
    return {"type": "Collection", "stac_version": "1.1.0", "id": local, "title": local.title(), **said, **more}


def item(local: str, **assets: dict[str, Any]) -> dict[str, Any]:
    """A STAC item."""
    return {"type": "Feature", "id": local, "properties": {"datetime": "2026-01-01T00:00:00Z"}, "assets": assets}


@contextmanager
def running_catalogues() -> Iterator[FakeCatalogues]:
    """The server, in threads of its own, on a free port of loopback."""
    fake = FakeCatalogues()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
            if "multipart/form-data" in self.headers.get("Content-Type", ""):
                self._serve(_multipart(body, self.headers["Content-Type"]))
            else:
                self._serve({name: values[-1] for name, values in parse_qs(body).items()})

        def _serve(self, form: dict[str, str]) -> None:
            parts = urlsplit(self.path)
            first = parts.path.strip("/").partition("/")[0]
            fake.calls[first] += 1
            fake.seen_headers.append(dict(self.headers))
            fault = fake.faults.get(first)
            if fault not in (None, "short"):
                self._misbehave(fault)
                return
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            self._send(*fake.answer(parts.path, query | form), is_short=fault == "short")

        def _send(self, status: int, kind: str, body: bytes, *, is_short: bool = False, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[:-20] if is_short else body)
            self.close_connection |= is_short

        def _misbehave(self, fault: int | str) -> None:
            self.close_connection = True
            if isinstance(fault, int):
                self._send(fault, "text/html", PAGE, Connection="close")
            elif fault == "html":
                self._send(200, "text/html", PAGE, Connection="close")
            elif fault in ("slow", "huge"):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                while not fake.stopped.is_set():
                    self.wfile.write(b" " if fault == "slow" else b" " * 65536)
                    self.wfile.flush()
                    time.sleep(0.02 if fault == "slow" else 0)
            elif fault != "drop":
                self._send(302, "text/plain", b"", Location=str(fault), Connection="close")

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, BrokenPipeError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


def _vo(body: bytes) -> tuple[str, bytes]:
    return "application/x-votable+xml", body


def _multipart(body: str, kind: str) -> dict[str, str]:
    boundary = kind.partition("boundary=")[2]
    found: dict[str, str] = {}
    for part in body.split(f"--{boundary}"):
        head, _, value = part.partition("\r\n\r\n")
        name = head.partition('name="')[2].partition('"')[0]
        if name:
            found[name] = value.removesuffix("\r\n")
    return found
