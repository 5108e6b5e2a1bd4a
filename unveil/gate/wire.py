"""The last station before the network: which machine a request goes to, and what stands at its head.

Imported late, as it needs ``httpx``.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

#: All headers that are ever sent, in this order; ``Authorization`` where there is a key.
HEADERS = (
    "Host",
    "User-Agent",
    "Accept",
    "Accept-Encoding",
    "Connection",
    "Authorization",
    "Content-Type",
    "Content-Length",
)


class Wire(httpx.BaseTransport):
    """Sends requests to the given machines only, one after the other until one takes the connection, with headers of
    its own making. Without ``machines`` the address is a literal one, or ``proxy`` looks it up."""

    def __init__(self, key: str, machines: Sequence[str] = (), proxy: str | None = None):
        limits = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
        # the environment is asked for certificates (SSL_CERT_FILE) and for nothing else
        self._inner = httpx.HTTPTransport(limits=limits, proxy=proxy)
        self._key, self._machines = key, tuple(machines)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body, headers = request.read(), self._headers(request)
        for machine in self._machines[:-1]:
            try:
                return self._inner.handle_request(_to(machine, request, headers, body))
            except (httpx.ConnectError, httpx.ConnectTimeout):  # nothing was sent
                continue
        return self._inner.handle_request(_to(self._machines[-1] if self._machines else "", request, headers, body))

    def close(self) -> None:
        self._inner.close()

    def _headers(self, request: httpx.Request) -> dict[str, str]:
        """All that stands at the head of a request; nothing that a library or the environment adds is among it."""
        own = {
            "Host": request.headers["Host"],
            "User-Agent": "unveil",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Connection": "keep-alive",
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Content-Length": str(len(request.content)),
        }
        return {name: own[name] for name in headers(self._key)}


def headers(key: str) -> list[str]:
    """The names of the headers that are sent with a key, or without."""
    return [name for name in HEADERS if key or name != "Authorization"]


def _to(machine: str, request: httpx.Request, headers: dict[str, str], body: bytes) -> httpx.Request:
    """The request to one machine, whose certificate must still be that of the name."""
    url, more = request.url, dict(request.extensions)
    if machine:
        more["sni_hostname"] = url.host
        url = url.copy_with(host=machine)
    return httpx.Request(request.method, url, headers=headers, content=body, extensions=more)
