from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import fsspec
import numpy as np
import pytest
from astropy.io import fits

import perijove
from perijove import filesystem, signed, straight
from perijove.client import AsyncControlClient
from perijove_hub.web.auth import CACHE_SECONDS
from tests.support.control import TOKEN, FakeControl, FakeReplica
from tests.support.fits import cone, fits_bytes
from tests.support.s3 import Fault, FaultKind, S3Bed

BODY = random.Random(7).randbytes(5 << 20)


@pytest.fixture(params=["direct", "proxied"])
def put(request: pytest.FixtureRequest, control: FakeControl, bed: S3Bed) -> Callable[[str, bytes], None]:
    control.add("demo", FakeReplica("near", bed, "bucket", "demo/"), delivery=request.param)
    return lambda path, data: (bed.put("bucket", f"demo/{path}", data), None)[1]


@pytest.fixture
def direct(control: FakeControl, bed: S3Bed) -> S3Bed:
    control.add("demo", FakeReplica("near", bed, "bucket", "demo/"))
    return bed


def test_a_file_reads_seeks_and_ends_like_a_file(put: Callable[[str, bytes], None]) -> None:
    put("a b/é#?%~.bin", BODY)
    put("empty", b"")

    with perijove.open("demo/a b/é#?%~.bin") as file:
        assert file.read(3) == BODY[:3]
        file.seek(-5, 2)
        assert file.read() == BODY[-5:]
        assert file.read() == b""
        file.seek(1 << 20)
        assert file.read(100) == BODY[1 << 20 : (1 << 20) + 100]
        file.seek(0)
        assert file.read() == BODY
        assert file.seekable()
        assert not file.writable()
    with perijove.open("demo/empty") as file:
        assert file.read() == b""


def test_text_mode_gives_lines(put: Callable[[str, bytes], None]) -> None:
    put("notes.txt", "eins\nzwei ü\n".encode())

    with perijove.open("demo/notes.txt", "r", encoding="utf-8") as file:
        assert list(file) == ["eins\n", "zwei ü\n"]


def test_astropy_opens_it_and_reads_a_section_only(put: Callable[[str, bytes], None], bed: S3Bed) -> None:
    pixels = cone(3000, (1500, 1500))
    put("big.fits", fits_bytes(fits.PrimaryHDU(pixels)))

    with perijove.open("demo/big.fits") as file, fits.open(file) as hdus:
        section = hdus[0].section[1500:1510, 100:110]

    assert np.array_equal(section, pixels[1500:1510, 100:110])
    assert bed.bytes_out < 4 << 20


def test_large_reads_go_in_parallel_pieces_and_come_out_right(put: Callable[[str, bytes], None], bed: S3Bed) -> None:
    body = random.Random(8).randbytes(50 << 20)
    put("big.bin", body)
    bed.latency_seconds = 0.1

    with perijove.open("demo/big.bin") as file:
        assert file.read() == body

    assert bed.counters == {"GetObject": 1 + 7}  # the first block, and the pieces
    assert bed.most_at_once >= 4


def test_the_filesystem_lists_finds_and_tells(direct: S3Bed) -> None:
    for key in ("x/1.txt", "x/y/2.txt", "z.txt"):
        direct.put("bucket", f"demo/{key}", b"12345")
    direct.put("bucket", "demo-secret/no.txt", b"")
    files = fsspec.filesystem("perijove")

    assert files.ls("", detail=False) == ["demo"]
    assert files.ls("perijove://demo", detail=False) == ["demo/x", "demo/z.txt"]
    assert files.find("demo") == ["demo/x/1.txt", "demo/x/y/2.txt", "demo/z.txt"]
    assert files.glob("demo/**/2*") == ["demo/x/y/2.txt"]
    assert files.info("demo/x")["type"] == "directory"
    assert files.info("demo/z.txt")["size"] == 5
    assert files.ls("demo/z.txt", detail=False) == ["demo/z.txt"]
    assert not files.exists("demo/nope")
    assert files.cat_file("demo/z.txt", 1, -1) == b"234"
    assert files.cat_ranges(["demo/z.txt", "demo/x/1.txt", "demo/z.txt"], [0, 3, -1], [2, None, None]) == [
        b"12",
        b"45",
        b"5",
    ]
    assert files.cat(["demo/z.txt"]) == {"demo/z.txt": b"12345"}
    with fsspec.open("perijove://demo/z.txt") as file:
        assert file.read() == b"12345"


def test_the_root_lists_all_datasets_or_the_platforms_own_and_says_so(
    direct: S3Bed, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        control.add(f"archive.d{number}", FakeReplica("near", direct, "bucket"), catalogue="archive")
    files = fsspec.filesystem("perijove")
    assert len(files.ls("")) == 6

    monkeypatch.setattr(filesystem, "ROOTS_MAX", 4)
    control.queries.clear()
    with pytest.warns(UserWarning, match="more than 4 datasets.*own catalogue only"):
        files.ls("")
    assert len(control.queries) <= 2 + 3
    assert control.queries[-1]["catalogue"] == ["platform"]
    files.ls("", catalogue="archive")
    assert control.queries[-1]["catalogue"] == ["archive"]


def test_a_proxied_dataset_is_listed_and_read_without_keys(control: FakeControl, bed: S3Bed) -> None:
    control.add("closed", FakeReplica("near", bed, "bucket", "c/"), delivery="proxied")
    for path in ("a.txt", "d/1", "d/e/2"):
        bed.put("bucket", f"c/{path}", b"1")
    bed.put("bucket", "c-private/x", b"not yours")
    files = fsspec.filesystem("perijove")

    assert files.cat("closed/a.txt") == b"1"
    assert files.ls("closed", detail=False) == ["closed/a.txt", "closed/d"]
    assert files.find("closed") == ["closed/a.txt", "closed/d/1", "closed/d/e/2"]
    assert files.isdir("closed/d")
    with pytest.raises(FileNotFoundError):
        files.info("closed/nope")
    bed.put_many("bucket", [f"c/many/{number:04}" for number in range(1500)])
    assert len(files.ls("closed/many")) == 1500
    assert control.calls["POST datasets/closed/credentials"] == 0


async def test_all_pages_of_signed_listings_go_by_one_client_that_has_no_token(control: FakeControl) -> None:
    client = AsyncControlClient()

    pages = client.pages()

    assert client.pages() is pages
    assert TOKEN not in str(pages.headers.raw)
    await client.aclose()
    assert pages.is_closed


def test_the_token_is_in_no_form_of_the_filesystem(direct: S3Bed) -> None:
    files = fsspec.filesystem("perijove")

    assert TOKEN not in files.to_json() + repr(files) + str(files.storage_options)


@pytest.mark.parametrize("mode", ["wb", "ab", "r+b", "xb", "w"])
def test_writing_is_refused_in_words(direct: S3Bed, mode: str) -> None:
    with pytest.raises(perijove.ReadOnly, match="read-only"):
        perijove.open("demo/x", mode)


def test_nothing_else_writes_either(direct: S3Bed) -> None:
    files = fsspec.filesystem("perijove")
    direct.put("bucket", "demo/x", b"")

    attempts: list[Callable[[], Any]] = [
        lambda: files.pipe_file("demo/y", b""),
        lambda: files.rm_file("demo/x"),
        lambda: files.rm("demo/x"),
        lambda: files.mkdir("demo/y"),
        lambda: files.cp_file("demo/x", "demo/y"),
        lambda: files.touch("demo/y"),
    ]
    for attempt in attempts:
        with pytest.raises(perijove.ReadOnly):
            attempt()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("demo/nope", perijove.NotFound),
        ("nope/x", perijove.NotFound),
        ("demo/../x", perijove.InvalidPath),
        ("demo//x", perijove.InvalidPath),
        ("demo", perijove.InvalidPath),
        ("Demo/x", perijove.InvalidPath),
        ("", perijove.InvalidPath),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_line(direct: S3Bed, path: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^[^\n]+\.$"):
        perijove.open(path)


def test_an_object_that_changes_while_open_is_an_error_and_never_mixed_bytes(
    put: Callable[[str, bytes], None],
) -> None:
    put("x.bin", b"a" * (3 << 20))
    with perijove.open("demo/x.bin") as file:
        assert file.read(10) == b"a" * 10

        put("x.bin", b"b" * (3 << 20))

        file.seek(2 << 20)
        with pytest.raises(perijove.ObjectChanged, match="open it again"):
            file.read(10)
    with perijove.open("demo/x.bin") as file:
        assert file.read(1) == b"b"


@pytest.mark.parametrize(
    "kind",
    ["replace", "short_body", "wrong_length", "wrong_range", "ignore_range", "reset", "html"],
)
def test_no_fault_of_a_store_passes_for_data(put: Callable[[str, bytes], None], bed: S3Bed, kind: str) -> None:
    put("x.bin", BODY)
    times = 1 if kind == "replace" else None  # replaced twice it would be as before
    with perijove.open("demo/x.bin") as file:
        bed.faults.add(Fault(FaultKind(kind), op="GetObject", times=times, after_bytes=1000))

        with pytest.raises(OSError, match=r"demo/x\.bin"):
            file.read()


@pytest.mark.parametrize("kind", [FaultKind.ERROR, FaultKind.DROP, FaultKind.RESET])
def test_a_store_that_stumbles_is_tried_again(put: Callable[[str, bytes], None], bed: S3Bed, kind: FaultKind) -> None:
    put("x.bin", BODY)
    with perijove.open("demo/x.bin") as file:
        fault = bed.faults.add(Fault(kind, op="GetObject", times=2, after_bytes=1000))

        assert file.read() == BODY
        assert fault.hits == 2


def test_reads_of_a_proxied_dataset_stop_within_a_minute_after_it_was_taken_away(
    control: FakeControl, bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert signed.URL_KEPT.total_seconds() + CACHE_SECONDS + straight.LASTS_SECONDS < 60
    monkeypatch.setattr(signed, "URL_KEPT", timedelta(0))  # that time passes
    monkeypatch.setenv("PERIJOVE_CACHE_BYTES", "0")
    control.add("closed", FakeReplica("near", bed, "bucket", "c/"), delivery="proxied")
    bed.put("bucket", "c/x", bytes(8 << 20))
    with perijove.open("closed/x") as file:
        assert file.read(10) == bytes(10)
        control.faults.extend([503] * 4)
        file.seek(4 << 20)
        assert file.read(10) == bytes(10), "a pause of control stops nothing"
        control.faults.clear()
        del control.datasets["closed"]
        file.seek(7 << 20)
        with pytest.raises(perijove.NotFound, match="that you may read"):
            file.read(10)


def test_errors_of_presigned_reads_do_not_show_the_url(control: FakeControl, bed: S3Bed) -> None:
    control.add("closed", FakeReplica("near", bed, "bucket", "c/"), delivery="proxied")
    bed.faults.add(Fault(FaultKind.ERROR, op="GetObject", code="AccessDenied", times=None))

    with pytest.raises(perijove.Refused) as caught:
        perijove.open("closed/x")

    shown = f"{caught.value!r}{caught.value.__cause__!r}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "X-Amz" not in shown
    assert not [secret for secret in control.secrets if secret in shown]


def test_when_the_nearest_replica_is_away_the_next_serves(
    control: FakeControl, bed: S3Bed, other_bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"), FakeReplica("far", other_bed, "bucket"))
    for store in (bed, other_bed):
        store.put("bucket", "x.bin", BODY)
    with perijove.open("demo/x.bin") as file:
        assert file.read(1) == BODY[:1]
    assert other_bed.counters == {}

    bed.faults.add(Fault(FaultKind.ERROR, code="InternalError", times=None))
    with perijove.open("demo/x.bin") as file:
        assert file.read() == BODY
    tried = sum(bed.counters.values())
    assert fsspec.filesystem("perijove").cat("demo/x.bin") == BODY

    assert sum(bed.counters.values()) == tried  # the one that failed is not asked again at once


def test_when_all_replicas_are_away_the_sentence_names_the_nearest(control: FakeControl, bed: S3Bed) -> None:
    control.add(
        "demo",
        FakeReplica("near", bed, "bucket", endpoint="http://127.0.0.1:9"),
        FakeReplica("far", bed, "bucket", endpoint="http://127.0.0.1:11"),
    )

    with pytest.raises(perijove.StoreUnavailable, match=r"http://127\.0\.0\.1:9 .*tried 4 times"):
        perijove.open("demo/x.bin")


def test_a_program_that_ends_in_the_middle_of_a_read_ends_in_good_order(direct: S3Bed) -> None:
    direct.put("bucket", "demo/slow", b"1" * 100)
    direct.faults.add(Fault(FaultKind.DELAY, op="GetObject", times=None, delay_seconds=0.33))
    program = """
import threading, time, perijove
file = perijove.open("demo/slow")
threading.Thread(target=file.read, daemon=True).start()
time.sleep(0.3)
"""

    # Guards that settling at exit neither hangs nor breaks a program. That it prevents the rare abort (see
    # perijove.inflight) takes dozens of runs to see and is not shown here.
    ends = [subprocess.run([sys.executable, "-c", program], check=False).returncode for _ in range(3)]

    assert ends == [0, 0, 0]
