"""Options that come with a catalogue of intake or kerchunk, which a stranger wrote."""

from __future__ import annotations

import json
from typing import Any

import fsspec
import pytest

import perijove
from tests.support.control import FakeControl, FakeReplica, threaded_control
from tests.support.s3 import S3Bed


@pytest.mark.parametrize("option", ["control_url", "url", "token", "headers", "client_kwargs", "endpoint_url"])
def test_no_option_says_where_the_platform_is_or_who_asks(control: FakeControl, option: str) -> None:
    with threaded_control() as evil:
        options: dict[str, Any] = {option: evil.url}

        with pytest.raises(perijove.BadRequest, match=f"does not take the option '{option}'") as caught:
            fsspec.open("perijove://demo/x.bin", **options)
        with pytest.raises(perijove.BadRequest, match=option):
            fsspec.filesystem("perijove", asynchronous=True, **options)

        assert evil.url not in str(caught.value)
        assert not evil.calls
        assert not control.calls


def test_an_address_without_a_name_is_no_option_either(control: FakeControl) -> None:
    described = {"cls": "perijove.filesystem.PerijoveFileSystem", "protocol": "perijove", "args": ["http://evil"]}

    with pytest.raises(TypeError):
        fsspec.AbstractFileSystem.from_dict(described)


def test_the_options_of_fsspec_itself_are_taken(control: FakeControl, bed: S3Bed) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x.bin", b"hello")
    taken = {"batch_size": 8, "use_listings_cache": False, "skip_instance_cache": True}

    with fsspec.open("perijove://demo/x.bin", **taken) as file:
        assert file.read() == b"hello"
    files = fsspec.filesystem("perijove", **taken)
    assert type(files).from_json(files.to_json()).cat("demo/x.bin") == b"hello"


def test_a_list_of_references_reads_datasets(control: FakeControl, bed: S3Bed) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x.bin", b"hello world")
    references = json.loads('{"version": 1, "refs": {"part": ["perijove://demo/x.bin", 6, 5]}}')

    files = fsspec.filesystem("reference", fo=references, remote_protocol="perijove")

    assert files.cat("part") == b"world"
    with pytest.raises(perijove.BadRequest, match="control_url"):
        fsspec.filesystem(
            "reference", fo=references, remote_protocol="perijove", remote_options={"control_url": "http://evil"}
        )
