from __future__ import annotations

import logging
from pathlib import Path

import pytest

from perijove.models import PolicyState
from perijove_hub.policy import PlatformFileError
from perijove_hub.policy.in_force import PlatformInForce
from tests.support.platforms import SMALL_FILE, FakeClock


def test_a_reload_puts_a_good_file_in_force_and_keeps_a_bad_one_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(SMALL_FILE)
    clock = FakeClock()
    platform = PlatformInForce(path, clock)
    first, began = platform().version, clock.now
    assert platform.state() == PolicyState(version=first, loaded_at=began, refused_at=None, faults=[])

    path.write_text(SMALL_FILE + "colour: red\n")
    refused = clock.advance(60)
    with caplog.at_level(logging.ERROR):
        assert platform.reload() is False
    assert platform().version == first
    faults = [f"{path}:9: colour: unknown key"]
    assert caplog.records[0].__dict__["faults"] == faults
    assert platform.state() == PolicyState(version=first, loaded_at=began, refused_at=refused, faults=faults)

    path.write_text(SMALL_FILE + "currency: CHF\n")
    reloaded = clock.advance(60)
    assert platform.reload() is True
    assert platform().currency == "CHF"
    second = platform().version
    assert second != first
    assert platform.state() == PolicyState(version=second, loaded_at=reloaded, refused_at=None, faults=[])


def test_a_bad_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlatformFileError):
        PlatformInForce(tmp_path / "none.yaml")
