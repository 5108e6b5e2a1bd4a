"""A page under test: its server in a thread on the loopback, requests with and without its token, and a browser."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from unveil.core.jsonl import write_jsonl
from unveil.core.pixels import write_png
from unveil.core.records import Dialogue, Finding, Pair, Prediction, Record, Source
from unveil.review import review, trying, uploads
from unveil.review.options import ReviewOptions
from unveil.review.room import ReviewRoom
from unveil.review.server import Served, application
from unveil.review.try_room import TryRoom


def write_records(folder: Path, count: int = 5) -> Path:
    """Records of images of 64 x 48 pixels, whose grey is their number, each with an ulcer in [10, 8, 30, 28]."""
    rows = []
    for n in range(count):
        write_png(np.full((48, 64), n % 256, np.uint8), folder / f"{n}.png")
        rows.append(
            Record(
                f"r{n}", f"{n}.png", 64, 48, patient=f"NAME-{n}", report=f"An ulcer, number {n}.",
                findings=(Finding("ulcer", (10.0, 8.0, 30.0, 28.0)),), completeness="partial",
                source=Source("set", file=f"NAME-{n}/{n}.png"),
            )
        )  # fmt: skip
    write_jsonl(folder / "records.jsonl", rows)
    return folder / "records.jsonl"


def write_pairs(folder: Path, count: int = 20) -> Path:
    """Pairs about the first of these images, "yes N" chosen and "no N" rejected."""
    rows = [Pair(f"p{n}", "r0", "0.png", "train", "open", "Is it?", f"yes {n}", f"no {n}") for n in range(count)]
    write_jsonl(folder / "pairs.jsonl", rows)
    return folder / "pairs.jsonl"


def write_answers(folder: Path) -> tuple[Path, Path]:
    """Questions where the ulcer of those records is, and a model's answers in thousandths, a polyp beside it too:
    [10, 8, 30, 28] and [32, 24, 48, 36] are .156 .167 .469 .583 and .5 .5 .75 .75 of 64 x 48."""
    asked = [
        Dialogue(
            f"r{n}/diagnosis", f"r{n}", f"{n}.png", "train", "diagnosis", "What is abnormal?",
            "Detection: abnormal.\nLocalisation: <box 10.00 8.00 30.00 28.00>.\nRecognition: ulcer.",
        )
        for n in range(2)
    ]  # fmt: skip
    said = (
        "Detection: abnormal.\nLocalisation: [0.156, 0.167, 0.469, 0.583]; [0.5, 0.5, 0.75, 0.75].\n"
        "Recognition: ulcer; polyp."
    )
    rows = [Prediction(d.id, d.record, d.kind, said, "unit", (64, 48), "sft") for d in asked]
    write_jsonl(folder / "dialogues.jsonl", asked)
    write_jsonl(folder / "predictions.jsonl", rows)
    return folder / "dialogues.jsonl", folder / "predictions.jsonl"


class Page:
    """A served page; ``client`` asks with a person's token."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses

    def client(self, name: str | None = None) -> httpx.Client:
        address = urlsplit(self.addresses[name or next(iter(self.addresses))])
        token = address.fragment.removeprefix("token=")
        return httpx.Client(
            base_url=f"http://{address.netloc}", headers={"authorization": f"Bearer {token}"}, trust_env=False
        )


@contextmanager
def served(room: ReviewRoom) -> Iterator[Page]:
    """The room on a page."""
    app = application("review", room.config.show_identifiers)
    review.routes(app, room)
    page = Served(app, tuple(room.queues), "127.0.0.1")
    with page.beside():
        yield Page(page.addresses)


@contextmanager
def tried(room: TryRoom) -> Iterator[Page]:
    """A room in which models are tried, on a page."""
    app = application("try", room.show_identifiers)
    trying.routes(app, room)
    page = Served(app, ("you",), "127.0.0.1", most={"/api/images": uploads.MOST_BYTES})
    with page.beside():
        yield Page(page.addresses)


def raw(page: Page, text: str) -> bytes:
    """What the server answers to bytes that no client would send."""
    with socket.create_connection((urlsplit(page.addresses["anna"]).hostname or "", port(page)), timeout=10) as line:
        line.sendall(text.encode("latin-1"))
        said = b""
        while part := line.recv(2**16):
            said += part
    return said


def port(page: Page) -> int:
    return urlsplit(page.addresses["anna"]).port or 0


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, headless; skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as p:
        shown = p.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield shown
        shown.close()


def options(what: Path, **more: Any) -> ReviewOptions:
    given: dict[str, Any] = {
        "what": what,
        "out": what.parent / "reviews.jsonl",
        "reviewers": ("anna", "ben"),
        "readings": 2,
        "show_identifiers": True,
    }
    return ReviewOptions(**given | {"order": "file"} | more)


@contextmanager
def shown(
    chromium: Any, config: ReviewOptions, who: str = "anna", begin: Callable[[Any], Any] | None = None, **how: Any
) -> Iterator[Any]:
    """A tab of the page; no message on the console but of refused requests, and no request to anybody else.

    ``begin`` is done with the tab while it is empty. Requests can be answered by the test at any time (``tab.route``).
    """
    with review.opened(config) as room, served(room) as page:
        context = chromium.new_context(viewport={"width": 1280, "height": 800}, **how)
        tab = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(urlsplit(request.url).netloc))
        tab.route("**/nothing", lambda route: route.abort())  # a browser that begins late lets some through
        if begin:
            begin(tab)
        tab.goto(page.addresses[who])
        tab.page = page
        tab.wait_for_selector(".choice .main")
        yield tab
        context.close()
        assert not [one for one in said if not one.startswith("Failed to load resource")]
        assert set(asked) == {urlsplit(page.addresses[who]).netloc}


def title(tab: Any, name: str) -> None:
    """Waits until an item is the one that is shown, with its image."""
    tab.wait_for_function("name => document.getElementById('main').dataset.shown === name", arg=name)


def drag(tab: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """With the mouse, from and to shares of the image's place on the screen."""
    box = tab.locator(".stage canvas").last.bounding_box()
    for move, (x, y) in (("down", start), ("up", end)):
        tab.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        getattr(tab.mouse, move)()
