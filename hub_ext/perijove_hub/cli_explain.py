"""The commands ``perijove explain`` and ``perijove usage``: what the pages say, in a terminal.

They need nothing but what every user's image has, and ask control over HTTP as the user whose token they find.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel

from perijove.models import Candidate, Lease, Page, Placement, QuotaView, Rejection, UsageRow

#: Exit code for what the caller has to change, or has to wait for.
WRONG_USE = 2

#: Seconds to reach control, and to wait for each part of its answer.
TIMEOUT = httpx.Timeout(20.0, connect=5.0)

WHO_ASKS = """\
In a terminal of a session this works as it stands: address and token are in the environment (PERIJOVE_CONTROL_URL,
JUPYTERHUB_API_TOKEN). Elsewhere:
  --url https://science.example/services/perijove --token-file FILE
with a token of yours from the hub's token page in a file that only you can read. A token is never taken from the
command line, where others could see it. An admin's token may ask about others.
"""

EXPLAIN_DESCRIPTION = """\
Say where a session runs and why, or where one would start now: the sites that can run it with score, cost per hour and
reasons, and those that cannot, with what is in the way. Asking changes nothing.
"""

EXPLAIN_EPILOG = f"""\
why does this session run here?
  perijove explain
why does that one? By the id of its lease:
  perijove explain 5f0c1d2e3b4a59687786958473625140
where would a large session with these data start, and could it?
  perijove explain --profile large --dataset euclid-q1 --dataset sdss

{WHO_ASKS}"""

USAGE_DESCRIPTION = """\
Say which limits there are and what is used of them, and what was used on which day. Asking changes nothing.
"""

USAGE_EPILOG = f"""\
my limits, and the last 30 days by day:
  perijove usage
this year by site and kind of workload:
  perijove usage --since 2026-01-01 --by site --by kind
what a group has used, by user (admins):
  perijove usage --group euclid --by user

{WHO_ASKS}"""

#: What can be summed by; the first is the default.
KEYS = ("day", "site", "kind", "user", "group")

Answer = TypeVar("Answer", bound=BaseModel)


class ControlProblem(Exception):
    """Control cannot be asked, or said no. The message is one sentence for the caller."""


@dataclass(frozen=True)
class Control:
    """Where control is, and who asks.

    Args:
        url: of the service, as ``https://science.example/services/perijove``.
        token: of the caller; sent to ``url`` only.
    """

    url: str
    token: str

    def ask(self, answer: type[Answer], method: str, path: str, **sent: Any) -> tuple[Answer, Any]:
        """One request; the answer as its model, and as the JSON that it was.

        Raises:
            ControlProblem: control does not answer, says no, or answers something else.
        """
        headers = {"Authorization": f"token {self.token}", "Accept": "application/json"}
        try:
            response = httpx.request(
                method, f"{self.url}/api/v1/{path}", headers=headers, timeout=TIMEOUT, follow_redirects=False, **sent
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ControlProblem(f"control at {self.url} does not answer: {error or type(error).__name__}") from error
        if response.status_code != 200:
            raise ControlProblem(_detail(response) or f"control at {self.url} answered {response.status_code}")
        try:
            return answer.model_validate_json(response.content), response.json()
        except ValueError as error:
            raise ControlProblem(f"{self.url} answered something else than control does: is it its address?") from error


def add_explain_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``explain`` and ``usage``."""
    explain = _command(
        commands, "explain", "say where a session runs, or would, and why", EXPLAIN_DESCRIPTION, EXPLAIN_EPILOG
    )
    explain.add_argument(
        "lease",
        nargs="?",
        metavar="LEASE_ID",
        help="of a session that was started (default: this one; outside of a session, a dry run)",
    )
    explain.add_argument("--profile", metavar="PROFILE", help="a dry run with this profile")
    explain.add_argument("--dataset", action="append", default=[], metavar="ID", help="a dataset to work with")
    explain.add_argument("--site", metavar="SITE", help="insist on a site")
    explain.add_argument("--charge-to", metavar="GROUP", help="the group that pays, of several")
    explain.add_argument("--without-home", action="store_true", help="scratch only, where the home is not mounted")
    explain.add_argument("--image", metavar="IMAGE", help="a container image, where the profile lets you name one")
    explain.set_defaults(run=_told(_explain))

    usage = _command(commands, "usage", "say what is used of which limit, and when", USAGE_DESCRIPTION, USAGE_EPILOG)
    usage.add_argument("--since", type=_day, metavar="DAY", help="the first day (default: 30 days)")
    usage.add_argument("--until", type=_day, metavar="DAY", help="the last day (default: today)")
    usage.add_argument(
        "--by", action="append", choices=KEYS, help="sum by day (default), site, kind, user or group; may be repeated"
    )
    usage.add_argument("--user", metavar="NAME", help="of another user, or * for all (admins)")
    usage.add_argument("--group", metavar="GROUP", help="only what was charged to a group (admins: of everybody)")
    usage.set_defaults(run=_told(_usage))


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=text,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", metavar="URL", help="of control (default: $PERIJOVE_CONTROL_URL)")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="holds a token of the hub (default: $JUPYTERHUB_API_TOKEN)"
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    return parser


def _told(run: Callable[[Control, argparse.Namespace], None]) -> Callable[[argparse.Namespace], int]:
    def told(options: argparse.Namespace) -> int:
        try:
            run(_control(options, os.environ), options)
        except ControlProblem as problem:
            print(f"perijove: {_printable(str(problem))}", file=sys.stderr)
            return WRONG_USE
        return 0

    return told


def _control(options: argparse.Namespace, environment: Mapping[str, str]) -> Control:
    """Address and token; those of the environment belong together and are not sent elsewhere."""
    known = environment.get("PERIJOVE_CONTROL_URL", "").rstrip("/")
    url = (options.url or known).rstrip("/")
    if not url:
        raise ControlProblem("where is control? Give --url, as https://science.example/services/perijove")
    if not _is_address(url):
        raise ControlProblem("--url: expected an http(s) address without user or query")
    if options.token_file is not None:
        return Control(url, _read_token(options.token_file))
    if url != known:
        raise ControlProblem("--url: give the token for this address too, with --token-file")
    token = environment.get("JUPYTERHUB_API_TOKEN", "")
    if not token:
        raise ControlProblem("who asks? Give --token-file FILE with a token from the hub's token page")
    return Control(url, token)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and not parts.query


def _read_token(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ControlProblem(f"--token-file: {path} cannot be read") from error
    # what is no token would make a header that the error message then repeats
    if not re.fullmatch(r"[!-~]{1,4096}", token):
        raise ControlProblem(f"--token-file: {path} holds no token; expected one line")
    return token


def _detail(response: httpx.Response) -> str | None:
    """The sentence of a problem+json answer, if it is one."""
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return None
    return detail[:2000] if isinstance(detail, str) else None


# --- explain ------------------------------------------------------------------------------------------------------


def _explain(control: Control, options: argparse.Namespace) -> None:
    wish = {
        "profile": options.profile,
        "datasets": options.dataset,
        "site": options.site,
        "charge_to": options.charge_to,
        "without_home": options.without_home,
        "image": options.image,
    }
    wish = {key: value for key, value in wish.items() if value}
    if options.lease and wish:
        raise ControlProblem("either a LEASE_ID, or what a session would have; not both")
    lease_id = options.lease or ("" if wish else os.environ.get("PERIJOVE_LEASE_ID", ""))
    if lease_id:
        if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", lease_id):
            raise ControlProblem(f"{lease_id!r} is no id of a lease")
        lease, said = control.ask(Lease, "GET", f"leases/{lease_id}")
        lines = [_lease_line(lease), *_sites(lease.explanation.candidates, lease.explanation.rejected)]
        summary = lease.explanation.summary
    else:
        placement, said = control.ask(Placement, "POST", "placements", json=wish)
        lines = [*_standing(placement), *_sites(placement.candidates, placement.rejected)]
        summary = placement.summary
    _print(said if options.json else [summary, *lines])


def _lease_line(lease: Lease) -> str:
    name = f" {lease.name!r}" if lease.name else ""
    where = f" at {lease.site}" if lease.site else ""
    why = f" ({lease.reason})" if lease.reason else ""
    return f"{lease.kind}{name} of {lease.owner}{where}: {lease.state}{why}; asked for at {_time(lease.created)}"


def _standing(placement: Placement) -> list[str]:
    if not placement.allowed:
        return [] if placement.reason == placement.summary else [f"It would be refused now: {placement.reason}"]
    payer = f" It is charged to {placement.charge_to}." if placement.charge_to else ""
    lasts = placement.lasts_hours
    left = f" The tightest limit lasts for {_number(lasts)} hours of it." if lasts is not None else ""
    return [f"It would start now.{payer}{left}"]


def _sites(candidates: Sequence[Candidate], rejected: Sequence[Rejection]) -> list[str]:
    lines = []
    for place, candidate in enumerate(candidates, 1):
        lines.append(f"{place}. {candidate.title}: score {candidate.score:.2f}, {_money(candidate.cost_hour)} per hour")
        lines += [f"     {reason}" for reason in candidate.reasons]
    for rejection in rejected:
        lines.append(f"-  {rejection.title} cannot run it:")
        lines += [f"     {reason}" for reason in rejection.reasons]
    return lines


# --- usage --------------------------------------------------------------------------------------------------------


def _usage(control: Control, options: argparse.Namespace) -> None:
    keys = list(dict.fromkeys(options.by or KEYS[:1]))
    about = {"since": options.since, "until": options.until, "by": keys, "user": options.user, "group": options.group}
    rows, used = control.ask(
        Page[UsageRow], "GET", "usage", params={key: value for key, value in about.items() if value is not None}
    )
    quotas, limits = Page[QuotaView](items=[]), None
    if options.user != "*" and not options.group:
        quotas, limits = control.ask(
            Page[QuotaView], "GET", "quotas", params={"user": options.user} if options.user else {}
        )
    if options.json:
        _print({"quotas": limits and limits["items"], "usage": used["items"]})
        return
    _print([*_limits(quotas.items), *([""] if quotas.items else []), *_sums(rows.items, keys)])


def _limits(quotas: Sequence[QuotaView]) -> list[str]:
    table = [("limit", "used", "of", "", "over", "for", "")]
    for view in quotas:
        over = "at once" if view.window is None else view.window
        until = f" until {_time(view.window_end)}" if view.window_end else ""
        told = "" if view.state == "ok" else view.state
        subject = "you" if view.per == "user" else view.subject
        table.append((view.name, _number(view.used), _number(view.limit), view.unit, over + until, subject, told))
    return _columns(table, right={1, 2}) if quotas else []


def _sums(rows: Sequence[UsageRow], keys: Sequence[str]) -> list[str]:
    if not rows:
        return ["Nothing was used in these days."]
    amounts = ("cpu_hours", "memory_gib_hours", "gpu_hours", "session_hours", "cost")
    names = ("core hours", "GiB hours", "GPU hours", "session hours", f"cost {_currency()}".strip())
    table = [(*keys, *names)]
    table += [
        (*(str(getattr(row, key) or "-") for key in keys), *(f"{getattr(row, amount):.2f}" for amount in amounts))
        for row in rows
    ]
    total = [f"{sum(getattr(row, amount) for row in rows):.2f}" for amount in amounts]
    table.append(("in all", *[""] * (len(keys) - 1), *total))
    return _columns(table, right=set(range(len(keys), len(keys) + len(amounts))))


# --- words --------------------------------------------------------------------------------------------------------


def _print(said: Any) -> None:
    """Lines of text, or anything else as JSON. Nothing that a name holds reaches the terminal as a command."""
    if isinstance(said, list):
        print("\n".join(_printable(line).rstrip() for line in said))
    else:
        print(json.dumps(said, indent=2))


def _printable(text: str) -> str:
    flat = text.translate({ord(sign): " " for sign in "\n\r\t"})
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in flat)


def _columns(table: Sequence[Sequence[str]], right: set[int]) -> list[str]:
    widths = [max(len(_printable(row[column])) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(
            _printable(cell).rjust(width) if column in right else _printable(cell).ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]


def _number(amount: float) -> str:
    return f"{amount:.2f}".rstrip("0").rstrip(".")


def _money(amount: float) -> str:
    return f"{amount:.3f} {_currency()}".rstrip()


def _currency() -> str:
    """What prices are in, which a session of the platform is told."""
    return os.environ.get("PERIJOVE_CURRENCY", "")


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _day(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no day, as 2026-01-31")
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: {error}") from error
