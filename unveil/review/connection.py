"""How a page's server speaks HTTP: what takes too long to arrive is cut off, and no answer lacks the page's headers."""

from __future__ import annotations

import asyncio
import json
import socket
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from unveil.review.server import HEADERS


class PageConnection(H11Protocol):
    """A connection of uvicorn's. A request that has not arrived whole after ``seconds`` ends it, so that nobody keeps
    one by sending little or nothing; the headers of all answers stand on that to what is no HTTP too."""

    seconds: ClassVar[float] = 120.0
    """From the first byte that can be read to the last one of the body: 256 MB take 90 seconds at 23 Mbit/s."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # the head and the body of an answer are two writes: else the second waits 40 ms for the first to be confirmed
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watch()

    def handle_events(self) -> None:
        super().handle_events()
        self._watch()

    def _watch(self) -> None:
        """Runs a clock from where a request may begin until it is there."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._stop()
        elif self._late is None:
            self._late = self.loop.call_later(self.seconds, self.transport.abort)

    def _stop(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            own = {**HEADERS, "content-type": "application/json", "connection": "close"}
            headers = [(name.encode(), value.encode()) for name, value in own.items()]
            answer = h11.Response(status_code=400, headers=headers, reason=HTTPStatus.BAD_REQUEST.phrase.encode())
            body = h11.Data(data=json.dumps({"error": msg}).encode())
            for event in (answer, body, h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
