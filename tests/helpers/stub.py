"""A server on the loopback that keeps all that comes, byte by byte, and says what it is told to say."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Stub:
    """``say(path, body)`` gives the content of the reply to what was asked."""

    say: Callable[[str, dict[str, Any]], str] = lambda path, body: "Yes."
    paths: list[str] = field(default_factory=list)
    headers: list[list[tuple[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0
    streams: bool = True
    """Whether it streams where that is asked for."""
    models: tuple[str, ...] = ("model",)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def under(self, name: str) -> str:
        """Its address, as if the machine had another name."""
        return f"http://{name}:{self.port}/v1"


@contextmanager
def stub(host: str = "127.0.0.1", **how: Any) -> Iterator[Stub]:
    running = Stub(**how)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            running.paths.append(self.path)
            running.headers.append(list(self.headers.items()))
            running.bodies.append(body)
            said = running.say(self.path, json.loads(body))
            if json.loads(body).get("stream") and running.streams:
                with suppress(ConnectionError):  # whoever asked has gone
                    self._stream(said)
                return
            message = {"role": "assistant", "content": said}
            usage = {"prompt_tokens": 1, "completion_tokens": 1}
            reply = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def _stream(self, said: str) -> None:
            """Word by word, as server-sent events; a text that ends with "…" breaks off there."""
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for word in re.findall(r"\S+\s*", said):
                self._event({"choices": [{"index": 0, "delta": {"content": word}}]})
            if not said.endswith("…"):
                self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                self.wfile.write(b"data: [DONE]\n\n")
            self.close_connection = True

        def _event(self, told: dict[str, Any]) -> None:
            self.wfile.write(b"data: " + json.dumps(told).encode() + b"\n\n")

        def do_GET(self) -> None:
            reply = json.dumps({"object": "list", "data": [{"id": name} for name in running.models]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

    server = Server((host, 0), Handler)
    running.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
