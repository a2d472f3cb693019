"""The cleanup page over HTTP, as a browser without scripts uses it; and items 7, 8, 19 and 20 of the checklist."""

from __future__ import annotations

import html
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.support.control import TOKEN, FakeControl
from tests.support.jupyter import SERVER_TOKEN, JupyterServer, jupyter_server

KIB = 1024


@dataclass
class Browser:
    """A signed-in browser at the page of one server, whose home is a directory."""

    http: httpx.Client
    url: str
    home: Path

    def put(self, path: str | bytes, size_bytes: int = KIB) -> Path:
        """A file in the home."""
        file = self.home / os.fsdecode(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size_bytes)
        return file

    def list(self) -> str:
        """The page as it is now, measured anew."""
        return self.http.get(self.url).raise_for_status().text

    def send(self, step: str, *keys: str, xsrf: bool = True) -> httpx.Response:
        """Send the form of the page with these values of ``path``, whatever the page shows."""
        fields: dict[str, str | list[str]] = {"step": step, "path": list(keys)}
        if xsrf:
            token = re.search(r'name="_xsrf" value="([^"]+)"', self.list())
            fields["_xsrf"] = html.unescape(token[1]) if token else self.http.cookies["_xsrf"]
        return self.http.post(self.url, data=fields)


def keys_on(page: str) -> list[str]:
    """What can be ticked on a page, in its order."""
    return [html.unescape(key) for key in re.findall(r'name="path" value="([^"]*)"', page)]


@pytest.fixture(scope="module")
def signed_in(session_control: FakeControl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    directory = tmp_path_factory.mktemp("cleanup")
    home = directory / "cleaned"
    home.mkdir()
    environment = {
        "PERIJOVE_CONTROL_URL": session_control.url,
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "PERIJOVE_RESCUE": "1",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/x/",
        "JUPYTERHUB_BASE_URL": "/base/",
    }
    options = [f"--PerijoveServer.home_directory={home}", "--PerijoveServer.notices_seconds=3600"]
    with jupyter_server(directory, environment, *options) as server:
        yield from _sign_in(server, home)


@pytest.fixture
def browser(signed_in: Browser, control: FakeControl) -> Iterator[Browser]:
    """The same browser for all; each test has an empty home, and leaves none of its limits."""
    shutil.rmtree(signed_in.home)
    signed_in.home.mkdir()
    yield signed_in
    control.quotas.clear()


def _sign_in(server: JupyterServer, home: Path) -> Iterator[Browser]:
    with httpx.Client(follow_redirects=True, timeout=30) as http:
        http.get(server.url, params={"token": SERVER_TOKEN})
        yield Browser(http, f"{server.url}perijove/cleanup", home)


def limit(control: FakeControl, gib: float) -> None:
    control.quotas[:] = [
        {"name": "home", "resource": "home_gib", "unit": "GiB", "limit": gib, "used": 0.0, "per": "user", "state": "ok"}
    ]


def test_an_empty_home_says_so(browser: Browser) -> None:
    page = browser.list()

    assert "There is nothing in your home." in page
    assert "<form" not in page
    assert "Its limit is\n    not known now." in page


def test_the_largest_come_first_and_are_deleted_after_a_second_question(browser: Browser, control: FakeControl) -> None:
    limit(control, 100 * KIB / (1 << 30))
    large = browser.put("data/large.bin", 200 * KIB)
    small = browser.put("data/more/small.txt", 8 * KIB)
    page = browser.list()
    assert keys_on(page) == ["data", "data/more", "data/large.bin", "data/more/small.txt"]
    assert "or more to get below the limit" in page

    review = browser.send("review", "data/large.bin")
    assert large.exists()
    assert "This cannot be undone: nothing goes to a trash." in review.text
    assert "<strong>200.0 KiB</strong>" in review.text
    assert keys_on(review.text) == ["data/large.bin"]

    done = browser.send("delete", "data/large.bin")

    assert done.history[0].status_code == 303
    assert not large.exists()
    assert small.exists()
    assert "200.0 KiB freed." in done.text
    assert "There is room again. Stop this session, and in a minute start it again to work." in done.text
    assert 'href="/base/hub/home"' in done.text


def test_a_directory_goes_with_all_that_is_in_it_and_what_is_ticked_twice_counts_once(browser: Browser) -> None:
    browser.put("data/a.bin", 100 * KIB)
    browser.put("data/deep/b.bin", 50 * KIB)
    browser.put("keep.txt")

    review = browser.send("review", "data/deep", "data", "data/a.bin")
    done = browser.send("delete", *keys_on(review.text))

    assert keys_on(review.text) == ["data"]
    assert "1 item deleted." in done.text
    assert list(browser.home.iterdir()) == [browser.home / "keep.txt"]


def test_what_cannot_be_deleted_is_told_and_the_rest_is_deleted(browser: Browser) -> None:
    gone = browser.put("a.bin")
    done = browser.send("delete", "a.bin", "b.bin")

    assert not gone.exists()
    assert "There is no b.bin in your home any more." in done.text


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "../secret",
        "data/../../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "data//a.bin",
        "data/a.bin/",
        "./data",
        "data/%00",
        "a" * 5000,
    ],
)
@pytest.mark.parametrize("step", ["review", "delete"])
def test_a_path_that_leaves_the_home_is_refused(browser: Browser, key: str, step: str) -> None:
    secret = browser.home.parent / "secret"
    secret.write_text("keep")
    browser.put("data/a.bin")

    answer = browser.send(step, key)

    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert secret.exists()
    assert (browser.home / "data/a.bin").exists()


@pytest.mark.parametrize("key", ["%252e%252e/secret", "DATA/a.bin", "data／a.bin", "data\\a.bin", "data-evil"])
@pytest.mark.parametrize("step", ["review", "delete"])
def test_a_path_is_a_name_letter_by_letter(browser: Browser, key: str, step: str) -> None:
    browser.put("data/a.bin")

    answer = browser.send(step, key)

    assert answer.status_code == (404 if step == "review" else 200)
    assert "any more" in answer.text
    assert (browser.home / "data/a.bin").exists()


def test_links_are_not_followed_when_measuring_nor_when_deleting(browser: Browser) -> None:
    other = browser.home.parent / "other"
    other.mkdir()
    (other / "large.bin").write_bytes(b"x" * 500 * KIB)
    browser.put("data/a.bin", 8 * KIB)
    (browser.home / "link").symlink_to(other)
    (browser.home / "loop").symlink_to(".")
    (browser.home / "data" / "inside").symlink_to(other)
    (browser.home / "environ").symlink_to("/proc/self/environ")
    assert not {"link", "link/large.bin", "loop", "environ"}.intersection(keys_on(browser.list()))

    refused = browser.send("delete", "link/large.bin", "data/inside/large.bin")
    assert refused.text.count("leads through a link") == 2
    browser.send("delete", "link", "loop", "environ", "data")

    assert (other / "large.bin").stat().st_size == 500 * KIB
    assert list(browser.home.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>.txt",
        '"><script>alert(1)<script>',
        "a&amp;b",
        "line\nbreak",
        "right\u202eto-left",
        "sp ace %41 + é ☃",
        b"not \xff utf-8",
    ],
)
def test_a_hostile_name_is_text_and_can_be_deleted(browser: Browser, name: str | bytes) -> None:
    file = browser.put(name)

    page = browser.list()
    (key,) = keys_on(page)
    review = browser.send("review", key)

    assert key == quote(os.fsencode(file.name))
    for text in (page, review.text):
        assert "<img" not in text
        assert "<script" not in text
        assert "\u202e" not in text
    browser.send("delete", key)
    assert not file.exists()


def test_without_the_form_of_the_page_nothing_is_deleted(browser: Browser) -> None:
    file = browser.put("a.bin")

    assert browser.send("delete", "a.bin", xsrf=False).status_code == 403
    assert browser.http.get(browser.url, params={"step": "delete", "path": "a.bin"}).status_code == 200
    assert httpx.get(browser.url).status_code == 302
    assert httpx.post(browser.url, data={"step": "delete", "path": "a.bin"}).status_code == 403
    assert file.exists()


def test_too_much_at_once_is_refused(browser: Browser) -> None:
    browser.put("a.bin")
    assert browser.send("delete", *(f"file-{number}" for number in range(201))).status_code == 400
    assert browser.send("review").status_code == 400
    assert browser.send("delete", *("x" * 30_000 for _ in range(200))).status_code == 413


def test_the_page_runs_no_script_and_is_framed_by_nobody(browser: Browser) -> None:
    answer = browser.http.get(browser.url)
    style = browser.http.get(httpx.URL(browser.url).join("../static/perijove_server/cleanup.css"))

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "style=" not in answer.text
    assert "/user/x/static/perijove_server/cleanup.css" in answer.text
    assert style.status_code == 200
    assert style.headers["Content-Type"] == "text/css"


def test_the_page_works_without_control(tmp_path: Path) -> None:
    home = tmp_path / "cleaned"
    home.mkdir()
    with jupyter_server(tmp_path, {}, f"--PerijoveServer.home_directory={home}") as server:
        for browser in _sign_in(server, home):
            browser.put("a.bin")
            browser.send("delete", "a.bin")
            page = browser.list()

    assert "1 item deleted." in page
    assert "rescue" not in page
    assert "hub/home" not in page
