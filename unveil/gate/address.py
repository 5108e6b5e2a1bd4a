"""Which addresses may be asked. One on the loopback is this machine: nothing leaves, and nothing is checked."""

from __future__ import annotations

import ipaddress
import re

from unveil.gate import GateError

# Written out so that nothing else can read another host from it; a user's name or a key has no place in it.
_ADDRESS = re.compile(r"https?://(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)(?P<port>:\d+)?(?:/[\w./~-]*)?", re.A)

#: To what ``localhost`` is connected, one after the other: the name itself is never looked up.
LOOPBACK = ("127.0.0.1", "::1")


def host_of(address: str, allow_remote: bool, option: str = "--expert", prefix: str = "--") -> str:
    """Host and port of an address that may be asked; raises for one on another machine unless that is allowed.

    ``option`` is where the address was given, and ``prefix`` what options beside it begin with, for the message.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:  # the address is not repeated: a key may stand in it
        raise GateError(
            f"{option}: an address is http(s)://HOST:PORT/PATH, such as http://127.0.0.1:8000/v1, without user, key or "
            f"query; a key is read from the environment variable that {prefix}key-variable names"
        )
    if not (is_here(found["host"]) or allow_remote):
        raise GateError(
            f"{found['host']} is another machine: images and texts would leave this one. See what with "
            f"{prefix}dry-run, and allow it with {prefix}allow-remote"
        )
    return found["host"] + (found["port"] or "")


def name_of(host: str) -> str:
    """A host without port and brackets."""
    return (host if host.endswith("]") else re.sub(r":\d+$", "", host)).strip("[]")


def is_localhost(host: str) -> bool:
    """Whether a host is called localhost; what that means is not left to a resolver (``LOOPBACK``)."""
    return name_of(host).lower().removesuffix(".") == "localhost"


def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is written as, None for a name; short and octal forms are names."""
    try:
        return ipaddress.ip_address(name_of(host))
    except ValueError:
        return None


def is_here(host: str) -> bool:
    """Whether a host (with or without a port) is this machine by how it is written: localhost, 127.0.0.0/8, ::1.

    All else is another machine, wherever it leads: ``127.1``, ``0.0.0.0``, IPv4 within IPv6, names that resolve to the
    loopback.
    """
    address = literal(host)
    if address is None:
        return is_localhost(host)
    loopback = "127.0.0.0/8" if address.version == 4 else "::1/128"
    return address in ipaddress.ip_network(loopback)
