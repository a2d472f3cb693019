"""`perijove explain` and `perijove usage`, against control as it is."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp.web
import pytest

from perijove_hub.cli import main
from perijove_hub.ledger.schema import leases
from tests.support.control_bed import PREFIX, SECRET, ControlBed, running_control
from tests.support.platforms import GIB, dataset, profile, replica, site

POLICY: dict[str, Any] = {
    "sites": {
        "esac": site(price={"cpu_hour": 0.01, "memory_gib_hour": 0.002}, mounts_homes_of=["cloud-eu"]),
        "cloud-eu": site("Cloud EU", "eu-de-1", cpu=16, price={"cpu_hour": 0.05}, mounts_homes_of=["esac"]),
        "moon": site("Moon", "moon", groups=["staff"]),
    },
    "profiles": {"standard": profile(), "huge": profile("Huge", cpu=99)},
    "quotas": [
        {"name": "two-sessions", "resource": "sessions", "limit": 2},
        {"name": "monthly-cores", "resource": "cpu_hours", "limit": 40, "window": "month"},
    ],
    "datasets": {"sky": dataset(replica(site="esac"), size_bytes=GIB)},
}

#: What a standard session with the sky is told, whether it runs or would.
SITES = """\
1. ESAC: score 1.00, 0.014 EUR per hour
     holds sky
     has 8 of 8 cores free
     costs 0.014 EUR an hour
2. Cloud EU: score 0.50, 0.050 EUR per hour
     would move 1.0 GiB
     has 16 of 16 cores free
     costs 0.05 EUR an hour
-  Moon cannot run it:
     is for staff only
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


class Terminal:
    """Runs the command as in a terminal: of a session of Ana, or with what a test puts into the environment."""

    def __init__(
        self, control: ControlBed, capsys: pytest.CaptureFixture[str], environment: pytest.MonkeyPatch
    ) -> None:
        self.control, self._capsys, self._environment = control, capsys, environment
        self.url = f"{control.url}{PREFIX.rstrip('/')}"
        self.set(PERIJOVE_CONTROL_URL=self.url, JUPYTERHUB_API_TOKEN=control.ana, PERIJOVE_CURRENCY="EUR")
        self.set(PERIJOVE_LEASE_ID="")

    def set(self, **environment: str) -> None:
        for name, value in environment.items():
            self._environment.setenv(name, value)

    async def run(self, *arguments: str) -> Ended:
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, arguments)
        printed = self._capsys.readouterr()
        self.control.texts += [printed.out, printed.err]
        return Ended(code, printed.out, printed.err)

    async def refusal(self, *arguments: str) -> str:
        ended = await self.run(*arguments)
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert ended.err.startswith("perijove: ")
        return ended.err.removeprefix("perijove: ").removesuffix("\n")


@pytest.fixture
async def terminal(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Terminal]:
    async with running_control(tmp_path, caplog, **POLICY) as control:
        yield Terminal(control, capsys, monkeypatch)


def token_file(directory: Path, token: str) -> str:
    path = directory / "token"
    path.write_text(f"{token}\n")
    path.chmod(0o600)
    return str(path)


async def test_a_dry_run_says_where_a_session_would_start_and_why(terminal: Terminal) -> None:
    ended = await terminal.run("explain", "--profile", "standard", "--dataset", "sky")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "ESAC: it holds sky; the other site would move 1.0 GiB\n"
        "It would start now. It is charged to astro. The tightest limit lasts for 40 hours of it.\n" + SITES
    )
    assert (await terminal.control.get("leases", terminal.control.ana)).body["items"] == []


async def test_the_words_are_those_of_the_answer(terminal: Terminal) -> None:
    body = {"profile": "standard", "datasets": ["sky"], "site": "cloud-eu", "without_home": True}
    answer = await terminal.control.call("POST", "placements", terminal.control.ana, body=body)
    asked = ("explain", "--profile", "standard", "--dataset", "sky", "--site", "cloud-eu", "--without-home")
    assert json.loads((await terminal.run(*asked, "--json")).out) == answer.body
    printed = (await terminal.run(*asked)).out
    said = [answer.body["summary"]]
    for each in [*answer.body["candidates"], *answer.body["rejected"]]:
        said += [each["title"], *each["reasons"]]
    assert [words for words in said if words not in printed] == []


async def test_a_session_that_could_not_start_says_what_is_in_the_way(terminal: Terminal) -> None:
    ended = await terminal.run("explain", "--profile", "huge")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "No site can run this now: Cloud EU has 16 cores in all, and 99 are needed; "
        "ESAC has 8 cores in all, and 99 are needed; Moon is for staff only.\n"
        "-  Cloud EU cannot run it:\n"
        "     has 16 cores in all, and 99 are needed\n"
        "-  ESAC cannot run it:\n"
        "     has 8 cores in all, and 99 are needed\n"
        "-  Moon cannot run it:\n"
        "     is for staff only\n"
        "     has 8 cores in all, and 99 are needed\n"
    )


async def test_a_limit_in_the_way_is_told_beside_the_place(terminal: Terminal) -> None:
    for _ in range(2):
        await terminal.control.start("ana")
    ended = await terminal.run("explain", "--profile", "standard", "--dataset", "sky")
    second = ended.out.splitlines()[1]
    assert second.startswith("It would be refused now: ")
    assert "two-sessions" in second


async def test_a_session_says_why_it_runs_where_it_runs(terminal: Terminal, tmp_path: Path) -> None:
    offer = await terminal.control.start("ana", datasets=["sky"], profile="standard", name="lab")
    expected = (
        "ESAC: it holds sky; the other site would move 1.0 GiB\n"
        "session 'lab' of ana at esac: active; asked for at 2026-03-01 12:00 UTC\n" + SITES
    )
    assert await terminal.run("explain", offer["id"]) == Ended(0, expected, "")
    # in a terminal of that session, the session itself is meant
    terminal.set(PERIJOVE_LEASE_ID=offer["id"])
    assert await terminal.run("explain") == Ended(0, expected, "")
    said = json.loads((await terminal.run("explain", "--json")).out)
    assert said == (await terminal.control.get(f"leases/{offer['id']}", terminal.control.ana)).body
    # an admin reads the same
    admin = ("--url", terminal.url, "--token-file", token_file(tmp_path, terminal.control.admin))
    assert await terminal.run("explain", offer["id"], *admin) == Ended(0, expected, "")


async def test_what_control_refuses_is_told_in_its_words(terminal: Terminal) -> None:
    offer = await terminal.control.start("bob")
    said = (await terminal.control.get(f"leases/{offer['id']}", terminal.control.ana)).detail
    assert await terminal.refusal("explain", offer["id"]) == said
    assert await terminal.refusal("explain", "--dataset", "nothing") == (
        "There is no dataset 'nothing' that you may read."
    )
    terminal.set(JUPYTERHUB_API_TOKEN="no-token")
    assert "token" in await terminal.refusal("explain", "--dataset", "sky")


async def test_names_of_others_are_no_commands_to_the_terminal(terminal: Terminal, tmp_path: Path) -> None:
    body = {"owner": "bob", "kind": "session", "attempt_id": "2" * 32, "name": "lab"}
    offer = (await terminal.control.call("POST", "leases", SECRET, body=body)).body
    # such a name is refused today; an older ledger may hold one
    async with terminal.control.state.database.write() as connection:
        await connection.execute(leases.update().values(name="lab\x1b[2J\x9b31m\r\nroot"))
    admin = ("--url", terminal.url, "--token-file", token_file(tmp_path, terminal.control.admin))
    printed = (await terminal.run("explain", offer["id"], *admin)).out
    assert {sign for sign in printed if not sign.isprintable()} == {"\n"}
    assert printed.splitlines()[1].startswith("session ")


async def test_usage_tells_the_limits_and_the_days(terminal: Terminal) -> None:
    await terminal.control.start("ana", datasets=["sky"])
    terminal.control.clock.advance(2 * 3600)
    ended = await terminal.run("usage")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "limit          used  of              over                              for",
        "two-sessions      1   2  sessions    at once                           you",
        "monthly-cores     2  40  core hours  month until 2026-04-01 00:00 UTC  you",
        "",
        "day         core hours  GiB hours  GPU hours  session hours  cost EUR",
        "2026-03-01        2.00       4.00       0.00           2.00      0.03",
        "in all            2.00       4.00       0.00           2.00      0.03",
    ]


async def test_usage_is_summed_by_what_is_asked_for(terminal: Terminal, tmp_path: Path) -> None:
    await terminal.control.start("ana")
    await terminal.control.start("bob")
    terminal.control.clock.advance(3600)
    admin = ("--url", terminal.url, "--token-file", token_file(tmp_path, terminal.control.admin))
    ended = await terminal.run("usage", "--by", "user", "--by", "site", "--user", "*", *admin)
    assert [line.split()[:3] for line in ended.out.splitlines()] == [
        ["user", "site", "core"],
        ["ana", "esac", "1.00"],
        ["bob", "esac", "1.00"],
        ["in", "all", "2.00"],
    ]
    said = json.loads((await terminal.run("usage", "--by", "kind", "--json")).out)
    assert said["usage"] == (await terminal.control.get("usage", terminal.control.ana, by="kind")).body["items"]
    assert said["quotas"] == (await terminal.control.get("quotas", terminal.control.ana)).body["items"]
    nothing = await terminal.run("usage", "--since", "2025-01-01", "--until", "2025-01-31")
    assert nothing.out.endswith("\n\nNothing was used in these days.\n")


async def test_others_are_for_admins(terminal: Terminal) -> None:
    said = (await terminal.control.get("usage", terminal.control.ana, user="bob")).detail
    assert await terminal.refusal("usage", "--user", "bob") == said


@pytest.mark.parametrize(
    ("environment", "arguments", "sentence"),
    [
        (
            {"PERIJOVE_CONTROL_URL": ""},
            [],
            "where is control? Give --url, as https://science.example/services/perijove",
        ),
        ({"JUPYTERHUB_API_TOKEN": ""}, [], "who asks? Give --token-file FILE with a token from the hub's token page"),
        # the token of the environment is for the address of the environment
        ({}, ["--url", "http://127.0.0.1:9"], "--url: give the token for this address too, with --token-file"),
        ({}, ["--url", "ftp://control"], "--url: expected an http(s) address without user or query"),
        ({}, ["--url", "http://me:canary@control"], "--url: expected an http(s) address without user or query"),
        ({}, ["--url", "http://[1"], "--url: expected an http(s) address without user or query"),
        ({}, ["--token-file", "{missing}"], "--token-file: {missing} cannot be read"),
        ({}, ["--token-file", "{empty}"], "--token-file: {empty} holds no token; expected one line"),
        ({}, ["--token-file", "{lines}"], "--token-file: {lines} holds no token; expected one line"),
    ],
)
@pytest.mark.parametrize("command", ["explain", "usage"])
async def test_who_asks_what_is_settled_before_anything_is_sent(
    command: str,
    environment: dict[str, str],
    arguments: list[str],
    sentence: str,
    terminal: Terminal,
    tmp_path: Path,
) -> None:
    files = {"missing": str(tmp_path / "missing")}
    for name, text in (("empty", "\n"), ("lines", "one\ntwo\n")):
        files[name] = str(tmp_path / name)
        (tmp_path / name).write_text(text)
    terminal.set(**environment)
    told = await terminal.refusal(command, *(argument.format(**files) for argument in arguments))
    assert told == sentence.format(**files)


async def test_a_lease_and_a_wish_are_two_questions(terminal: Terminal) -> None:
    assert await terminal.refusal("explain", "1" * 32, "--profile", "standard") == (
        "either a LEASE_ID, or what a session would have; not both"
    )
    assert await terminal.refusal("explain", "../quotas") == "'../quotas' is no id of a lease"


async def test_control_that_is_not_there_is_one_sentence(terminal: Terminal, tmp_path: Path) -> None:
    token = token_file(tmp_path, "t")
    told = await terminal.refusal("usage", "--url", "http://127.0.0.1:9/x/", "--token-file", token)
    assert told.startswith("control at http://127.0.0.1:9/x does not answer: ")


async def test_a_token_does_not_follow_an_answer_elsewhere(terminal: Terminal, tmp_path: Path) -> None:
    seen: list[str] = []

    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        seen.append(request.path)
        if request.path.startswith("/moved"):
            raise aiohttp.web.HTTPFound("/elsewhere")
        return aiohttp.web.json_response({"hello": "world"})

    app = aiohttp.web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    try:
        listening = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await listening.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        sent = ("--token-file", token_file(tmp_path, "t"))
        assert await terminal.refusal("explain", "--url", f"{url}/moved", *sent) == (
            f"control at {url}/moved answered 302"
        )
        assert await terminal.refusal("explain", "--url", f"{url}/other", *sent) == (
            f"{url}/other answered something else than control does: is it its address?"
        )
    finally:
        await runner.cleanup()
    assert seen == ["/moved/api/v1/placements", "/other/api/v1/placements"]


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "20260301", "2026-3-1"])
def test_a_day_is_written_as_a_day(day: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["usage", "--since", day])
    assert ended.value.code == 2
    assert f"argument --since: {day!r} is no day" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["explain", "usage"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for taught in (f"perijove {command}", "--token-file", "PERIJOVE_CONTROL_URL", "JUPYTERHUB_API_TOKEN", "--json"):
        assert taught in out


@pytest.mark.parametrize("command", ["explain", "usage"])
def test_it_works_in_an_image_without_the_side_of_the_hub(command: str) -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['ruamel', 'sqlalchemy', 'tornado', 'jupyterhub', 'aiohttp']));"
        f"from perijove_hub.cli import main; print(main(['{command}']), main(['check', 'x']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={})
    assert ended.stdout == "2 2\n"
    assert ended.stderr == (
        "perijove: where is control? Give --url, as https://science.example/services/perijove\n"
        "perijove: ruamel.yaml is missing: install the hub's side with pip install 'perijove[hub]'\n"
    )


async def test_an_image_that_is_not_allowed_is_told_with_what_would_be(terminal: Terminal) -> None:
    printed = (await terminal.run("explain", "--image", "evil/lab:1")).out
    assert "It would be refused now: Profile Standard takes no image of yours, and you named 'evil/lab:1'" in printed
