"""A small TAP service, as a process: ADQL by queryparser, rows by SQLite, VOTables by astropy.

A stand-in: the services that archives run need a database of their own and a hundred packages. It speaks the protocol's
synchronous part with VOSI beside it, BINARY2 as such services do, and errors as they say them; pyvo judges it in
``tests/integration/test_real_catalogues.py``.

Source: IVOA "Table Access Protocol" 1.1; IVOA "DALI" 1.1, section 4.4 (errors, overflow); IVOA "VOSI" 1.1.
"""

from __future__ import annotations

import argparse
import io
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

STARS = [(1, "Vega", 279.234, 38.784), (2, "Sirius", 101.287, -16.716), (3, "Crab pulsar", 83.633, 22.014)]
SCHEMA = """
ATTACH ':memory:' AS public; ATTACH ':memory:' AS TAP_SCHEMA;
CREATE TABLE public.stars (id INTEGER, name TEXT, ra REAL, dec REAL);
CREATE TABLE public."my galaxies" (id INTEGER, name TEXT, z REAL);
INSERT INTO public."my galaxies" VALUES (1, 'M 31 <Andromeda> & friends é', -0.001);
CREATE TABLE TAP_SCHEMA.schemas (schema_name TEXT, description TEXT);
INSERT INTO TAP_SCHEMA.schemas VALUES ('public', 'stars'), ('TAP_SCHEMA', 'what is here');
CREATE TABLE TAP_SCHEMA.tables (schema_name TEXT, table_name TEXT, table_type TEXT, description TEXT);
INSERT INTO TAP_SCHEMA.tables VALUES
 ('public', 'public.stars', 'table', 'bright'), ('public', 'public."my galaxies"', 'table', 'far'),
 ('TAP_SCHEMA', 'TAP_SCHEMA.schemas', 'table', ''), ('TAP_SCHEMA', 'TAP_SCHEMA.tables', 'table', '');
"""
ROWS_MAX = 2000

CAPABILITIES = """<?xml version="1.0"?>
<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0"
 xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0">
<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">
<interface role="std" version="1.1" xsi:type="vs:ParamHTTP"><accessURL use="base">{url}</accessURL></interface>
<language><name>ADQL</name><version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version></language>
<outputFormat><mime>application/x-votable+xml</mime><alias>votable</alias></outputFormat>
<outputLimit><default unit="row">{most}</default><hard unit="row">{most}</hard></outputLimit>
</capability></vosi:capabilities>"""
AVAILABILITY = """<?xml version="1.0"?><vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">
<vosi:available>true</vosi:available></vosi:availability>"""
ERROR = """<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">{said}</INFO></RESOURCE></VOTABLE>"""


def answer(query: str, most: int) -> bytes:
    """The VOTable for a query in ADQL.

    Raises:
        QueryError, sqlite3.Error: it is none, or asks for what is not there.
    """
    from astropy.io.votable.tree import Info
    from astropy.table import Table
    from queryparser.adql import ADQLQueryTranslator

    sql = ADQLQueryTranslator(query).to_postgresql()
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        database.executemany("INSERT INTO public.stars VALUES (?, ?, ?, ?)", STARS)
        database.execute("PRAGMA query_only = 1")
        cursor = database.execute(sql)
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchmany(most + 1)
    overflows, rows = len(rows) > most, rows[:most]
    columns = list(zip(*rows, strict=True)) if rows else [[""] for _ in names]
    table = Table({name: list(values) for name, values in zip(names, columns, strict=True)})[: len(rows)]
    from astropy.io.votable import from_table

    votable = from_table(table)
    resource = votable.resources[0]
    resource.type = "results"
    resource.infos.append(Info(name="QUERY_STATUS", value="OVERFLOW" if overflows else "OK"))
    votable.set_all_tables_format("binary2")
    written = io.BytesIO()
    votable.to_xml(written)
    return written.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve(parse_qs(urlsplit(self.path).query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            self._serve(parse_qs(body.decode()))
            return
        form = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        parts = form.get_payload()
        assert isinstance(parts, list)
        self._serve({str(part.get_param("name", header="content-disposition")): [_text(part)] for part in parts})

    def _serve(self, asked: dict[str, list[str]]) -> None:
        said = {name.upper(): values[-1] for name, values in asked.items()}
        url = f"http://{self.headers['Host']}/tap"
        match urlsplit(self.path).path:
            case "/tap/capabilities":
                self._send(200, CAPABILITIES.format(url=url, most=ROWS_MAX).encode(), "text/xml")
            case "/tap/availability":
                self._send(200, AVAILABILITY.encode(), "text/xml")
            case "/tap/sync":
                self._sync(said)
            case _:
                self._send(404, b"nothing here", "text/plain")

    def _sync(self, said: dict[str, str]) -> None:
        from queryparser.exceptions import QueryError, QuerySyntaxError

        try:
            most = min(int(said.get("MAXREC", ROWS_MAX)), ROWS_MAX)
            is_adql = said.get("LANG", "").startswith("ADQL")  # without it, there is no query
            self._send(200, answer(said.get("QUERY", "") if is_adql else "", most))
        except (QueryError, QuerySyntaxError, sqlite3.Error, ValueError) as error:
            self._send(400, ERROR.format(said=escape(str(error))).encode())

    def _send(self, status: int, body: bytes, kind: str = "application/x-votable+xml") -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def _text(part: Any) -> str:
    return str(part.get_payload(decode=True).decode())


@contextmanager
def running_tap() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The service's address and its process."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, handle = listening.getsockname()[1], listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, "--socket", str(handle)],
            cwd=Path(__file__).resolve().parents[2],
            pass_fds=[handle],
        )
    try:
        yield f"http://127.0.0.1:{port}/tap", process
    finally:
        process.kill()
        process.wait(timeout=10)


def main() -> None:
    """Serve on a socket that listens already."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=parser.parse_args().socket)
    server.serve_forever()


if __name__ == "__main__":
    main()
