"""Overviews on disk: made once, shown to whoever may read the object, and never believed more than they should be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import zarr
from astropy.io import fits
from traitlets import TraitError

from perijove_server.extension import PerijoveServer
from perijove_server.preview.answers import ImageContent, ImageLook
from perijove_server.preview.overviews import Overview, Overviews, is_published
from perijove_server.preview.service import Wish
from tests.support.control import TOKEN, FakeControl
from tests.support.fits import fits_bytes
from tests.support.jupyter import JupyterServer, jupyter_server
from tests.support.s3 import Fault, FaultKind

from .conftest import Dataset
from .test_captured_previews import png
from .test_previews import look, picture

IMAGE = fits_bytes(fits.PrimaryHDU(np.arange(600.0).reshape(20, 30)))
WISH = Wish("x.fits", None, "asinh", "minmax", "gray")
Start = Callable[..., JupyterServer]


@pytest.fixture
def start(session_control: FakeControl, tmp_path: Path) -> Iterator[Start]:
    """Starts servers of users."""
    with ExitStack() as servers:

        def run(name: str, **settings: object) -> JupyterServer:
            (tmp_path / name).mkdir()
            environment = {"PERIJOVE_CONTROL_URL": session_control.url, "JUPYTERHUB_API_TOKEN": TOKEN}
            options = [f"--PerijoveServer.{setting}={value}" for setting, value in settings.items()]
            return servers.enter_context(jupyter_server(tmp_path / name, environment, *options))

        yield run


def test_an_overview_made_by_one_is_shown_to_others_who_may_read(
    start: Start, dataset: Dataset, control: FakeControl, tmp_path: Path
) -> None:
    shared = tmp_path / "overviews"
    shared.mkdir(mode=0o755)
    ada, eve = start("ada", overviews_dir=shared), start("eve", overviews_dir=shared)
    dataset.put("x.fits", IMAGE)
    made = look(ada, dataset, "x.fits", scale="minmax")
    assert (made["kept"], made["bytes_read"]) == (False, len(IMAGE))
    dataset.bed.reset_counters()

    kept = look(eve, dataset, "x.fits", scale="minmax")

    assert (kept["kept"], kept["bytes_read"], kept["requests"]) == (True, 0, 1)
    assert kept["content"] == made["content"]
    assert np.asarray(picture(eve, kept)).tolist() == np.asarray(picture(ada, made)).tolist()
    assert dataset.bed.bytes_out == 0
    assert set(dataset.bed.counters) == {"HeadObject"}
    # another wish, and another version of the object, are made anew
    assert look(eve, dataset, "x.fits", scale="minmax", window="3,4,10,8")["kept"] is False
    dataset.put("x.fits", IMAGE[:-1] + b"\1")
    assert look(eve, dataset, "x.fits", scale="minmax")["kept"] is False
    # and who may not read the object is not shown what was made of it
    dataset.put("x.fits", IMAGE)
    dataset.bed.faults.add(Fault(FaultKind.ERROR, op="HeadObject", code="AccessDenied", times=9))
    refused = ada.get(dataset.route("preview"), path="x.fits", scale="minmax")
    assert refused.status_code == 403, refused.text


def test_a_look_again_says_that_nothing_was_moved(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.fits", IMAGE)
    assert look(server, dataset, "x.fits")["kept"] is False

    again = look(server, dataset, "x.fits")

    assert (again["kept"], again["bytes_read"], again["requests"]) == (True, 0, 1)


def made(width: int = 30, height: int = 20) -> Overview:
    content = ImageContent(width=width, height=height, shape=[height, width])
    return Overview(ImageLook(kind="image", format="FITS", title="x.fits", content=content), png(width, height))


def folders(
    own: Path | None,
    published: Path | None = None,
    limit_bytes: int = 1 << 20,
    scope: str = "platform",
    budget_bytes: int = 8 << 20,
) -> Overviews:
    return Overviews(scope, budget_bytes, own, limit_bytes, published)


def key(
    overviews: Overviews, dataset_id: str = "demo", version: str = '"e"', size: int = 9, wish: Wish = WISH
) -> bytes:
    return overviews.key(dataset_id, version, size, wish)


def test_another_object_version_wish_platform_or_budget_is_another_overview(tmp_path: Path) -> None:
    one = folders(tmp_path)
    others = [
        key(one), key(one, "demo2"), key(one, version='"f"'), key(one, size=8),
        key(one, wish=Wish("y.fits", None, "asinh", "minmax", "gray")),
        key(one, wish=Wish("x.fits", 0, "asinh", "minmax", "gray")),
        key(one, wish=Wish("x.fits", None, "asinh", "minmax", "gray", window=(0, 0, 1, 1))),
        key(folders(tmp_path, scope="other")), key(folders(tmp_path, budget_bytes=1 << 20)),
    ]  # fmt: skip

    assert len(set(others)) == len(others)


def test_what_was_put_is_found_also_by_another_process(tmp_path: Path) -> None:
    folders(tmp_path / "a").put(key(folders(None)), made())

    assert folders(tmp_path / "a").get(key(folders(None))) == made()
    assert folders(tmp_path / "a", limit_bytes=0).get(key(folders(None))) is None
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def sealed(place: bytes, said: bytes, image: bytes) -> bytes:
    """An entry by a hostile neighbour, who knows how entries are written."""
    data = len(said).to_bytes(4, "big") + said + image
    return hashlib.sha256(place + data).digest() + data


SAID = made().made.model_dump_json(exclude_unset=True).encode()
ENTRIES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda place: b"",
    "cut": lambda place: sealed(place, SAID, png(30, 20))[:-1],
    "one bit": lambda place: sealed(place, SAID, png(30, 20))[:-1] + b"\0",
    "of another key": lambda place: sealed(bytes(32), SAID, png(30, 20)),
    "no JSON": lambda place: sealed(place, b"{", png(30, 20)),
    "unknown keys": lambda place: sealed(place, SAID[:-1] + b', "url": "//evil"}', png(30, 20)),
    "a length beyond the end": lambda place: hashlib.sha256(place + b"\xff" * 9).digest() + b"\xff" * 9,
    "a page for a picture": lambda place: sealed(place, SAID, b"<script>alert(1)</script>"),
    "a picture of another size": lambda place: sealed(place, SAID, png(31, 20)),
    "no picture": lambda place: sealed(place, SAID, b""),
    "too long": lambda place: sealed(place, SAID, png(30, 20) + bytes(11 << 20)),
}


@pytest.mark.parametrize("entry", list(ENTRIES))
def test_a_broken_or_hostile_entry_is_none_and_goes(tmp_path: Path, entry: str) -> None:
    overviews = folders(tmp_path / "a")
    overviews.put(key(overviews), made())
    (file,) = (path for path in (tmp_path / "a").rglob("*") if path.is_file())

    file.write_bytes(ENTRIES[entry](key(overviews)))

    assert overviews.get(key(overviews)) is None
    assert not file.exists()


def test_links_and_pipes_are_not_followed_or_waited_for(tmp_path: Path) -> None:
    overviews = folders(tmp_path / "a")
    makes: list[Callable[[Path], None]] = [lambda file: file.symlink_to("/etc/passwd"), os.mkfifo, Path.mkdir]
    for make in makes:
        overviews.put(key(overviews), made())
        (file,) = (path for path in (tmp_path / "a").rglob("*") if path.is_file())
        file.unlink()
        make(file)

        assert overviews.get(key(overviews)) is None
        if file.is_dir():
            file.rmdir()


@pytest.mark.parametrize("setting", ["overviews_dir", "published_overviews_dir"])
def test_a_folder_without_its_whole_path_is_refused_by_name(setting: str) -> None:
    with pytest.raises(TraitError, match=rf"PerijoveServer\.{setting} is 'srv/overviews': an absolute path"):
        PerijoveServer(**{setting: "srv/overviews"})

    assert getattr(PerijoveServer(**{setting: ""}), setting) == ""


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_folder_that_others_may_write_to_is_neither_read_nor_written(tmp_path: Path, mode: int) -> None:
    overviews = folders(tmp_path / "a")
    overviews.put(key(overviews), made())
    (tmp_path / "a").chmod(mode)

    assert overviews.get(key(overviews)) is None
    overviews.put(key(overviews, "other"), made())
    assert len([path for path in (tmp_path / "a").rglob("*") if path.is_file()]) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another account")
def test_a_published_folder_counts_only_if_its_readers_cannot_write_there() -> None:
    with TemporaryDirectory() as place:
        Path(place).chmod(0o755)  # others come to no folder of pytest's
        folder = Path(place) / "a"
        folder.mkdir()
        folder.chmod(0o755)
        folders(folder).put(key(folders(None)), made())
        reader = folders(None, published=folder)
        assert reader.get(key(reader)) is None  # our own: whoever has our account may have written it

        os.chown(folder, 12345, 12345)
        assert reader.get(key(reader)) is None  # and root may write everywhere
        with account(12346):
            assert is_published(folder)
            assert reader.get(key(reader)) == made()
        folder.chmod(0o775)
        with account(12346):
            assert reader.get(key(reader)) is None


@contextmanager
def account(number: int) -> Iterator[None]:
    """This process is of another account for a while."""
    os.seteuid(number)
    try:
        yield
    finally:
        os.seteuid(0)


def test_who_may_read_a_folder_may_read_what_is_in_it_whatever_the_umask_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o755)
    before = os.umask(0o077)
    try:
        folders(tmp_path / "a").put(key(folders(None)), made())
    finally:
        os.umask(before)

    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*")}
    assert modes == {True: 0o755, False: 0o644}


def test_what_was_used_least_lately_goes_first(tmp_path: Path) -> None:
    overviews = folders(tmp_path / "a", limit_bytes=64 << 10)
    for number in range(12):
        overviews.put(key(overviews, size=number), made())
        for path in (tmp_path / "a").rglob("??/*"):
            os.utime(path, (1000 + path.stat().st_mtime % 1000, 1000))  # long ago
        assert overviews.get(key(overviews, size=0)) == made()  # used just now
    for number in range(12, 20):
        overviews.put(key(overviews, size=number), made())

    kept = [number for number in range(20) if overviews.get(key(overviews, size=number))]
    assert kept[0] == 0
    assert 19 in kept
    assert len(kept) <= 16
    assert sum(1 for path in (tmp_path / "a").rglob("*") if path.is_file()) == len(kept)


def test_writers_at_the_same_time_leave_whole_entries(tmp_path: Path) -> None:
    def work(number: int) -> bool:
        overviews = folders(tmp_path / "a", limit_bytes=64 << 10)
        for size in range(30):
            overviews.put(key(overviews, size=size % 7), made(30 + size % 7))
            found = overviews.get(key(overviews, size=(size + number) % 7))
            if found not in (None, made(30 + (size + number) % 7)):
                return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))


def test_an_object_without_a_version_is_not_kept(start: Start, dataset: Dataset, tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "x.zarr"), data=np.ones((4, 4)), chunks=(2, 2))
    for path in (tmp_path / "x.zarr").rglob("*"):
        if path.is_file():
            dataset.put(f"x.zarr/{path.relative_to(tmp_path / 'x.zarr').as_posix()}", path.read_bytes())
    ada = start("ada", overviews_dir=tmp_path / "overviews")

    assert look(ada, dataset, "x.zarr")["kept"] is False

    assert not (tmp_path / "overviews").exists()
