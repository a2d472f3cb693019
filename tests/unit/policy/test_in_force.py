from __future__ import annotations

import logging
from pathlib import Path

import pytest

from perijove_hub.policy import PlatformFileError
from perijove_hub.policy.in_force import PlatformInForce
from tests.support.platforms import SMALL_FILE


def test_a_reload_puts_a_good_file_in_force_and_keeps_a_bad_one_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(SMALL_FILE)
    platform = PlatformInForce(path)
    first = platform().version

    path.write_text(SMALL_FILE + "colour: red\n")
    with caplog.at_level(logging.ERROR):
        assert platform.reload() is False
    assert platform().version == first
    assert caplog.records[0].__dict__["faults"] == [f"{path}:9: colour: unknown key"]

    path.write_text(SMALL_FILE + "currency: CHF\n")
    assert platform.reload() is True
    assert platform().currency == "CHF"


def test_a_bad_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlatformFileError):
        PlatformInForce(tmp_path / "none.yaml")
