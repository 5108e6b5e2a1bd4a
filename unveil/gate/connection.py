"""How an address is reached: to which machines its name leads, through which proxy, with which headers.

Nothing else has a say in that: no redirect, no variable of a library's own, no second look at the name.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from unveil.core import console
from unveil.gate import GateError, address

#: Loggers of the libraries that send: some of their lines hold what is said, or the headers.
_TALKERS = ("openai", "httpx", "httpcore", "httpx2", "httpcore2")


class Connection:
    """The way to an address, on this machine or another. ``host`` is its host and port (``address.host_of``)."""

    def __init__(self, url: str, host: str, key: str, retries: int, timeout: float):
        self.url, self.host, self.here = url, host, address.is_here(host)
        self.proxy = None if self.here else _proxy_for(url, host)
        self.machines: tuple[str, ...] | None = None
        """The addresses to which is connected, None before the name was looked up: nothing has been sent then."""
        self._key, self._retries, self._timeout = key, retries, timeout

    def notes(self) -> list[str]:
        """What a person should know before anything leaves for another machine."""
        if self.here:
            return []
        found = []
        if plain := self.url.startswith("http:"):
            found.append(f"note: what goes to {self.host} is not encrypted; https:// would be")
        if self.proxy:
            sees = "reads all of it, the key too" if plain else "learns the host's name and how much is said"
            found.append(f"note: what goes to {self.host} passes the proxy {shown(self.proxy)}, which {sees}")
        return found

    def told(self) -> dict[str, Any]:
        """For the manifest."""
        from unveil.gate import wire

        return {
            "addresses": self.machines and list(self.machines),
            "proxy": self.proxy and shown(self.proxy),
            "headers": wire.headers(self._key),
        }

    def client(self, check: Callable[[Any], None]) -> Any:
        """A client of ``openai`` that reaches no other machine; use it in a ``with`` block, which closes it.

        It repeats what may pass with growing waits. ``check`` sees each response first. Raises ``GateError`` where the
        name leads nowhere.
        """
        import httpx
        import openai

        from unveil.gate.wire import Wire

        self._look_up()
        silence()
        named = address.literal(self.host) is None and not self.proxy
        try:
            transport = Wire(self._key, self.machines or () if named else (), self.proxy)
        except ImportError as error:
            assert self.proxy
            raise GateError(f"the proxy {shown(self.proxy)} needs a package: pip install 'httpx[socks]'") from error
        http = httpx.Client(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            event_hooks={"response": [check]},
            timeout=self._timeout,
        )
        settings: dict[str, Any] = {"max_retries": self._retries, "timeout": self._timeout}
        return openai.OpenAI(base_url=self.url, api_key=self._key or "no-key", http_client=http, **settings)

    def _look_up(self) -> None:
        """Finds the machines once, and says which where they are others."""
        if self.machines is not None:
            return
        if address.is_localhost(self.host) and self.here:
            self.machines = address.LOOPBACK
        elif address.literal(self.host) is not None:
            self.machines = (address.name_of(self.host),)
        elif self.proxy:
            self.machines = ()
        else:
            self.machines = _resolved(self.host)
        if not self.here:
            where = ", ".join(self.machines) or "an address that the proxy looks up"
            console.say(f"asking {self.host}, which is {where}")


def _resolved(host: str) -> tuple[str, ...]:
    name = address.name_of(host)
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise GateError(f"{name} leads nowhere ({error}): correct the address, or look at the network") from error
    machines = tuple(dict.fromkeys(str(where[0]) for *_, where in found if "%" not in str(where[0])))
    if not machines:
        raise GateError(f"{name} leads to no address that can be asked: write the address itself")
    return machines


def _proxy_for(url: str, host: str) -> str | None:
    """The proxy that the environment names for an address of another machine."""
    proxies = getproxies()
    found = proxies.get(url.partition(":")[0]) or proxies.get("all")
    if not found or proxy_bypass(host):
        return None
    proxy = found if "://" in found else f"http://{found}"
    shown(proxy)
    return proxy


def shown(proxy: str) -> str:
    """A proxy without the name and the password that may stand in it. Raises ``GateError`` for one that is none."""
    try:
        parts = urlsplit(proxy)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https", "socks5", "socks5h"):
        raise GateError("the environment names a proxy that is no address, scheme://HOST:PORT: correct HTTPS_PROXY")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


def silence() -> None:
    """Lets the libraries that send log nothing, whatever ``OPENAI_LOG`` or a logger's level says."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _TALKERS]
    for name in {*names, *_TALKERS}:
        logger = logging.getLogger(name)
        logger.disabled = True
        logger.setLevel(logging.CRITICAL + 1)  # those that are made later have the level of the first of their name
