"""Security, item 18: no catalogue, no redirect and no name leads this process into a private network."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from perijove.places import Allowed, ForbiddenAddressError, check_address, is_outside, is_public
from perijove_hub.catalogue import guarded
from perijove_hub.catalogue.guarded import Budget, GuardedSession
from perijove_hub.catalogue.models import CatalogueError
from perijove_hub.catalogue.providers import provider_of
from perijove_hub.policy.catalogues import CatalogueSpec
from tests.support.catalogues import FakeCatalogues, running_catalogues

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "ff02::1", "255.255.255.255", "198.18.0.1", "not an address",
    "fec0::1", "64:ff9b:1::7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_known_in_all_their_forms(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["193.147.153.1", "2a00:1450:4003::1", "::ffff:193.147.153.1", "64:ff9b::c193:9901"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://2130706433/", "http://0177.0.0.1/", "http://0x7f.1/",
        "http://127.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://0.0.0.0/",
        "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "file:///etc/passwd", "gopher://x/",
        "ftp://193.147.153.1/", "http://user@193.147.153.1/", "//193.147.153.1/", "http://[::1",
    ],
)  # fmt: skip
def test_no_user_is_sent_to_a_private_place(url: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        check_address(url, Allowed())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://[::1]/", "http://localhost/", "http://hub/",
        "http://a.localhost./", "http://metadata.google.internal/", "http://169.254.169.254/", "", None, "http://[::1",
    ],
)  # fmt: skip
def test_no_link_leads_into_a_private_network(url: str | None) -> None:
    assert not is_outside(url, Allowed())


def test_links_to_the_world_and_to_the_catalogue_itself_are_shown() -> None:
    assert is_outside("https://doi.org/10.5270/x", Allowed())
    assert is_outside("http://127.0.0.1:81/about", Allowed.of("http://127.0.0.1:81/stac", True))
    assert not is_outside("http://127.0.0.1:82/about", Allowed.of("http://127.0.0.1:81/stac", True))


@pytest.fixture
def fake() -> Iterator[FakeCatalogues]:
    with running_catalogues() as fake:
        yield fake


def session(fake: FakeCatalogues, seconds: float = 5, **more: Any) -> GuardedSession:
    return GuardedSession(Budget(seconds, allowed=Allowed.of(fake.url, True), **more))


def test_a_private_catalogue_is_reached_only_when_it_is_allowed(fake: FakeCatalogues) -> None:
    with session(fake) as allowed:
        assert allowed.fetch_json(f"{fake.url}/stac")["type"] == "Catalog"
    with GuardedSession(Budget(5)) as strict, pytest.raises(CatalogueError, match="private address"):
        strict.fetch_json(f"{fake.url}/stac")
    assert fake.calls["stac"] == 1


def test_another_port_of_an_allowed_host_is_not_reached(fake: FakeCatalogues) -> None:
    with running_catalogues() as other:
        fake.faults["stac"] = f"{other.url}/stac"
        with session(fake) as allowed, pytest.raises(CatalogueError, match="private address"):
            allowed.fetch_json(f"{fake.url}/stac")
        assert not other.calls


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/", "http://127.0.0.1:1/", "http://localhost:8081/hub/api", "http://[::1]:80/",
        "http://2130706433/", "http://0x7f000001/", "http://0/", "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://h/",
    ],
)  # fmt: skip
def test_each_redirect_is_checked(fake: FakeCatalogues, target: str) -> None:
    fake.faults["stac"] = target
    with session(fake) as allowed, pytest.raises(CatalogueError, match=r"private address|not http\(s\)"):
        allowed.fetch_json(f"{fake.url}/stac")


def test_redirects_end(fake: FakeCatalogues) -> None:
    fake.faults["stac"] = f"{fake.url}/stac"
    with session(fake) as allowed, pytest.raises(CatalogueError, match="redirected more than 5 times"):
        allowed.fetch_json(f"{fake.url}/stac")


def test_a_name_that_changes_between_check_and_use_does_not_help(
    fake: FakeCatalogues, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(fake.url.rpartition(":")[2])
    asked: list[str] = []

    def changing(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        address = "193.147.153.1" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    check_address(f"http://rebind.example:{port}/", Allowed())
    with GuardedSession(Budget(5)) as strict, pytest.raises(CatalogueError, match="private address"):
        strict.fetch(f"http://rebind.example:{port}/stac")
    assert not fake.calls


def test_a_name_with_one_private_address_among_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in ("193.147.153.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(ForbiddenAddressError):
        check_address("http://both.example/", Allowed())


def test_nothing_of_the_environment_goes_out(
    fake: FakeCatalogues, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ana password canary")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with session(fake) as allowed:
        allowed.fetch_json(f"{fake.url}/stac")
    assert "Authorization" not in fake.seen_headers[0]
    assert "Cookie" not in fake.seen_headers[0]


def test_a_page_with_200_is_no_catalogue(fake: FakeCatalogues) -> None:
    fake.faults["stac"] = "html"
    with session(fake) as allowed, pytest.raises(CatalogueError, match="a page instead of JSON"):
        allowed.fetch_json(f"{fake.url}/stac")


def test_an_answer_without_end_is_cut(fake: FakeCatalogues, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "ANSWER_BYTES", 2**20)
    fake.faults["stac"] = "huge"
    with session(fake) as allowed, pytest.raises(CatalogueError, match="more than is read of one answer"):
        allowed.fetch_json(f"{fake.url}/stac")


@pytest.mark.parametrize("kind", ["stac", "json", "cds", "s3"])
def test_an_answer_of_very_many_parts_is_not_parsed(fake: FakeCatalogues, kind: str) -> None:
    many = b"<a/>" * 100_001 if kind == "s3" else b"[],{}" * 500_001
    fake.bodies[kind] = b"<ListBucketResult>" + many + b"</ListBucketResult>" if kind == "s3" else b"[" + many + b"]"
    name = "http" if kind == "json" else kind
    spec = CatalogueSpec.model_validate(
        {"kind": name, "title": "T", "url": f"{fake.url}/{kind}/{'x/' if kind == 's3' else ''}", "allow_private": True}
    )
    with session(fake) as allowed, pytest.raises(CatalogueError, match="more than is read of one answer"):
        provider_of(spec).harvest(allowed)


@pytest.mark.parametrize(
    "body",
    [b"<a", b"<a/>", b'<?xml version="1.0" encoding="no-such"?><a/>', b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
)
def test_what_is_no_listing_is_no_object_store(fake: FakeCatalogues, body: bytes) -> None:
    fake.bodies["s3"] = body
    spec = CatalogueSpec.model_validate({"kind": "s3", "title": "T", "url": f"{fake.url}/s3/x/", "allow_private": True})
    with session(fake) as allowed, pytest.raises(CatalogueError, match="It is no object store: it sent no listing"):
        provider_of(spec).harvest(allowed)


def test_all_answers_of_one_operation_count_together(fake: FakeCatalogues) -> None:
    with session(fake, left_bytes=200) as allowed:
        allowed.fetch_json(f"{fake.url}/stac")
        allowed.budget.left_bytes = 20
        with pytest.raises(CatalogueError, match="more than is read of a catalogue"):
            allowed.fetch_json(f"{fake.url}/stac")


def test_an_answer_that_drips_ends_with_the_time(fake: FakeCatalogues) -> None:
    fake.faults["stac"] = "slow"
    with session(fake, seconds=0.3) as allowed, pytest.raises(CatalogueError, match=r"within 0\.3 seconds"):
        allowed.fetch_json(f"{fake.url}/stac")


@pytest.mark.timeout(30)  # whoever is not cut off waits for an hour
def test_who_waits_for_nothing_can_be_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "SILENCE_SECONDS", 3600)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        budget = Budget(3600, allowed=Allowed.of(url, True))
        threading.Timer(0.2, budget.cut).start()
        with GuardedSession(budget) as allowed, pytest.raises(CatalogueError, match="did not answer"):
            allowed.fetch(url)


@pytest.mark.parametrize(("fault", "said"), [(503, "It answered 503"), ("drop", "It cannot be reached")])
def test_what_is_wrong_is_one_sentence(fake: FakeCatalogues, fault: int | str, said: str) -> None:
    fake.faults["stac"] = fault
    with session(fake) as allowed, pytest.raises(CatalogueError, match=said):
        allowed.fetch_json(f"{fake.url}/stac")


def test_a_connection_that_was_made_while_all_were_cut_is_cut() -> None:
    budget = guarded.Budget(3600)
    ours, theirs = socket.socketpair()
    theirs.settimeout(30)
    with ours, theirs:
        budget.cut()
        budget.keep(ours)

        assert theirs.recv(1) == b""
