"""F22 for each kind of catalogue: what is down, slow, short or leads inside is a sentence, and empties no list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from perijove_hub.catalogue import harvest
from tests.support.catalogues import FakeCatalogues, collection, item, running_catalogues
from tests.support.federated import harvested, listed, opened, spec, tree

#: What is asked of each kind: the path of its catalogue, and a directory that is there.
KINDS = {
    "s3": ("s3/", "tiles"), "cds": ("cds", ""), "http": ("files/", "tiles"), "stac": ("stac", ""),
    "tap": ("tap", "public"), "sia2": ("sia2", "@1,2,0.1"),
}  # fmt: skip
#: The sentence must say one of these.
FAULTS: dict[int | str, str] = {
    503: "answered 503",
    "html": "page|not an|no index|no object store|no listing|VOTable|not understood|could not be read",
    "drop": "cannot be reached",
    "short": "ended before",
    "http://169.254.169.254/latest/": "private address",
    "slow": "did not answer within",
}
#: Each question to these starts a process, which takes a second: of what fails in the session that all share, a part.
FEW: dict[str, list[int | str]] = {"tap": [503], "sia2": ["short"]}


@pytest.fixture
def fake() -> Iterator[FakeCatalogues]:
    with running_catalogues() as fake:
        fake.collections = [collection("sentinel-2")]
        fake.items["sentinel-2"] = [item("S2", red={"href": f"{fake.url}/files/red.tif"})]
        yield fake


@pytest.mark.parametrize("kind", KINDS)
async def test_f22_no_fault_of_a_catalogue_empties_the_list(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path, folder = KINDS[kind]
    first = path.partition("/")[0]
    async with harvested(tmp_path, caplog, {"it": spec(fake, kind, path)}) as control:
        (name,) = await listed(control, catalogue="it")
        before = await tree(control, name, folder)
        assert before
        for number, fault in enumerate(FEW.get(kind, FAULTS)):
            said = FAULTS[fault]
            fake.faults[first] = fault
            with monkeypatch.context() as quick:
                for limit in ("HARVEST_SECONDS", "QUESTION_SECONDS") if fault == "slow" else ():
                    quick.setattr(harvest, limit, 3.0)
                control.clock.advance(4000)
                await control.state.catalogue.harvester.settle()
                (view,) = (await control.get("datasets", control.ana)).body["catalogues"]
                answer = await opened(control, name, folder, limit=200 + number)  # one that is not kept
            assert (view["state"], view["datasets"]) == ("stale", 1)
            assert await listed(control, catalogue="it") == [name]
            assert answer.status == 503
            for sentence in (view["error"], answer.detail):
                assert any(part in sentence for part in said.split("|")), sentence

            fake.faults.clear()
            control.clock.advance(4000)
            await control.state.catalogue.harvester.settle()
            (view,) = (await control.get("datasets", control.ana)).body["catalogues"]
            assert (view["state"], view["error"]) == ("live", None)
        assert await tree(control, name, folder) == before
