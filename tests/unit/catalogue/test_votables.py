"""What services of the Virtual Observatory answer is read where it can do no harm: each a list or a sentence."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from astropy.io.votable import from_table
from astropy.io.votable.tree import Info
from astropy.table import MaskedColumn, Table
from astropy.units import Unit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perijove_hub.catalogue import votables
from perijove_hub.catalogue.guarded import Allowed, Budget, GuardedSession
from perijove_hub.catalogue.models import CatalogueError
from perijove_hub.catalogue.providers import provider_of
from perijove_hub.policy.catalogues import CatalogueSpec
from tests.support.catalogues import FakeCatalogues, running_catalogues, votable

GOOD = votable([("schema_name", "")], [["public"], ["private"]])
CUT = "could not be read|not understood|more than can be read"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeCatalogues]:
    with running_catalogues() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _as_before(fake: FakeCatalogues) -> Iterator[None]:
    yield
    fake.bodies.clear()
    fake.faults.clear()


def schemas(fake: FakeCatalogues, body: bytes, seconds: float = 60) -> list[str]:
    """The schemas of a TAP service that answers all questions with ``body``."""
    fake.bodies["tap"] = body
    spec = CatalogueSpec.model_validate({"kind": "tap", "title": "T", "url": f"{fake.url}/tap", "allow_private": True})
    with GuardedSession(Budget(seconds, allowed=Allowed.of(fake.url, True))) as session:
        (found,) = provider_of(spec).harvest(session)
        return found.keywords


def list_or_sentence(fake: FakeCatalogues, body: bytes) -> list[str] | str:
    """What comes of a table; anything else that is raised fails the test."""
    try:
        return schemas(fake, body)
    except CatalogueError as error:
        said = str(error)
    assert said.endswith(".")
    return said


def table(data: str, field: str = 'datatype="char" arraysize="*"', head: str = "", attributes: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{head}<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results"><TABLE {attributes}><FIELD name="a" {field}/><DATA>{data}</DATA></TABLE>'
        f"</RESOURCE></VOTABLE>"
    ).encode()


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
HOSTILE = {
    "entities within entities": table(
        "<TABLEDATA><TR><TD>&l11;</TD></TR></TABLEDATA>", head=f'<!DOCTYPE VOTABLE [<!ENTITY l0 "ha">{LAUGHS}]>'
    ),
    "one long entity often": table(
        f"<TABLEDATA><TR><TD>{'&a;' * 100_000}</TD></TR></TABLEDATA>",
        head=f'<!DOCTYPE VOTABLE [<!ENTITY a "{"a" * 100_000}">]>',
    ),
    "cells of gigabytes": table(
        "<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>", field='datatype="double" arraysize="999999999999"'
    ),
    "rows beyond number": table("<TABLEDATA></TABLEDATA>", field='datatype="double"', attributes='nrows="99999999999"'),
    "a long cell in few bytes": table(
        '<BINARY2><STREAM encoding="base64">AH////8=</STREAM></BINARY2>', field='datatype="char" arraysize="*"'
    ),
    "elements in elements": b"<VOTABLE>" + b"<RESOURCE>" * 200_000,
    "groups in groups": b'<VOTABLE version="1.3"><RESOURCE><TABLE>' + b"<GROUP>" * 200_000,
    "cut off": GOOD[: len(GOOD) // 2],
    "a page": b"<!DOCTYPE html><html><body>down</body></html>",
    "bytes": bytes(range(256)) * 100,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_that_means_harm_is_one_sentence(fake: FakeCatalogues, name: str) -> None:
    said = list_or_sentence(fake, HOSTILE[name])
    assert said == [] or str(said).startswith("It ")


@pytest.mark.parametrize("kind", ["BINARY", "BINARY2", "FITS"])
def test_rows_that_lie_elsewhere_are_not_fetched(fake: FakeCatalogues, kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of control")
    with running_catalogues() as other:
        href = secret.as_uri() if kind == "BINARY2" else f"{other.url}/files/README.txt"
        with pytest.raises(CatalogueError) as caught:
            schemas(fake, table(f'<{kind}><STREAM href="{href}"/></{kind}>'))
        assert "secret" not in str(caught.value)
        assert not other.calls


def test_an_entity_of_a_file_is_not_read(fake: FakeCatalogues, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    head = f'<!DOCTYPE VOTABLE [<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    said = list_or_sentence(fake, table("<TABLEDATA><TR><TD>a&x;b</TD></TR></TABLEDATA>", head=head))
    assert "canary" not in str(said)


def test_a_good_table_is_a_list_and_an_error_is_the_services_own_words(fake: FakeCatalogues) -> None:
    assert schemas(fake, GOOD) == ["private", "public"]
    assert schemas(fake, table('<BINARY2><STREAM encoding="base64">AAAAAAFhAAAAAAFi</STREAM></BINARY2>')) == ["a", "b"]
    error = (
        b'<VOTABLE version="1.3"><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">no\n such &lt;b&gt;'
    )
    with pytest.raises(CatalogueError, match=r"^It refused the question: no such <b>\.$"):
        schemas(fake, error + b"</INFO></RESOURCE></VOTABLE>")
    fake.faults["tap"] = 503
    with pytest.raises(CatalogueError, match=r"^It answered 503\.$"):
        schemas(fake, GOOD)


@pytest.mark.parametrize("form", ["tabledata", "binary", "binary2"])
def test_tables_of_all_types_and_forms_are_read_though_nothing_can_be_opened(fake: FakeCatalogues, form: str) -> None:
    rows = Table(
        {
            "schema_name": ["ünï", "b"], "flag": [True, False], "byte": np.array([1, 2], "u1"), "long": [1, 2],
            "float": np.array([1, np.nan], "f4"), "pair": np.ones((2, 2)), "complex": [1j, 2j],
            "masked": MaskedColumn([1.0, 2.0], mask=[True, False]),
            "flux": np.array([1.0, 2.0]) * Unit("mJy beam-1"), "mag": np.array([1.0, 2.0]) * Unit("mag"),
            "odd": np.array([1.0, 2.0]) * Unit("W m-2 nm-1"),
        }
    )  # fmt: skip
    written = from_table(rows)
    written.resources[0].type = "results"
    written.resources[0].infos.append(Info(name="QUERY_STATUS", value="OK"))
    written.set_all_tables_format(form)
    written.to_xml(text := io.BytesIO())
    assert schemas(fake, text.getvalue()) == ["b", "ünï"]


def test_what_takes_long_to_read_ends(fake: FakeCatalogues, monkeypatch: pytest.MonkeyPatch) -> None:
    # so many that the fastest machine does not get through in time, and room for all of them: nothing else ends it
    many = table(f"<TABLEDATA>{'<TR><TD/></TR>' * 1_180_000}</TABLEDATA>")
    monkeypatch.setattr(votables, "MEMORY_BYTES", 16 << 30)
    monkeypatch.setattr(votables, "CPU_SECONDS", 2)
    with pytest.raises(CatalogueError, match=CUT):
        schemas(fake, many)


def test_the_process_that_reads_has_nothing_of_ours_and_ends_with_the_question(
    fake: FakeCatalogues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "canary")
    fake.faults["tap"] = "slow"
    budget = Budget(60, allowed=Allowed.of(fake.url, True))
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            with GuardedSession(budget) as session:
                votables.ask(session, "column", url=f"{fake.url}/tap", query="SELECT", most=1)
        except CatalogueError as error:
            failed.append(error)

    asked = fake.calls["tap"]
    thread = threading.Thread(target=ask)
    thread.start()
    while fake.calls["tap"] == asked and thread.is_alive():
        time.sleep(0.01)
    (child,) = (each for each in psutil.Process().children() if "votables_child" in " ".join(each.cmdline()))
    assert "canary" not in str(child.environ())
    # it is locked up by now: three things are open, and it may have no fourth
    assert child.rlimit(psutil.RLIMIT_NOFILE) == (3, 3)
    assert sorted(int(each.name) for each in Path(f"/proc/{child.pid}/fd").iterdir()) == [0, 1, 2]
    budget.cut()
    thread.join(30)
    assert len(failed) == 1
    assert not child.is_running()


@settings(
    max_examples=int(os.environ.get("PERIJOVE_FUZZ", "2")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=5))
def test_a_table_with_other_bytes_in_it(fake: FakeCatalogues, changes: list[tuple[float, bytes]]) -> None:
    data = bytearray(GOOD)
    for share, other in changes:
        at = int(share * len(data))
        data[at : at + len(other)] = other
    assert list_or_sentence(fake, bytes(data)) is not None
