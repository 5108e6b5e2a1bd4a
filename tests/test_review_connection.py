"""How the server of a page speaks HTTP: nobody keeps it waiting, and what it says itself has the headers of a page."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.helpers.pages import Page, port, raw, served, write_records
from unveil.review import server
from unveil.review.connection import PageConnection
from unveil.review.options import ReviewOptions
from unveil.review.review import opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("connection")
    config = ReviewOptions(what=write_records(folder, 1), out=folder / "r.jsonl", reviewers=("anna",))
    with opened(config) as room, served(room) as shown:
        yield shown


BODY = "POST /api/items/0/decision HTTP/1.1\r\nHOST\r\nTOKEN\r\nContent-Length: 9\r\n\r\n{"


@pytest.mark.parametrize("begun", ["", "GET / HTTP/1.1\r\nHost: ", BODY])
def test_what_does_not_arrive_in_time_is_cut_off(
    page: Page, begun: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PageConnection, "seconds", 0.05)
    with page.client() as anna:
        token = f"Authorization: {anna.headers['authorization']}"
    begun = begun.replace("HOST", f"Host: 127.0.0.1:{port(page)}").replace("TOKEN", token)
    with suppress(ConnectionResetError):
        assert raw(page, begun) == b""
    assert "".join(capsys.readouterr()) == ""


@pytest.mark.parametrize(
    ("asked", "status"), [("\x16\x03\x01 no HTTP\r\n\r\n", b"400"), ("GET / HTTP/1.0\r\n\r\n", b"503")]
)
def test_what_is_not_answered_has_the_headers_too(
    page: Page, asked: str, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no HTTP, and more than is answered at a time."""
    monkeypatch.setattr(server, "MOST_REQUESTS", 0)
    head = raw(page, asked).partition(b"\r\n\r\n")[0]
    assert head.split()[1] == status
    assert all(f"{name}: {value}".encode() in head for name, value in server.HEADERS.items())


def test_a_connection_is_not_taken_for_another_protocol(page: Page) -> None:
    upgrade = "PageConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n"
    said = raw(page, f"GET /api/session HTTP/1.0\r\nHost: 127.0.0.1:{port(page)}\r\n{upgrade}\r\n")
    assert said.split()[1] == b"401"


def test_an_answer_does_not_wait_for_its_first_half_to_be_confirmed(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its head and its body are two writes: with Nagle's algorithm each answer takes 40 ms longer."""
    found = []

    def look(connection: PageConnection) -> None:
        line = connection.transport.get_extra_info("socket")
        found.append(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(PageConnection, "_watch", look)
    with page.client() as client:
        client.get("/")
    assert found and all(found)
