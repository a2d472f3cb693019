"""Which places of the network may be gone to when strangers name them: those of the public Internet.

Whoever writes a platform file names a catalogue of others; what it answers, redirects to or links is written by
strangers. So the address of each connection is checked when it is made, whatever a name resolved to before and
whichever redirect led there: in control, which asks catalogues, and wherever a user's files of them are read.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

#: A network through which a v4 address is reached in the dress of a v6 one.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: The same of networks of one's own (RFC 8215), and forms that nobody uses any more (RFC 4291, 2765).
_INNER = [ipaddress.IPv6Network(each) for each in ("64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")]


class ForbiddenAddressError(OSError):
    """A name or an address that leads into a private network."""


@dataclass(frozen=True)
class Allowed:
    """The one private place that may be reached, a host and port of the platform file; or none."""

    host: str = ""
    port: int = 0

    @classmethod
    def of(cls, url: str, allow_private: bool) -> Allowed:
        """The place of ``url``, when the platform file allows it."""
        if not allow_private:
            return cls()
        parts = urlsplit(url)
        return cls((parts.hostname or "").casefold(), parts.port or (443 if parts.scheme == "https" else 80))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet, also when it hides in another form."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.is_site_local or any(found in network for network in _INNER):
            return False
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


def resolve(host: str, port: int, allowed: Allowed) -> list[tuple[Any, ...]]:
    """What ``socket.getaddrinfo`` gives for a host, when all of it may be reached.

    Raises:
        ForbiddenAddressError: the name leads to a private address, among others perhaps.
        OSError: the name cannot be resolved.
    """
    try:
        infos = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host[:80]!r} is no name of a host") from error
    if (host.strip("[]").casefold(), port) != (allowed.host, allowed.port):
        for info in infos:
            if not is_public(str(info[4][0])):
                raise ForbiddenAddressError(f"{host[:80]} is at a private address")
    return list(infos)


def is_outside(url: str | None, allowed: Allowed) -> bool:
    """Whether an address may be shown to users as a link, as far as it can be told without looking up its host."""
    try:
        parts = urlsplit(url or "")
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return False
    if (host, port) == (allowed.host, allowed.port):
        return True
    if ":" in host:
        return is_public(host)
    try:
        # also in the forms that browsers take for addresses, as 0x7f.1
        return is_public(socket.inet_ntoa(socket.inet_aton(host)))
    except OSError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal"))


def check_place(scheme: str, host: str | None, port: int | None, allowed: Allowed) -> tuple[str, int]:
    """Host and port of an address, as far as it can be told without looking up its host that it may be gone to.

    Numbers are looked at here in all forms that some library takes for an address: it connects to them without asking
    anybody for a name.

    Raises:
        ForbiddenAddressError: no http(s), or its host is a private address.
    """
    if scheme not in ("http", "https") or not host:
        raise ForbiddenAddressError("the address is not http(s)")
    port = port or (443 if scheme == "https" else 80)
    is_number = ":" in host or host.replace(".", "").isdigit()
    if is_number and (host, port) != (allowed.host, allowed.port) and not is_public(_plain(host)):
        raise ForbiddenAddressError(f"{host[:80]} is at a private address")
    return host, port


def check_address(url: str, allowed: Allowed) -> None:
    """Refuse an address that users must not be sent to.

    Raises:
        ForbiddenAddressError: no http(s), or its host is at a private address.
        OSError: its host cannot be found.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenAddressError("the address cannot be read") from error
    if parts.username is not None:
        raise ForbiddenAddressError("the address is not http(s)")
    resolve(*check_place(parts.scheme, parts.hostname, port, allowed), allowed)


def _plain(host: str) -> str:
    """An address in its usual form, as 127.0.0.1 for 2130706433; what is none as it is."""
    try:
        return host if ":" in host else socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return host
