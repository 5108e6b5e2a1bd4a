"""A real server of a tiny model, and a proxy of our own before it that notes what comes and does harm on a script."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from unveil.core.sampling import Sampling
from unveil.experts.options import ExpertOptions, bind
from unveil.experts.requests import Request, RequestImage, Turn

Fault = str | None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve(model: Path | None, folder: Path) -> Iterator[int]:
    """``transformers serve`` on a free port of the loopback, offline; the model goes by its folder's name.

    Without a model it loads whichever folder it is asked for by its path.
    """
    port, home = free_port(), folder / "hf"
    (home / "hub").mkdir(parents=True)  # its list of models wants to read it
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", *([model.name] if model else [])]
    where = {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)],
            cwd=model.parent if model else folder, env={**os.environ, **where}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            limit = time.monotonic() + 120
            while not _healthy(port):
                assert process.poll() is None and time.monotonic() < limit, (folder / "server.log").read_text()
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()
            process.wait()


def _healthy(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@dataclass
class Proxy:
    """Passes requests on. ``script(n)`` names the fault of the n-th one, if any; ``delay`` slows all of them down."""

    target: int
    script: Callable[[int], Fault] = lambda n: None
    delay: float = 0.0
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answered: int = 0
    under_way: int = 0
    most: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def asked(self) -> int:
        return len(self.bodies)

    def texts(self) -> list[str]:
        """All that was said in each request, without images."""
        return ["\n".join(_text(m["content"]) for m in json.loads(body)["messages"]) for body in self.bodies]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.headers.append(dict(handler.headers))
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(self.delay)
        fault = self.script(number)
        reply = None if fault else self._passed_on(handler.path, body)
        with self._lock:  # counted first: whoever has the reply finds it counted
            self.under_way -= 1
            self.answered += not fault
        try:
            reply = FAULTS[fault](handler, body) if fault else reply
            if reply:
                _send(handler, *reply)
        except OSError:  # who asked has hung up
            handler.close_connection = True

    def _passed_on(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        out = reply.status, {"Content-Type": "application/json"}, reply.read()
        connection.close()
        return out


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _send(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


def _cut(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Promises more than it sends, and hangs up."""
    _send(handler, 200, {"Content-Type": "application/json", "Content-Length": "4000"}, b'{"choices": [{"mess')
    handler.close_connection = True


def _slow(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    time.sleep(6)
    handler.close_connection = True


def _echo(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """A server that repeats the key in its message."""
    return 403, {}, json.dumps({"error": {"message": f"not allowed: {handler.headers['Authorization']}"}}).encode()


def _plain(status: int, text: str, **headers: str) -> Callable[[Any, bytes], tuple[int, dict[str, str], bytes]]:
    return lambda handler, body: (status, {k.replace("_", "-"): v for k, v in headers.items()}, text.encode())


def _completion(**changed: Any) -> str:
    message = {"role": "assistant", "content": "Yes."}
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]} | changed)


FAULTS: dict[str, Callable[[Any, bytes], tuple[int, dict[str, str], bytes] | None]] = {
    "busy": _plain(429, '{"error": {"message": "slow down"}}', Retry_After="1"),
    "broken": _plain(500, "oops"),
    "away": _plain(503, "starting"),
    "cut": _cut,
    "slow": _slow,
    "garbage": _plain(200, "<html>Login</html>", Content_Type="text/html"),
    "empty": _plain(200, "", Content_Type="application/json"),
    "error in disguise": _plain(200, '{"error": {"message": "overloaded"}}', Content_Type="application/json"),
    "no list": _plain(200, '{"choices": {"0": 1}}', Content_Type="application/json"),
    "unknown key": _plain(401, '{"error": {"message": "invalid key"}}'),
    "forbidden": _echo,
    "unknown model": _plain(404, '{"error": {"message": "no such model"}}'),
    "too large": _plain(413, '{"error": {"message": "image too large"}}'),
    "bad request": _plain(400, '{"error": {"message": "content filter"}}'),
    "elsewhere": _plain(307, "", Location="http://127.0.0.1:9/v1/chat/completions"),
    "no usage": _plain(200, _completion(), Content_Type="application/json"),
    "refusal": _plain(
        200,
        _completion(choices=[{"message": {"role": "assistant", "content": None, "refusal": "I cannot."}}]),
        Content_Type="application/json",
    ),
}


@contextmanager
def proxied(target: int, **options: Any) -> Iterator[Proxy]:
    proxy = Proxy(target, **options)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            proxy.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ---------------------------------------------------------------------------------------------- a job to be interrupted


def questions(folder: Path, count: int) -> list[Request]:
    """Questions about the pictures of a folder, in turn."""
    pictures = sorted(folder.glob("*.png"))
    asked = (Turn("user", f"Is anything abnormal in this image, part {n}?") for n in range(count))
    brief = Sampling(max_tokens=6)
    return [
        Request(f"item-{n}", "test", (t,), RequestImage(pictures[n % len(pictures)]), sampling=brief)
        for n, t in enumerate(asked)
    ]


def job(address: str, out: Path, asked: list[Request], **options: Any) -> dict[str, str | None]:
    """Asks everything and returns the texts by id."""
    usual: dict[str, Any] = {"expert": address, "expert_model": "tiny", "concurrency": 3}
    chosen = ExpertOptions(**usual | options)
    return {reply.id: reply.value for reply in bind(chosen, out).answer(asked)}


if __name__ == "__main__":
    job(sys.argv[1], Path(sys.argv[2]), questions(Path(sys.argv[3]), int(sys.argv[4])))
