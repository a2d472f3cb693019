from __future__ import annotations

from datetime import date

import pytest

import perijove
from perijove.client import AsyncControlClient, ControlClient, datasets_call
from tests.support.control import TOKEN, FakeControl, FakeReplica
from tests.support.s3 import S3Bed

ATTACK = "<img src=x onerror=alert(1)>\"'"


def test_datasets_come_whole_and_in_order_though_control_pages(control: FakeControl, bed: S3Bed) -> None:
    for name in ("a", "b", "c", "d", "e"):
        control.add(name, FakeReplica("near", bed, "bucket"))

    found = perijove.datasets()

    assert [item.id for item in found] == ["a", "b", "c", "d", "e"]
    assert [item.id for item in found[1:3]] == ["b", "c"]
    assert [item.id for item in perijove.datasets("c")] == ["c"]
    assert control.calls["GET datasets"] == 4


def test_a_search_is_narrowed_by_keywords(control: FakeControl) -> None:
    perijove.datasets(
        "sea ice",
        catalogue=["earth", "platform"],
        format="COG",
        bbox=(-10, 35.5, 5, 44),
        frame="sky",
        since=date(2026, 1, 1),
    )
    said = {name: values for name, values in control.queries[-1].items() if name not in ("site", "limit")}
    assert said == {
        "q": ["sea ice"],
        "catalogue": ["earth", "platform"],
        "format": ["COG"],
        "bbox": ["-10,35.5,5,44"],
        "frame": ["sky"],
        "since": ["2026-01-01"],
    }


def test_the_table_escapes_what_the_catalogue_says(control: FakeControl, bed: S3Bed) -> None:
    control.add(
        "x", FakeReplica("near", bed, "bucket"), title=ATTACK, licence=ATTACK, formats=[ATTACK], size_bytes=1536
    )

    found = perijove.datasets()

    assert "<img" not in found._repr_html_()
    assert "&lt;img" in found._repr_html_()
    assert "1.5 KiB" in found._repr_html_()
    assert repr(found).startswith("x")
    assert repr(perijove.datasets("nothing like this")) == "no datasets"


def test_outside_of_a_platform_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERIJOVE_CONTROL_URL", raising=False)

    with pytest.raises(perijove.NotConfigured, match="PERIJOVE_CONTROL_URL is not set"):
        perijove.datasets()


@pytest.mark.parametrize("fault", [503, 502, 504, "drop"])
def test_passing_faults_of_control_are_tried_again(control: FakeControl, fault: int | str) -> None:
    control.faults.extend([fault, fault])

    assert len(perijove.datasets()) == 0
    assert control.calls["GET datasets"] == 3


@pytest.mark.parametrize("fault", [503, "drop", "html", "junk"])
def test_lasting_faults_of_control_end_in_a_sentence_without_the_token(control: FakeControl, fault: int | str) -> None:
    control.faults.extend([fault] * 4)

    with pytest.raises(perijove.ControlUnavailable) as caught:
        perijove.datasets()

    assert TOKEN not in str(caught.value)
    assert control.calls["GET datasets"] <= 4


def test_what_control_refuses_is_not_tried_again(control: FakeControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "somebody-elses")

    with pytest.raises(perijove.Refused, match="You are not signed in"):
        perijove.datasets()
    assert control.calls["GET datasets"] == 1


def test_a_next_page_elsewhere_does_not_get_the_token(control: FakeControl) -> None:
    from perijove.client import next_cursor

    assert next_cursor("https://evil.example/api/v1/datasets?cursor=2") == "2"  # only the cursor is used
    assert next_cursor(None) is None


def test_the_environments_token_is_not_sent_to_an_address_that_somebody_gave(control: FakeControl) -> None:
    for client in (ControlClient, AsyncControlClient):
        with pytest.raises(perijove.NotConfigured, match="give the token that is meant for it") as caught:
            client(control.url)
        assert TOKEN not in str(caught.value)

    with ControlClient(control.url, "meant-for-it") as given, pytest.raises(perijove.Refused):
        given.send(datasets_call())
