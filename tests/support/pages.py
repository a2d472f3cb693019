"""A browser without a screen: it logs in, reads pages, and sends the forms that they hold.

Every page that it reads is held to what all pages promise: safe headers, no inline script or style, tags that close.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from tornado.web import create_signed_value

from .control_bed import PREFIX, ControlBed

#: Elements that have no end tag.
VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "circle", "ellipse", "line", "path", "rect"})

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}


@dataclass
class FormSeen:
    """A form of a page: where it goes, and what its fields hold."""

    method: str
    action: str | None
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """What a browser shows of a page."""

    def __init__(self, status: int, headers: dict[str, str], html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.status, self.headers, self.html = status, headers, html
        self.title, self.heading = "", ""
        self.links: dict[str, str] = {}
        self.forms: list[FormSeen] = []
        self.rows: list[list[str]] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self._words: list[str] = []
        self._link: str | None = None
        self._link_words: list[str] = []
        self._select: str | None = None
        self._area: str | None = None
        self._is_first_option = True
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        for name, value in HEADERS.items():
            assert headers[name] == value
        self.feed(html)
        assert not self._open, f"left open: {self._open}"
        assert len(self.ids) == len(set(self.ids)), "an id is there twice"

    @property
    def text(self) -> str:
        """The words of the page, with single spaces."""
        return " ".join(" ".join(self._words).split())

    def form(self, action: str | None = None) -> FormSeen:
        """The form that goes to a path below the root; None: the one that goes where the page is."""
        wanted = PREFIX + action if action is not None else None
        (found,) = [each for each in self.forms if each.action == wanted and each.method == "post"]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        assert not [name for name in said if name == "style" or name.startswith("on")], said
        assert tag != "style"
        assert tag != "script" or said["src"].startswith(f"{PREFIX}static/")
        if "id" in said:
            self.ids.append(said["id"])
        if tag not in VOID:
            self._open.append(tag)
        match tag:
            case "a":
                self._link, self._link_words = said["href"], []
            case "form":
                self.forms.append(FormSeen(said.get("method", "get"), said.get("action")))
            case "input" | "textarea" | "select" if self.forms:
                self._field(tag, said)
            case "option" if self._select:
                # a browser takes the first where none is chosen
                if "selected" in said or self._is_first_option:
                    self.forms[-1].fields[self._select] = said["value"]
                self._is_first_option = False
            case "button" if self.forms:
                self.forms[-1].buttons.append((said.get("name", ""), said.get("value", "")))
            case "tr":
                self.rows.append([])
            case "td" | "th" if self.rows:
                self.rows[-1].append("")

    def _field(self, tag: str, said: dict[str, str]) -> None:
        name = said.get("name", "")
        self.forms[-1].fields[name] = said.get("value", "")
        self._select, self._is_first_option = (name if tag == "select" else None), True
        self._area = name if tag == "textarea" else None

    def handle_endtag(self, tag: str) -> None:
        assert tag not in VOID
        assert self._open[-1:] == [tag], f"</{tag}> closes nothing"
        self._open.pop()
        if tag == "a" and self._link is not None:
            self.links[" ".join(" ".join(self._link_words).split())] = self._link
            self._link = None
        if tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if "title" in self._open:
            self.title += data
            return
        if self._area is not None:
            self.forms[-1].fields[self._area] += data
        self._words.append(data)
        if "h1" in self._open:
            self.heading += data
        if self._link is not None:
            self._link_words.append(data)
        if self.rows and self.rows[-1] and {"td", "th"}.intersection(self._open):
            self.rows[-1][-1] = " ".join(f"{self.rows[-1][-1]} {data}".split())

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # as in SVG: the element is closed at once
        if tag not in VOID:
            self._open.append(tag)
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()


@dataclass
class Answered:
    """What control answered to a form: a page, or where to go."""

    status: int
    headers: dict[str, str]
    html: str

    @property
    def page(self) -> Page:
        """The page."""
        return Page(self.status, self.headers, self.html)


class Browser:
    """Somebody in front of the pages of control, who is logged in by cookie, as browsers are."""

    def __init__(self, control: ControlBed, token: str) -> None:
        self._control = control
        value = create_signed_value(control.app.settings["cookie_secret"], "service-perijove", token)
        self.cookies = {"service-perijove": value.decode()}

    async def call(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> Answered:
        """One request below the root; cookies are kept."""
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if method == "POST":
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        url = self._control.url + (path if path.startswith("/") else PREFIX + path)
        async with self._control.http.request(
            method, url, data=body.encode(), headers=sent | (headers or {}), allow_redirects=False
        ) as answer:
            html = await answer.text()
            self._control.texts.append(html)
            for cookie in answer.headers.getall("Set-Cookie", []):
                name, _, value = cookie.partition(";")[0].partition("=")
                if value in ("", '""'):
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = value
            return Answered(answer.status, dict(answer.headers), html)

    async def get(self, path: str = "", status: int = 200) -> Page:
        """Open a page."""
        answer = await self.call("GET", path)
        assert answer.status == status, answer.html
        return answer.page

    async def post(self, path: str, fields: dict[str, str], headers: dict[str, str] | None = None) -> Answered:
        """Send fields as they are."""
        return await self.call("POST", path, urlencode(fields), headers)

    async def send(self, page: Page, action: str | None = None, **written: str) -> Answered:
        """Fill in a form of a page and send it to where it goes."""
        form = page.form(action)
        target = form.action.removeprefix(PREFIX) if form.action is not None else self._here
        return await self.post(target, {**form.fields, **written})

    async def open(self, path: str = "") -> Page:
        """Open a page and stay there, for forms that go where they are."""
        self._here = path
        return await self.get(path)

    async def change(self, page: Page, action: str | None = None, **written: str) -> Page:
        """Send a form, say yes to the page that asks, and follow to the page that says what was done."""
        asked = await self.send(page, action, **written)
        assert asked.status == 200, asked.html
        target = asked.page.forms[0].action or ""
        return await self.follow(await self.post(target, {**asked.page.forms[0].fields, "choice": "yes"}))

    async def follow(self, answer: Answered) -> Page:
        """Go where an answer sends a browser after a change."""
        assert answer.status == 303, answer.html
        return await self.get(answer.headers["Location"])


def said(page: Page) -> str:
    """What a page says was done, or was wrong."""
    found = re.search(r'role="(?:status|alert)">(.*?)</(?:p|div)>', page.html, re.S)
    assert found, page.text
    return text_of(found[1])


def text_of(html: str) -> str:
    """The words of a piece of a page."""
    words: list[str] = []
    reader = HTMLParser(convert_charrefs=True)
    reader.handle_data = words.append  # type: ignore[method-assign]  # a parser that only listens to words
    reader.feed(html)
    return " ".join(" ".join(words).split())


def fields_at_fault(page: Page) -> dict[str, Any]:
    """What is wrong with which field, as the page says beside it."""
    found = re.findall(r'<p class="fault" id="e-([^"]+)">(.*?)</p>', page.html, re.S)
    return {name: text_of(fault) for name, fault in found}
