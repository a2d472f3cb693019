"""The federated catalogue as control answers it: others' datasets beside the platform's own, whatever others do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from perijove.models import DatasetPage
from perijove_hub.catalogue import harvest
from tests.support.catalogues import XSS, FakeCatalogues, collection, item, running_catalogues
from tests.support.control_bed import SECRET, ControlBed
from tests.support.federated import addresses, harvested, listed, opened, spec, tree
from tests.support.kernel import kernel_of, read
from tests.support.platforms import dataset, replica
from tests.support.s3 import threaded_bed


@pytest.fixture
def fake() -> Iterator[FakeCatalogues]:
    with running_catalogues() as fake:
        maker = {"name": "ESA", "roles": ["producer"], "url": "javascript:alert(1)"}
        fake.collections = [
            collection("sentinel-2", providers=[maker], keywords=["land"], **{"sci:doi": "10.5270/s2"}),
            collection("sentinel-3", license="CC0-1.0", title="Sentinel three"),
            collection("odd/name é", title=XSS, description=f"{XSS}\x00\u202e", keywords=[XSS, 7, None]),
            {"id": 7},
            {"id": "bare"},
        ]
        red = {"href": f"{fake.url}/files/red.tif", "type": "image/tiff; profile=cloud-optimized", "file:size": 5}
        evil = {"href": "file:///etc/passwd"}
        inside = {"href": "http://169.254.169.254/latest/creds.json"}
        fake.items["sentinel-2"] = [item(f"S2 {number}", red=red, evil=evil, inside=inside) for number in range(5)]
        yield fake


@pytest.fixture
async def control(fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with harvested(tmp_path, caplog, {"earth": spec(fake, "stac", licence="unknown")}) as control:
        yield control


async def test_others_datasets_stand_beside_the_platforms_own(control: ControlBed) -> None:
    assert await listed(control) == [
        "euclid-demo", "open-sky", "proxied-data",
        "earth.bare", "earth.odd~2fname~20~c3~a9", "earth.sentinel-2", "earth.sentinel-3",
    ]  # fmt: skip
    answer = await control.get("datasets/earth.sentinel-2", control.ana)
    assert answer.body | {"replicas": []} == {
        "id": "earth.sentinel-2",
        "catalogue": "earth",
        "title": "Sentinel-2",
        "description": "About sentinel-2",
        "licence": "CC-BY-4.0",
        "attribution": None,
        "doi": "10.5270/s2",
        "keywords": ["land"],
        "providers": [{"name": "ESA", "roles": ["producer"], "url": None}],
        "formats": [],
        "size_bytes": None,
        "extent": {
            "spatial": {"bbox": [[-10.0, 35.0, 5.0, 44.0]]},
            "temporal": {"interval": [["2020-01-01T00:00:00+00:00", None]]},
        },
        "delivery": "linked",
        "replicas": [],
        "citation": "@misc{earth.sentinel-2,\n  title = {{Sentinel-2}},\n  author = {{ESA}},\n  year = {2020},\n"
        "  doi = {10.5270/s2},\n  url = {https://doi.org/10.5270/s2}\n}",
        "landing_url": "https://doi.org/10.5270/s2",
        "embargo_until": None,
        "readable": True,
    }


async def test_a_search_is_narrowed_and_paged_and_its_facets_come_once(control: ControlBed) -> None:
    assert await listed(control, q="three") == ["earth.sentinel-3"]
    assert await listed(control, licence="CC0-1.0") == ["earth.sentinel-3"]
    assert await listed(control, catalogue=["platform"]) == ["euclid-demo", "open-sky", "proxied-data"]
    assert await listed(control, bbox="0,40,1,41", provider="ESA") == ["earth.sentinel-2"]
    assert await listed(control, bbox="0,40,1,41", provider="ESA", frame="sky") == []
    assert "earth.sentinel-2" not in await listed(control, until="2019-12-31")

    first = await control.get("datasets", control.ana, limit=5)
    page = DatasetPage.model_validate(first.body)
    assert [(each.value, each.title, each.count) for each in page.facets["catalogue"]] == [
        ("earth", "The stac", 4),
        ("platform", "This platform", 3),
    ]
    assert [(each.id, each.state, each.datasets, each.error) for each in page.catalogues] == [
        ("earth", "live", 4, None)
    ]
    rest = await control.get(str(page.next), control.ana)
    assert [each["id"] for each in rest.body["items"]] == ["earth.sentinel-2", "earth.sentinel-3"]
    assert rest.body["facets"] == {}
    assert rest.body["next"] is None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"bbox": "1,2,3"}, "bbox is west,south,east,north"),
        ({"bbox": "nan,0,1,1"}, "bbox is west,south,east,north"),
        ({"bbox": "0,50,1,40"}, "bbox is west,south,east,north"),
        ({"bbox": "0,40,1,50", "frame": "mars"}, "frame is earth or sky"),
        ({"since": "yesterday"}, "since is a day or a moment"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "until is before since"),
        ({"cursor": "W10="}, "Take `cursor`"),
        ({"cursor": "WyJ4IiwieSIsInoiXQ=="}, "Take `cursor`"),
    ],
)
async def test_a_search_that_cannot_be_understood_is_one_sentence(
    control: ControlBed, query: dict[str, str], said: str
) -> None:
    answer = await control.get("datasets", control.ana, **query)
    assert answer.status == 400
    assert said in answer.detail


async def test_markup_of_others_stays_text(control: ControlBed) -> None:
    """Security, item 8."""
    answer = await control.get("datasets/earth.odd~2fname~20~c3~a9", control.ana)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.body["title"] == XSS
    assert answer.body["description"] == XSS
    assert answer.body["keywords"] == [XSS]


async def test_the_items_of_a_collection_are_directories_of_their_assets(
    control: ControlBed, fake: FakeCatalogues
) -> None:
    first = await control.get("datasets/earth.sentinel-2/tree", control.ana, limit=3)
    assert [each["name"] for each in first.body["items"]] == ["S2 0", "S2 1", "S2 2"]
    rest = await control.get(first.body["next"], control.ana)
    assert [each["path"] for each in rest.body["items"]] == ["S2 3", "S2 4"]
    assert rest.body["next"] is None
    inside = await opened(control, "earth.sentinel-2", "S2 3")
    assert inside.body["items"][0] == {
        "name": "red.tif", "path": "S2 3/red.tif", "type": "file", "size_bytes": 5, "modified": None,
    }  # fmt: skip
    assert await addresses(control, "earth.sentinel-2", "S2 3/red.tif") == [f"{fake.url}/files/red.tif"]


async def test_item_18_with_an_address_goes_what_may_be_private_there(
    control: ControlBed, fake: FakeCatalogues
) -> None:
    body = {"paths": ["S2 3/red.tif"]}
    answer = await control.call("POST", "datasets/earth.sentinel-2/presign", control.ana, body=body)
    assert answer.body["private_origin"] == fake.url  # which the platform file allows, and nothing else


async def test_no_user_is_sent_into_a_private_network(control: ControlBed) -> None:
    body = {"paths": ["S2 1/creds.json"]}
    answer = await control.call("POST", "datasets/earth.sentinel-2/presign", control.ana, body=body)
    assert answer.status == 503
    assert "an address that is not read from here" in answer.detail


async def test_a_file_without_an_address_of_the_web_is_listed_and_says_why_it_cannot_be_read(
    control: ControlBed,
) -> None:
    assert await tree(control, "earth.sentinel-2", "S2 1") == ["S2 1/red.tif", "S2 1/evil", "S2 1/creds.json"]
    body = {"paths": ["S2 1/evil"]}
    answer = await control.call("POST", "datasets/earth.sentinel-2/presign", control.ana, body=body)
    assert answer.status == 403  # 503 would be asked for again
    assert answer.detail == (
        "earth.sentinel-2 of the catalogue earth: This file lies at file:///etc/passwd, which cannot be read "
        "from here, and the catalogue names no other address."
    )


async def test_files_in_buckets_are_read_where_the_platform_file_says_that_these_are_on_the_web(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake.items["sentinel-2"] = [
        item(
            "S2",
            red={"href": "s3://tiles/a 1/B04 %20?.tif"},
            blue={"href": "s3://other/B02.tif"},
            green={"href": "s3://other/B03.tif", "alternate": {"web": {"href": f"{fake.url}/files/README.txt"}}},
        )
    ]
    endpoints = {"tiles": f"{fake.url}/files"}
    async with harvested(tmp_path, caplog, {"earth": spec(fake, "stac", s3_endpoints=endpoints)}) as control:
        assert await tree(control, "earth.sentinel-2", "S2") == [
            "S2/B04 ~2520~3f.tif", "S2/B02.tif", "S2/README.txt",
        ]  # fmt: skip
        (url,) = await addresses(control, "earth.sentinel-2", "S2/B04 ~2520~3f.tif")
        assert url == f"{fake.url}/files/a%201/B04%20%2520%3F.tif"
        assert await addresses(control, "earth.sentinel-2", "S2/README.txt") == [f"{fake.url}/files/README.txt"]
        body = {"paths": ["S2/B02.tif"]}
        answer = await control.call("POST", "datasets/earth.sentinel-2/presign", control.ana, body=body)
        assert (answer.status, "s3://other/B02.tif" in answer.detail, "`s3_endpoints`" in answer.detail) == (
            403, True, True,
        )  # fmt: skip


async def test_an_endpoint_of_a_bucket_is_no_way_into_a_private_network(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake.items["sentinel-2"] = [item("S2", red={"href": "s3://tiles/creds.tif"})]
    endpoints = {"*": "http://169.254.169.254/{bucket}"}
    async with harvested(tmp_path, caplog, {"earth": spec(fake, "stac", s3_endpoints=endpoints)}) as control:
        body = {"paths": ["S2/creds.tif"]}
        answer = await control.call("POST", "datasets/earth.sentinel-2/presign", control.ana, body=body)
        assert answer.status == 503
        assert "an address that is not read from here" in answer.detail


@pytest.mark.parametrize(
    ("path", "status"),
    [("../x", 400), ("S2 0/../x", 400), ("/S2 0", 400), ("nothing", 503), ("S2 0/red.tif/x", 404), ("~ff", 404)],
)
async def test_a_path_that_leads_nowhere_is_a_sentence(control: ControlBed, path: str, status: int) -> None:
    answer = await opened(control, "earth.sentinel-2", path)
    assert answer.status == status
    assert answer.detail


async def test_a_cursor_is_for_its_own_directory_and_leads_to_no_other_server(control: ControlBed) -> None:
    first = await control.get("datasets/earth.sentinel-2/tree", control.ana, limit=2)
    cursor = first.body["next"].partition("cursor=")[2].partition("&")[0]
    answer = await control.get("datasets/earth.sentinel-3/tree", control.ana, cursor=cursor)
    assert (answer.status, "cursor" in answer.detail) == (400, True)
    forged = "WyJlYXJ0aC5zZW50aW5lbC0yIiwgIiIsICJodHRwOi8vMTY5LjI1NC4xNjkuMjU0LyJd"  # of http://169.254.169.254/
    answer = await control.get("datasets/earth.sentinel-2/tree", control.ana, cursor=forged)
    assert answer.status == 400


async def test_there_are_no_keys_for_what_lies_elsewhere(control: ControlBed) -> None:
    answer = await control.call("POST", "datasets/earth.sentinel-2/credentials", control.ana, body={})
    assert answer.status == 403
    assert "perijove.open" in answer.detail
    answer = await control.get("datasets/euclid-demo/tree", control.ana)
    assert answer.status == 400


FAULTS: list[int | str] = [503, 404, "html", "drop", "http://169.254.169.254/", "file:///etc/passwd"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_f22_a_catalogue_that_is_down_does_not_empty_the_list(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: int | str
) -> None:
    catalogues = {"earth": spec(fake, "stac"), "sky": spec(fake, "scs"), "never": spec(fake, "stac", "gone")}
    async with harvested(tmp_path, caplog, catalogues) as control:
        before = await listed(control)
        fake.faults["stac"] = fault
        states = []
        for _ in range(harvest.DEAD_AFTER):
            control.clock.advance(4000)
            await control.state.catalogue.harvester.settle()
            views = (await control.get("datasets", control.ana)).body["catalogues"]
            states.append({view["id"]: view["state"] for view in views})
            assert await listed(control) == before
        assert [state["earth"] for state in states] == ["stale", "stale", "dead"]
        assert {state["sky"] for state in states} == {"live"}
        assert {state["never"] for state in states} == {"dead"}
        earth = next(view for view in views if view["id"] == "earth")
        assert earth["error"].startswith("It ")
        assert earth["datasets"] == 4
        assert "169.254" not in earth["error"].replace("169.254.169.254 is at a private address", "")

        fake.faults.clear()
        fake.collections = fake.collections[:1]
        control.clock.advance(4000)
        await control.state.catalogue.harvester.settle()
        assert await listed(control, catalogue="earth") == ["earth.sentinel-2"]


async def test_a_harvest_that_finds_the_same_changes_nothing(control: ControlBed) -> None:
    harvester = control.state.catalogue.harvester
    before = harvester.harvests()["earth"]
    control.clock.advance(4000)
    await harvester.settle()
    again = harvester.harvests()["earth"]
    assert again.serial == before.serial + 1
    assert again.found is before.found


async def test_a_slow_catalogue_is_given_up_and_the_others_answer(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harvest, "HARVEST_SECONDS", 0.5)
    fake.faults["stac"] = "slow"
    async with harvested(tmp_path, caplog, {"earth": spec(fake, "stac"), "sky": spec(fake, "scs")}) as control:
        views = (await control.get("datasets", control.ana)).body["catalogues"]
        assert {view["id"]: view["state"] for view in views} == {"earth": "dead", "sky": "live"}
        assert "did not answer within 0.5 seconds" in next(view["error"] for view in views if view["id"] == "earth")


async def test_what_was_heard_is_kept_over_a_restart_and_shared_by_control_processes(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalogues = {"earth": spec(fake, "stac")}
    ledger = f"sqlite+aiosqlite:///{tmp_path}/kept.sqlite"
    for directory in ("one", "two"):
        (tmp_path / directory).mkdir()
    async with harvested(tmp_path / "one", caplog, catalogues, ledger=ledger) as control:
        before = await listed(control)
    fake.faults["stac"] = 503
    asked = fake.calls["stac"]
    async with harvested(tmp_path / "two", caplog, catalogues, ledger=ledger) as control:
        assert await listed(control) == before
        assert fake.calls["stac"] == asked, "another process has asked a moment ago"
        views = (await control.get("datasets", control.ana)).body["catalogues"]
        assert [view["state"] for view in views] == ["live"]


async def test_a_catalogue_is_for_its_groups(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with harvested(tmp_path, caplog, {"earth": spec(fake, "stac", groups=["staff"])}) as control:
        answer = await control.get("datasets", control.ana, q="sentinel")
        assert (answer.body["items"], answer.body["catalogues"]) == ([], [])
        for route in ("", "/tree"):
            assert (await control.get(f"datasets/earth.sentinel-2{route}", control.ana)).status == 404
        body = {"paths": ["S2 1/red.tif"]}
        answer = await control.call("POST", "datasets/earth.sentinel-2/presign", control.ana, body=body)
        assert answer.status == 404
        assert (await control.get("datasets/earth.sentinel-2/tree", control.bob)).status == 200


async def test_a_dataset_under_embargo_is_listed_and_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    until = {"until": "2026-04-01T00:00:00Z", "groups": ["staff"]}
    closed = dataset(replica(site="esac"), title="Closed", embargo=until, citation="@misc{mine}")
    async with harvested(tmp_path, caplog, {}, datasets={"closed": closed}) as control:
        shown = (await control.get("datasets/closed", control.ana)).body
        assert (shown["readable"], shown["embargo_until"]) == (False, "2026-04-01T00:00:00Z")
        assert shown["citation"] == "@misc{mine}"
        calls: list[tuple[str, dict[str, Any]]] = [("credentials", {}), ("presign", {"paths": ["a.fits"]})]
        for route, body in calls:
            answer = await control.call("POST", f"datasets/closed/{route}", control.ana, body=body)
            assert answer.status == 403
            assert "under embargo until 2026-04-01" in answer.detail
            assert (await control.call("POST", f"datasets/closed/{route}", control.bob, body=body)).status == 200
        assert (await control.get("datasets/closed", control.bob)).body["readable"]
        control.clock.now = datetime(2026, 4, 1, tzinfo=UTC)
        assert (await control.get("datasets/closed", control.ana)).body["readable"]
        assert (await control.call("POST", "datasets/closed/credentials", control.ana, body={})).status == 200


async def test_a_static_catalogue_is_walked(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def link(rel: str, href: str) -> dict[str, str]:
        return {"rel": rel, "href": href}

    fake.documents = {
        "catalog.json": {
            "type": "Catalog", "id": "root", "links": [
                link("child", "./mars/collection.json"), link("child", "/etc/passwd"), link("child", "file:///etc/passwd"),
                link("child", "catalog.json"), link("child", "http://169.254.169.254/x.json"),
            ],
        },
        "mars/collection.json": collection(
            "mars", links=[link("item", "./a/a.json"), link("child", "./2026/catalog.json")],
            assets={"readme": {"href": "./README.txt"}},
        ),
        "mars/2026/catalog.json": {"type": "Catalog", "links": [link("item", "b.json")]},
        "mars/a/a.json": item("a", data={"href": "data", "type": "application/fits"}),
        "mars/2026/b.json": item("b", data={"href": "b.nc"}, more={"href": "../b.nc"}),
    }  # fmt: skip
    async with harvested(tmp_path, caplog, {"static": spec(fake, "stac", "static/catalog.json")}) as control:
        assert await listed(control, catalogue="static") == ["static.mars"]
        assert await tree(control, "static.mars") == ["README.txt", "a", "2026"]
        assert await tree(control, "static.mars", "2026/b") == ["2026/b/b.nc", "2026/b/more-b.nc"]
        assert await addresses(control, "static.mars", "a/data.fits", "2026/b/more-b.nc") == [
            f"{fake.url}/static/mars/a/data",
            f"{fake.url}/static/mars/b.nc",
        ]


@pytest.mark.parametrize("form", ["files", "json"])
async def test_an_index_of_files_is_a_tree(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    async with harvested(tmp_path, caplog, {"web": spec(fake, "http", form)}) as control:
        answer = await control.get("datasets/web.all/tree", control.ana)
        assert {
            each["path"]: (each["type"], each["size_bytes"], each["modified"]) for each in answer.body["items"]
        } == {
            "README.txt": ("file", 7, "2026-11-25T12:00:00Z"),
            "tiles": ("directory", None, "2026-11-25T12:00:00Z"),
        }
        assert await tree(control, "web.all", "tiles") == ["tiles/a 1.fits"]
        assert await addresses(control, "web.all", "tiles/a 1.fits") == [f"{fake.url}/{form}/tiles/a%201.fits"]


async def test_a_public_prefix_of_a_store_is_a_tree(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with threaded_bed({}) as store:
        store.make_bucket("open", public=True)
        for key in ("survey/README.txt", "survey/a b/1 ä.fits", "survey/a b/2.fits", "other/x"):
            store.put("open", key, b"tile")
        whole = {"kind": "s3", "title": "Open", "url": f"{store.endpoint}/open/survey/", "allow_private": True}
        async with harvested(tmp_path, caplog, {"open": whole, "part": {**whole, "collections": ["a b"]}}) as control:
            assert await tree(control, "open.all") == ["README.txt", "a b"]
            first = await control.get("datasets/part.a~20b/tree", control.ana, limit=1)
            assert [each["path"] for each in first.body["items"]] == ["1 ~c3~a4.fits"]
            rest = await control.get(first.body["next"], control.ana)
            assert [each["path"] for each in rest.body["items"]] == ["2.fits"]
            (url,) = await addresses(control, "open.all", "a b/1 ~c3~a4.fits")
            async with control.http.get(url) as answer:
                assert await answer.read() == b"tile"


#: Keys that are no paths, each with what stands for it; the empty key of a folder itself is no file.
ODD_KEYS = {
    "survey/a//b.fits": "a/~/b.fits",
    "survey/a/../c.fits": "a/~2e~2e/c.fits",
    "survey/a/./d.fits": "a/~2e/d.fits",
    "survey/e\\f.fits": "e~5cf.fits",
    "survey/g%2Fh.fits": "g~252Fh.fits",
    "survey/dir/": "dir/~",
    "survey/~/i.fits": "~7e/i.fits",
}


async def test_odd_keys_of_a_public_prefix_are_listed_and_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def below(path: str) -> list[str]:
        answer = await opened(control, "open.all", path)
        found = []
        for each in answer.body["items"]:
            found += [each["path"]] if each["type"] == "file" else await below(each["path"])
        return found

    with threaded_bed({}) as store:
        store.make_bucket("open", public=True)
        for key in ODD_KEYS:
            store.put("open", key, key.encode())
        store.put("open", "survey/empty/", b"")
        (tmp_path / "control").mkdir()
        source = {"kind": "s3", "title": "Open", "url": f"{store.endpoint}/open/survey/", "allow_private": True}
        async with harvested(tmp_path / "control", caplog, {"open": source}) as control:
            assert sorted(await below("")) == sorted(ODD_KEYS.values())
            with kernel_of(control, control.ana, tmp_path):
                for key, path in ODD_KEYS.items():
                    assert await asyncio.to_thread(read, f"open.all/{path}") == key.encode()


async def test_a_data_store_shows_its_collections(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with harvested(tmp_path, caplog, {"cds": spec(fake, "cds")}) as control:
        assert await listed(control, catalogue="cds") == ["cds.era5"]
        assert await tree(control, "cds.era5") == ["form.json"]


async def test_the_spawn_page_offers_what_lies_at_sites(control: ControlBed) -> None:
    answer = await control.get("datasets", SECRET, user="ana", group="astro", catalogue="platform", limit=1000)
    assert [each["id"] for each in answer.body["items"]] == ["euclid-demo", "open-sky", "proxied-data"]
