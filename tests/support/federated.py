"""Control with catalogues of others, asked as a browser asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from .catalogues import FakeCatalogues
from .control_bed import Answer, ControlBed, running_control


def spec(fake: FakeCatalogues, kind: str, path: str | None = None, **more: Any) -> dict[str, Any]:
    """The part of a platform file for a catalogue that the fake plays; ``sia2`` is of the kind ``sia``."""
    own = {"kind": kind.rstrip("2"), "title": f"The {kind}", "url": f"{fake.url}/{path or kind}"}
    return {**own, "allow_private": True, **more}


@asynccontextmanager
async def harvested(
    directory: Path, caplog: pytest.LogCaptureFixture, catalogues: dict[str, Any], **parts: Any
) -> AsyncIterator[ControlBed]:
    async with running_control(directory, caplog, catalogues=catalogues, **parts) as control:
        await control.state.catalogue.harvester.settle()
        try:
            yield control
        finally:
            await control.state.catalogue.close()


async def listed(control: ControlBed, **query: Any) -> list[str]:
    answer = await control.get("datasets", control.ana, **query)
    assert answer.status == 200, answer.text
    return [each["id"] for each in answer.body["items"]]


async def opened(control: ControlBed, dataset_id: str, path: str = "", **query: Any) -> Answer:
    return await control.get(f"datasets/{dataset_id}/tree?{urlencode({'path': path, **query})}", control.ana)


async def tree(control: ControlBed, dataset_id: str, path: str = "", **query: Any) -> list[str]:
    answer = await opened(control, dataset_id, path, **query)
    assert answer.status == 200, answer.text
    return [each["path"] for each in answer.body["items"]]


async def addresses(control: ControlBed, dataset_id: str, *paths: str) -> list[str]:
    answer = await control.call("POST", f"datasets/{dataset_id}/presign", control.ana, body={"paths": paths})
    assert answer.status == 200, answer.text
    return [each["url"] for each in answer.body["items"]]
