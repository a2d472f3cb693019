"""Security, item 18, where users' files are read: no archive leads a kernel or a server into a private network."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from yarl import URL

import perijove
from perijove import web
from perijove.places import Allowed, ForbiddenAddressError
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import S3Bed
from tests.support.web_server import WebFile, WebServer, threaded_web_server

BODY = random.Random(6).randbytes(3 << 20)
NAME = "archive.x/x.bin"
INSIDE = WebFile(b"inside" * 200_000, '"e"')


@pytest.fixture
def archive(control: FakeControl, bed: S3Bed) -> Iterator[WebServer]:
    """An archive at the one private place that the platform file allows, with a file x.bin."""
    with threaded_web_server() as server:
        control.add("archive.x", FakeReplica("archive", bed, "", endpoint=server.url), delivery="linked")
        control.links["archive.x", "x.bin"] = f"{server.url}/x.bin"
        server.files["x.bin"] = WebFile(BODY, '"e"')
        yield server


@pytest.fixture
def hub() -> Iterator[WebServer]:
    """Something that only listens to this machine."""
    with threaded_web_server() as server:
        server.files["inside"] = INSIDE
        yield server


def port_of(server: WebServer) -> int:
    return URL(server.url).port or 0


def names_at(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Each look-up of a name of example finds the next of these addresses, the last for ever; the names looked up."""
    real, asked = socket.getaddrinfo, []

    def changing(host: Any, port: Any, *rest: Any, **more: Any) -> list[Any]:
        if not str(host).endswith(".example"):
            return list(real(host, port, *rest, **more))
        asked.append(str(host))
        address = addresses[min(len(asked), len(addresses)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    return asked


def test_item_18_the_first_look_follows_no_redirect_to_a_private_place(archive: WebServer, hub: WebServer) -> None:
    archive.redirects["x.bin"] = f"{hub.url}/inside"

    with pytest.raises(perijove.Refused, match=r"leads reads of archive\.x/x\.bin to a place .* private address"):
        perijove.open(NAME)
    assert not hub.asked


def test_item_18_neither_does_any_read_after_it(archive: WebServer, hub: WebServer) -> None:
    hub.files["inside"] = WebFile(BODY, '"e"')  # the very same object, so that only the place is wrong
    with perijove.open(NAME) as file:
        archive.redirects["x.bin"] = f"{hub.url}/inside"
        file.seek(2 << 20)
        with pytest.raises(perijove.Refused, match="private address"):
            file.read(10)
    assert not hub.asked


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/", "http://127.0.0.1:1/", "http://localhost:8081/hub/api", "http://[::1]:80/",
        "http://2130706433/", "http://0x7f000001/", "http://127.1/", "http://0/", "http://0.0.0.0:8081/",
        "http://[::ffff:127.0.0.1]/", "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://h/", "//127.0.0.1:1/",
    ],
)  # fmt: skip
def test_item_18_each_hop_is_checked(archive: WebServer, target: str) -> None:
    archive.redirects |= {"x.bin": "/second", "second": target}

    with pytest.raises(perijove.Refused, match=r"private address|not http\(s\)"):
        perijove.open(NAME)


def test_item_18_a_private_place_is_read_only_when_the_platform_file_allows_it(
    archive: WebServer, control: FakeControl
) -> None:
    control.allows_private = False
    with pytest.raises(perijove.Refused, match=r"127\.0\.0\.1 is at a private address"):
        perijove.open(NAME)
    assert not archive.asked


def test_item_18_a_name_that_changes_between_check_and_use_does_not_help(
    archive: WebServer, hub: WebServer, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.allows_private = False
    control.links["archive.x", "x.bin"] = f"http://rebind.example:{port_of(hub)}/inside"
    asked = names_at(monkeypatch, "193.147.153.1", "127.0.0.1")
    assert socket.getaddrinfo("rebind.example", 80)[0][4][0] == "193.147.153.1"  # as control has found it

    with pytest.raises(perijove.Refused, match=r"rebind\.example is at a private address"):
        perijove.open(NAME)
    assert len(asked) == 2
    assert not hub.asked


def test_an_archive_that_is_allowed_by_its_name_is_read_and_may_redirect_to_itself(
    archive: WebServer, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_at(monkeypatch, "127.0.0.1")
    control.links["archive.x", "x.bin"] = f"http://archive.example:{port_of(archive)}/moved"
    archive.redirects["moved"] = "x.bin"

    with perijove.open(NAME) as file:
        assert file.read() == BODY


def test_redirects_end(archive: WebServer) -> None:
    archive.redirects["x.bin"] = "/x.bin"
    with pytest.raises(perijove.StoreUnavailable, match=r"redirected reads of archive\.x/x\.bin more than 5 times"):
        perijove.open(NAME)


def test_what_breaks_off_goes_on_where_it_ended(archive: WebServer) -> None:
    with perijove.open(NAME) as file:
        sent = archive.bytes_out
        archive.cuts = [100_000, 200_000]
        file.seek(2 << 20)
        assert file.read() == BODY[2 << 20 :]
    assert archive.bytes_out - sent == len(BODY) - (2 << 20)


def test_nobody_is_sent_to_a_proxy_of_the_environment_as_to_an_archive(
    hub: WebServer, control: FakeControl, archive: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.allows_private = False
    proxy = hub.url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("https_proxy", proxy)
    web.proxy_for.cache_clear()
    try:
        control.links["archive.x", "x.bin"] = f"{proxy}/inside"
        with pytest.raises(perijove.Refused, match="localhost is a proxy"):
            perijove.open(NAME)
        assert not hub.asked
    finally:
        web.proxy_for.cache_clear()


def test_a_proxy_of_the_environment_is_the_way_out_and_is_sent_to_no_private_name(
    archive: WebServer, hub: WebServer, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.allows_private = False
    monkeypatch.setenv("http_proxy", hub.url.replace("127.0.0.1", "localhost"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    web.proxy_for.cache_clear()
    try:
        hub.files["some/x.bin"] = WebFile(BODY, '"e"')  # what the proxy fetches
        control.links["archive.x", "x.bin"] = "http://public.example/some/x.bin"
        with perijove.open(NAME) as file:
            assert file.read(10) == BODY[:10]
        asked = sum(hub.asked.values())
        control.links["archive.x", "y.bin"] = "http://metadata.google.internal/some/x.bin"
        with pytest.raises(perijove.Refused, match="private name"):
            perijove.open("archive.x/y.bin")
        assert sum(hub.asked.values()) == asked
    finally:
        web.proxy_for.cache_clear()


@pytest.mark.parametrize("number", ["2130706433", "127.1", "0177.0.0.1", "1.2.3.4.5", "\uff11\uff12\uff17.1", "::1%lo"])
def test_item_18_numbers_are_addresses_in_all_their_forms(number: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        perijove.places.check_place("http", number, 80, Allowed())
