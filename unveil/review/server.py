"""A page on this machine: who may ask, what may be sent, and the server that does.

The address that is printed holds a token, behind ``#`` so that a browser sends it to nobody; the page's own requests
carry it in a header, which a page of another origin cannot make a browser do. Without it there is the empty page and
nothing else. What the page consists of is read once at the start: no path out of a request is ever opened.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from unveil.core import access, console
from unveil.core.files import WriteError, said
from unveil.core.jsonl import from_json
from unveil.core.pixels import ImageError
from unveil.core.records import Record, RecordError
from unveil.core.untrusted import JsonError, parse_json
from unveil.review import wording

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Seconds for what is under way when the server is to end.
ENDING = 1
LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: Bytes of a request, but of an image that is handed in.
MOST_BYTES = 2**20
#: Requests that are answered at a time; a browser sends up to six.
MOST_REQUESTS = 256
UNFORESEEN = "it failed here; the terminal says why"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "x-robots-tag": "noindex",
    "cache-control": "no-store",
}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Guard:
    """Lets through what carries a token, for a host that is ours and of a size that is bearable; ASGI.

    ``tokens`` are those of people by their names, ``most`` bytes by path, ``hosts`` names with ports. Whoever asks is
    told in ``scope["reviewer"]``.
    """

    def __init__(self, app: Any, tokens: Mapping[str, str], most: Mapping[str, int], hosts: frozenset[str]) -> None:
        self.app, self.tokens, self.most, self.hosts = app, tokens, most, hosts
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = _with_headers(send)
        if refused := self._refused(scope):
            await _answer(*refused)(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self.app(scope, _bounded(receive, self.most.get(scope["path"], MOST_BYTES)), send)
        except Exception as error:  # it was answered; uvicorn would print all of it
            if wording.wants_all():
                raise
            console.say(wording.unforeseen(error))
        finally:
            self._under_way -= 1

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        """Status and words where a request is not to be answered."""
        if self._under_way >= MOST_REQUESTS:
            return 503, "too much is asked at a time"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get("host", "").lower() not in self.hosts:
            return 421, "this page is not served under that name"
        if (origin := headers.get("origin")) and origin.partition("://")[2].lower() not in self.hosts:
            return 403, "asked by a page of another origin"
        if not scope["path"].startswith("/api/"):
            return None
        kind, _, given = headers.get("authorization", "").partition(" ")
        found = [
            name
            for name, token in self.tokens.items()
            if hmac.compare_digest(token.encode(), given.encode()) and kind.lower() == "bearer"
        ]
        if not found:
            return 401, "without the token of the address that was printed in the terminal nothing is shown"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.most.get(scope["path"], MOST_BYTES):
            return 413, "more bytes than may be sent"
        scope["reviewer"] = found[0]
        return None


class Refused(ValueError):
    """What a page sends that cannot be taken; the message says why."""


class Unknown(LookupError):
    """What a page asks for that is not there, or not for this person."""


class TooLarge(Exception):
    """A request that sends more bytes than may be sent, whatever it has announced."""


def _bounded(receive: Receive, most: int) -> Receive:
    left = most

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLarge
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message.get("headers", [])}  # such as the policy of a report
            message["headers"] = [*message.get("headers", []), *(one for one in more if one[0] not in own)]
        await send(message)

    return sent


def _answer(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status)


def application(room: str, identifiers: bool = False) -> FastAPI:
    """A page without what it is about: its files, and its errors in words.

    ``room`` is what it is for, such as "review"; the page's own script asks for it. Paths and ids in errors go to the
    page with ``identifiers`` only, and to the terminal.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for name, (kind, content) in static().items():
        if name == "index.html":
            content = content.replace(b"{{room}}", room.encode())
        app.add_api_route("/" if name == "index.html" else f"/static/{name}", _file(kind, content), methods=["GET"])
    for error, status in ((RecordError, 422), (ImageError, 422), (Refused, 422), (Unknown, 404), (WriteError, 507)):
        app.add_exception_handler(error, _in_words(status, identifiers))
    app.add_exception_handler(ClientDisconnect, lambda *_: _answer(400, "it did not arrive whole"))
    app.add_exception_handler(TooLarge, lambda *_: _answer(413, "more bytes than may be sent"))
    app.add_exception_handler(404, lambda *_: _answer(404, "there is nothing here"))
    app.add_exception_handler(Exception, lambda *_: _answer(500, UNFORESEEN))
    return app


def static() -> dict[str, tuple[str, bytes]]:
    """Type and content of the files that the page consists of, by their names."""
    folder = resources.files("unveil.review") / "static"
    files = {file.name: file for file in folder.iterdir()}
    return {
        name: (TYPES[suffix], file.read_bytes())
        for name, file in sorted(files.items())
        if (suffix := f".{name.rpartition('.')[2]}") in TYPES
    }


def _file(kind: str, content: bytes) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8")

    return answer


def _in_words(status: int, identifiers: bool) -> Callable[[Request, Exception], Response]:
    def answer(_: Request, error: Exception) -> Response:
        words = wording.plain(error)
        if words != said(error):
            console.say(f"note: {said(error)}")
        return _answer(status, said(error) if identifiers else words)

    return answer


async def json_of(request: Request) -> Any:
    """The JSON value that a request brings; raises ``Refused``."""
    try:
        return parse_json(await request.body())
    except JsonError as error:
        raise Refused(str(error)) from error


async def sent(kind: type[T], request: Request) -> T:
    """What a request brings, as the dataclass that it should be; raises ``Refused``."""
    try:
        return from_json(kind, await json_of(request))
    except RecordError as error:  # of what the page has sent itself
        raise Refused(str(error)) from error


class Served:
    """A page at an address of its own, which each of the people has with their token; ``run`` answers until Ctrl-C.

    ``most`` are bytes of a request by path. Raises ``WriteError`` where the address cannot be had.
    """

    def __init__(
        self, app: FastAPI, people: Sequence[str], host: str, port: int = 0, most: Mapping[str, int] | None = None
    ) -> None:
        import uvicorn  # late: it takes long to import

        from unveil.review.connection import PageConnection

        tokens = {name: secrets.token_urlsafe(32) for name in people}
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:  # the latter of a port beyond all
            raise WriteError(
                f"{host}:{port}: {getattr(error, 'strerror', None) or error}: name another --port or --host"
            ) from error
        port = self._socket.getsockname()[1]
        names = {host, *(LOOPBACK if host in LOOPBACK else ())}
        guard = Guard(app, tokens, most or {}, frozenset(f"{_spelled(name)}:{port}" for name in names))
        self.addresses = {name: f"http://{_spelled(host)}:{port}/#token={token}" for name, token in tokens.items()}
        config = uvicorn.Config(
            guard,
            http=PageConnection,
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=ENDING,
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        with self._socket, suppress(KeyboardInterrupt):  # uvicorn has ended in order and hands on what ended it
            self._server.run(sockets=[self._socket])

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Answers in a thread beside, until the end of the context."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.should_exit = True
            thread.join(10)


def serve(
    app: FastAPI,
    people: Sequence[str],
    host: str,
    port: int,
    browser: bool,
    kept: str,
    most: Mapping[str, int] | None = None,
) -> None:
    """Serves a page until Ctrl-C; prints an address for each of the people, and what is ``kept`` of what they do.

    Raises ``WriteError``.
    """
    served = Served(app, people, host, port, most)
    _say(served.addresses, host)
    console.say(f"Ctrl-C ends it; {kept}")
    if browser and host in LOOPBACK and len(served.addresses) == 1:
        webbrowser.open(next(iter(served.addresses.values())))
    served.run()


def refuse_closed(records: Iterable[Record | None], host: str, restricted: bool) -> None:
    """Raises ``AccessError`` where other machines would be shown data that are not said to be open, unasked. None is an
    image without a record. To whoever sits at this machine they are shown as any file of theirs."""
    if host not in LOOPBACK:
        access.refuse(records, restricted, f"--host {host} shows them to other machines", "shows")


def _spelled(host: str) -> str:
    return f"[{host}]" if ":" in host else host.lower()


def _say(addresses: Mapping[str, str], host: str) -> None:
    for name, address in addresses.items():
        console.say(f"{name}: {address}" if len(addresses) > 1 else address)
    if host not in LOOPBACK:
        console.say(f"note: served at {host}, which other machines may reach; what they see is not encrypted")
