"""What of a browser's request goes to a dashboard, and what of its answer comes back; pure.

All three are lists of what is let through. A browser sends this server's cookies, its tokens and where it comes from
with every request, in headers and in the query; what is on no list stays here, whatever it is called in a later
version. What Bokeh and distributed read is known: the arguments in ``bokeh/server/views`` and
``distributed/dashboard``, the headers of a GET.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit

from perijove.errors import BadRequest, NotFound

REQUEST_HEADERS = frozenset(
    {
        "accept", "accept-encoding", "accept-language", "bokeh-session-id", "content-type", "if-modified-since",
        "if-none-match", "if-range", "range", "user-agent",
    }
)  # fmt: skip
SOCKET_HEADERS = frozenset({"accept-language", "user-agent"})
ANSWER_HEADERS = frozenset(
    {
        "accept-ranges", "content-disposition", "content-encoding", "content-language", "content-length",
        "content-range", "content-type", "etag", "last-modified", "vary",
    }
)  # fmt: skip
ARGUMENTS = frozenset(
    {
        "bokeh-absolute-url", "bokeh-app-path", "bokeh-autoload-element", "bokeh-protocol-version", "bokeh-session-id",
        "bokeh-token", "key", "resources", "theme", "v",
    }
)  # fmt: skip
ARGUMENTS_MAX = 100
PATH_MAX_CHARS = 4096
#: Bokeh offers its own name and a token.
PROTOCOLS_MAX = 8
PROTOCOLS_MAX_CHARS = 32_768
_DECODINGS = 3

#: Where a scheduler leads on to other servers: to dashboards of workers, and to a Jupyter server of its own.
_LEADS_ON = frozenset({"proxy", "jupyter"})


def page_of(raw: str) -> str | None:
    """The path of a page below a dashboard, encoded as it came; None if it is none.

    Dots that lead upward are refused however often they are encoded, and so is what a server may take for a slash.
    """
    if not raw.isascii() or not raw.isprintable() or len(raw) > PATH_MAX_CHARS or any(sign in raw for sign in " \\?#"):
        return None
    segments = raw.split("/")
    if "" in segments[:-1]:
        return None
    decoded = raw
    for _ in range(_DECODINGS):
        decoded = unquote(decoded, errors="replace")
        parts = decoded.replace("\\", "/").split("/")
        if not {".", ".."}.isdisjoint(parts) or any(ord(letter) < 32 or ord(letter) == 127 for letter in decoded):
            return None
        if parts[0].lower() in _LEADS_ON or ":" in parts[0]:
            return None
    return raw


def check_page(raw: str) -> str:
    """The path of a page below a dashboard, encoded as it came.

    Raises:
        NotFound: it is none.
    """
    page = page_of(raw)
    if page is None:
        raise NotFound("There is no such page in a dashboard.")
    return page


def query_upstream(query: str) -> str:
    """The arguments that a dashboard reads.

    Raises:
        BadRequest: there are too many.
    """
    try:
        given = parse_qsl(query, keep_blank_values=True, max_num_fields=ARGUMENTS_MAX)
    except ValueError:
        raise BadRequest(f"The query has more than {ARGUMENTS_MAX} arguments.") from None
    return urlencode([(name, value) for name, value in given if name in ARGUMENTS])


def headers_upstream(headers: Iterable[tuple[str, str]], allowed: frozenset[str] = REQUEST_HEADERS) -> dict[str, str]:
    """The headers of a request that a dashboard may see."""
    return {name: value for name, value in headers if name.lower() in allowed}


def headers_back(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that a browser may see."""
    return {name: value for name, value in headers.items() if name.lower() in ANSWER_HEADERS}


def location_back(location: str, asked: str, upstream: str, ours: str) -> str | None:
    """Where a redirect leads, as a path of ours; None if that is elsewhere.

    Args:
        location: as the dashboard says it.
        asked: the address that was asked.
        upstream: the address of the dashboard, with a slash at its end.
        ours: the path of the dashboard here, with a slash at its end.
    """
    if not location or not location.isascii() or not location.isprintable() or "\\" in location:
        return None
    base, target = urlsplit(upstream), urlsplit(urljoin(asked, location))
    if (target.scheme, target.netloc) != (base.scheme, base.netloc):
        return None
    # a scheduler does not know what is in front of its own paths
    below = target.path.removeprefix(base.path) if target.path.startswith(base.path) else target.path.lstrip("/")
    page = page_of(below)
    if page is None:
        return None
    return f"{ours}{page}" + (f"?{target.query}" if target.query else "")


def check_protocols(header: str) -> list[str]:
    """The subprotocols that a browser offers.

    Raises:
        BadRequest: they are too many or too long.
    """
    offered = [each.strip() for each in header.split(",") if each.strip()]
    if len(offered) > PROTOCOLS_MAX or len(header) > PROTOCOLS_MAX_CHARS:
        raise BadRequest("Too much is offered as subprotocols of the websocket.")
    return offered
