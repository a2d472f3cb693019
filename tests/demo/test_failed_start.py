"""A start that fails half-way: one sentence, and nothing is left running."""

from __future__ import annotations

import errno
from pathlib import Path

import httpx
import pytest

from perijove_demo import main
from perijove_demo.leftovers import find_leftovers
from perijove_demo.main import DemoOptions, DemoProblem, run_demo
from perijove_hub.policy import PlatformFileError


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/some/file"), "with /some/file: No space left on device."),
        (httpx.ReadTimeout(""), "A part of the demo does not answer as it should: ReadTimeout"),
        (
            PlatformFileError(["p.yaml:3: sites: is empty", "more"]),
            "platform file is wrong: p.yaml:3: sites: is empty.",
        ),
    ],
)
async def test_start_that_fails_is_one_sentence_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    running: list[int] = []

    async def fail(*_arguments: object) -> None:
        running.extend(process.pid for process in find_leftovers(tmp_path))
        raise error

    monkeypatch.setattr(main, "build_demo_data", fail)
    with pytest.raises(DemoProblem) as raised:
        await run_demo(DemoOptions(port=0, state_dir=tmp_path, build=False, reset=False))
    assert str(raised.value).endswith(sentence)
    assert len(running) >= 2  # both stores
    assert find_leftovers(tmp_path) == []
