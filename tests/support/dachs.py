"""A real service of the Virtual Observatory: DaCHS of GAVO, as archives run it, with a table and two images.

It speaks TAP, cone search, and image access 1 and 2. It is Debian's package, with Debian's Python, and keeps its tables
in a PostgreSQL of ours.
"""

from __future__ import annotations

import grp
import io
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from psycopg import sql

from perijove_demo.ports import free_ports

from .postgres import PostgresServer, die_with_us

DATABASE = "gavo"
MISSING = "DaCHS is missing; install it with `make .make/dachs`, or Debian's `python3-gavo` with pgsphere and q3c"
STARS = [(1, "Vega", 279.234, 38.784), (2, "Sirius", 101.287, -16.716), (3, "Crab pulsar", 83.633, 22.014)]
IMAGES = {"M 1 <Crab> & co": (83.633, 22.014), "Vega": (279.234, 38.784)}

SETTINGS = """[general]
rootDir: {root}
tempDir: {root}/tmp
cacheDir: {root}/cache
logDir: {root}/logs
stateDir: {root}/state
group: {group}
gavoGroup: {group}
[web]
bindAddress: 127.0.0.1
serverPort: {port}
serverURL: http://127.0.0.1:{port}
sitename: Sky
[db]
profilePath: {root}/etc
[ivoa]
authority: example.org
"""
#: What an operator of DaCHS writes: tables, how files get into them, and the services over them.
RESOURCE = r"""<resource schema="stars">
<meta name="title">Bright stars</meta><meta name="description">Some bright stars</meta>
<meta name="creationDate">2026-01-01T00:00:00Z</meta><meta name="subject">stars</meta>
<meta name="creator">Somebody, A.</meta>
<table id="bright" onDisk="True" adql="True" mixin="//scs#q3cindex" primary="id">
 <column name="id" type="integer" ucd="meta.id;meta.main" required="True"/>
 <column name="name" type="text" ucd="meta.title"/>
 <column name="ra" type="double precision" unit="deg" ucd="pos.eq.ra;meta.main"/>
 <column name="dec" type="double precision" unit="deg" ucd="pos.eq.dec;meta.main"/>
</table>
<data id="import"><sources pattern="data/*.csv"/><csvGrammar/>
 <make table="bright"><rowmaker idmaps="*"/></make></data>
<service id="cone" allowed="scs.xml"><meta name="shortName">stars</meta>
 <publish render="scs.xml" sets="local"/>
 <scsCore queriedTable="bright"><FEED source="//scs#coreDescs"/></scsCore></service>
<table id="images" onDisk="True" adql="True" mixin="//siap#pgs">
 <mixin calibLevel="2" collectionName="'stars'" targetName="imageTitle"
  targetClass="'star'">//obscore#publishSIAP</mixin></table>
<data id="import_images"><sources pattern="data/*.fits"/>
 <fitsProdGrammar><rowfilter procDef="//products#define">
  <bind key="table">"\schema.images"</bind></rowfilter></fitsProdGrammar>
 <make table="images"><rowmaker>
  <apply procDef="//siap#setMeta"><bind key="dateObs">61000.0</bind><bind key="bandpassId">"V"</bind>
   <bind key="pixflags">"C"</bind><bind key="title">@OBJECT</bind></apply>
  <apply procDef="//siap#computePGS"/></rowmaker></make></data>
<service id="sia" allowed="siap.xml"><meta name="shortName">images</meta><meta name="sia.type">Pointed</meta>
 <meta name="testQuery.pos.ra">83.6</meta><meta name="testQuery.pos.dec">22</meta>
 <meta name="testQuery.size.ra">1</meta><meta name="testQuery.size.dec">1</meta>
 <publish render="siap.xml" sets="local"/>
 <dbCore queriedTable="images"><condDesc original="//siap#protoInput"/></dbCore></service>
</resource>
"""


class Dachs:
    """The service; :meth:`start` and :meth:`kill` as often as a test likes."""

    def __init__(self, postgres: PostgresServer, directory: Path) -> None:
        self._postgres, self._directory = postgres, directory
        [self._port] = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.files = {title: _image(title, *where) for title, where in IMAGES.items()}
        self._write_inputs()
        admin = f"host={postgres.directory} port={postgres.port} user=postgres dbname={DATABASE}"
        self._run("init", "-d", admin)
        self._run("imp", "//obscore")
        self._run("imp", "stars/q")

    @property
    def tap_url(self) -> str:
        """Of queries over tables."""
        return self._url("tap")

    @property
    def cone_url(self) -> str:
        """Of the cone search."""
        return self._url("stars/q/cone/scs.xml")

    @property
    def sia_url(self) -> str:
        """Of image access 1."""
        return self._url("stars/q/sia/siap.xml")

    @property
    def sia2_url(self) -> str:
        """Of image access 2, over all tables of images."""
        return self._url("__system__/siap2/sitewide")

    def start(self) -> None:
        """Serve, unless it does, and wait until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["dachs", "serve", "debug"], stdout=log, stderr=log, preexec_fn=die_with_us, **self._how()
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.tap_url}/availability", timeout=10).close()
                return
            except (urllib.error.URLError, OSError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self._directory / "log").read_text(errors="replace")[-3000:]
                    raise AssertionError(f"DaCHS does not start: {error}\n{said}") from error
                time.sleep(0.1)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}/{path}"

    def _write_inputs(self) -> None:
        data = self._directory / "inputs/stars/data"
        data.mkdir(parents=True)
        (data / "stars.csv").write_text("id,name,ra,dec\n" + "".join(f"{i},{n},{r},{d}\n" for i, n, r, d in STARS))
        for number, content in enumerate(self.files.values()):
            (data / f"image-{number}.fits").write_bytes(content)
        (self._directory / "inputs/stars/q.rd").write_text(RESOURCE)
        account = self._postgres.account
        group = grp.getgrgid(account.get("group", os.getegid())).gr_name
        (self._directory / "rc").write_text(SETTINGS.format(root=self._directory, port=self._port, group=group))
        if account:
            for path in (self._directory, *self._directory.rglob("*")):
                os.chown(path, account["user"], account["group"])

    def _how(self) -> dict[str, object]:
        # Debian's Python, of which ours is to know nothing
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self._directory), "LANG": "C.UTF-8"}
        env["GAVOSETTINGS"] = str(self._directory / "rc")
        return {"env": env, "cwd": self._directory, **self._postgres.account}

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(["dachs", *arguments], capture_output=True, text=True, check=False, **self._how())
        assert done.returncode == 0, f"dachs {' '.join(arguments)}: {done.stdout}{done.stderr}"


def _image(title: str, ra: float, dec: float) -> bytes:
    wcs = WCS(naxis=2)
    wcs.wcs.crpix, wcs.wcs.cdelt, wcs.wcs.crval = [100, 100], [-0.001, 0.001], [ra, dec]
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    header = wcs.to_header()
    header["OBJECT"] = title
    written = io.BytesIO()
    fits.PrimaryHDU(np.arange(200 * 200, dtype=np.float32).reshape(200, 200), header).writeto(written)
    return written.getvalue()


@contextmanager
def running_dachs(postgres: PostgresServer) -> Iterator[Dachs]:
    """The service, and afterwards nothing of it; the test fails where DaCHS is not installed."""
    if shutil.which("dachs", path="/usr/bin:/bin") is None:
        pytest.fail(MISSING, pytrace=False)
    name = sql.Identifier(DATABASE)
    # not below pytest's own directory, which only we may enter
    directory = Path(tempfile.mkdtemp(prefix="perijove-dachs-"))
    with postgres.connect() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
    service = None
    try:
        service = Dachs(postgres, directory)
        service.start()
        yield service
    finally:
        if service is not None:
            service.kill()
        shutil.rmtree(directory)
        with postgres.connect() as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
