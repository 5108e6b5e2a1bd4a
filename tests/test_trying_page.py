"""The page on which models are tried, in a browser: by the keyboard, by the mouse, with two models, light and dark."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.pages import Page, browser, tried, write_records
from tests.helpers.stub import stub
from unveil.review import trying
from unveil.review.options import TryOptions

#: Keeps what is written on any canvas from now on.
WRITTEN = """() => {
  const { prototype } = CanvasRenderingContext2D;
  const write = prototype.fillText;
  window.written = [];
  prototype.fillText = function (text, ...at) { window.written.push(text); return write.call(this, text, ...at); };
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as shown:
        yield shown


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What the server says, and what it waits for before it does."""
    return {"said": "Detection: abnormal. Localisation: [10, 8, 30, 28]. Recognition: ulcer.", "go": None}


@pytest.fixture(scope="module")
def page(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory, answers: dict[str, Any]) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("try")

    def say(path: str, body: dict[str, Any]) -> str:
        if answers["go"]:
            answers["go"].wait(20)
        return str(answers["said"])

    with stub(say=say) as server:
        how = TryOptions(
            model=str(tiny_folder),
            beside=server.address,
            records=write_records(folder, 3),
            max_new_tokens=24,
            out=folder / "sent",
        )
        with trying.opened(how) as room, tried(room) as page:
            yield page


@pytest.fixture
def shown(chromium: Any, page: Page) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    tab = context.new_page()
    tab.set_default_timeout(20_000)
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(page.addresses["you"])
    tab.wait_for_selector("form.question")
    yield tab
    context.close()
    assert not errors


def take(tab: Any, number: int) -> None:
    tab.get_by_label("number of the record").fill(str(number))
    tab.keyboard.press("Enter")
    tab.get_by_text(f"item {number} ·").wait_for()
    tab.wait_for_selector("form button[type=submit]:enabled")


def answered(tab: Any, rounds: int) -> None:
    """Waits until all cells of the last card are there."""
    tab.wait_for_function(
        "rounds => document.querySelectorAll('.asked:first-child .round').length === rounds"
        " && !document.querySelector('.cell[aria-busy=true]')",
        arg=rounds,
    )


def test_two_models_answer_side_by_side_and_once_more_with_the_annotated_place_hidden(shown: Any) -> None:
    take(shown, 2)
    shown.select_option("#hide", "truth")
    shown.keyboard.press("Control+Enter")
    answered(shown, 2)
    served = shown.locator(".round:first-child .cell").nth(1)
    assert served.locator(".chip").inner_text() == "10, 8, 30, 28"
    assert served.locator("li").inner_text().split("\n") == ["ulcer", "confidence not known"]
    hidden = shown.locator(".round:last-child .cell").nth(1)
    assert "The same words as with the image as it is" in hidden.inner_text()
    assert "Noise hides a place" in shown.locator(".stage .words").inner_text()
    served.locator("h4 button").click()  # back to the image as it is
    shown.wait_for_function("() => !document.querySelector('.stage .words').textContent")
    layers = shown.locator(".layers").inner_text()
    assert "Annotation (1)" in layers and "model (1)" in layers
    assert "looks here" not in layers  # a server does not tell
    shown.locator(".round:first-child .cell").nth(0).locator("h4 button").click()
    assert "looks here" in shown.locator(".layers").inner_text()
    assert float(shown.locator(".layers label:has-text('opacity') input").input_value()) > 0  # it is seen at once


def test_an_image_is_opened_a_place_drawn_and_asked_about_and_the_answers_saved(shown: Any) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(file, "PNG")
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": file.getvalue()}
    shown.keyboard.press("Control+Enter")
    assert "open an image first" in shown.locator("#said").inner_text()
    shown.get_by_label("image file").set_input_files(picture)
    shown.wait_for_selector("form button[type=submit]:enabled")
    assert not shown.locator("#said").inner_text()  # what was wrong is so no more
    shown.select_option("#kind", "recognition")
    shown.keyboard.press("Control+Enter")
    assert "Draw a box" in shown.locator("#said").inner_text()
    canvas = shown.locator("canvas.top")
    at = canvas.bounding_box()
    canvas.click()
    shown.keyboard.press("b")
    middle = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    shown.mouse.move(*middle)
    shown.mouse.down()
    shown.evaluate(WRITTEN)
    shown.mouse.move(middle[0] + 60, middle[1] + 60, steps=3)
    shown.mouse.up()
    assert shown.evaluate("window.written") == []  # a place that is asked about needs no name
    shown.keyboard.press("Control+Enter")
    answered(shown, 1)
    assert not shown.locator("#said").inner_text()
    assert shown.locator(".asked h3 .chip").count() == 1
    with shown.expect_download() as saved:
        shown.get_by_role("button", name="Save the answers").click()
    told = json.loads(Path(saved.value.path()).read_text())
    assert told["question"].startswith("What is in this region: <box ") and len(told["answers"]) == 2
    assert len(told["image"]["sha256"]) == 64 and told["image"]["width"] == 64
    with shown.expect_download() as saved:
        shown.get_by_role("button", name="Save the picture").click()
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")


def test_own_words_are_asked_and_a_text_that_comes_is_never_markup(shown: Any, answers: dict[str, Any]) -> None:
    take(shown, 1)
    answers["said"] = "<img src=x onerror=alert(1)><b>yes</b>"
    shown.select_option("#kind", "")
    shown.locator("#own").fill("Is there <b>an ulcer</b>?")
    shown.keyboard.press("Control+Enter")
    answered(shown, 1)
    cell = shown.locator(".cell").nth(1)
    assert cell.locator(".said").inner_text() == answers["said"]
    assert shown.locator(".asked img, .asked b").count() == 0


def test_an_answer_is_stopped_by_a_key(shown: Any, answers: dict[str, Any]) -> None:
    take(shown, 1)
    answers["go"] = threading.Event()
    try:
        shown.keyboard.press("Control+Enter")
        shown.wait_for_selector("form[aria-busy=true]")
        shown.keyboard.press("Escape")
        shown.wait_for_selector("form[aria-busy=false]")
        assert "stopped" in shown.locator(".cell").nth(1).inner_text()
    finally:
        answers["go"].set()
        answers["go"] = None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(chromium: Any, page: Page, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800})
    tab = context.new_page()
    tab.goto(page.addresses["you"])
    tab.wait_for_selector("form.question")
    take(tab, 3)
    tab.keyboard.press("Control+Enter")
    answered(tab, 1)
    found = axe.Axe().run(tab).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
