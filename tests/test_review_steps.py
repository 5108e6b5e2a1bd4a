"""From one item to the next in a browser: which one is next, what waits until it is saved, and what time is counted.

Records r0, r1 … are images of 64 x 48 pixels with an ulcer in [10, 8, 30, 28].
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.pages import browser, options, shown, title, write_records
from unveil.core.decisions import read_decisions
from unveil.review.journal import audit_of

#: Whether a page is seen, at a time in milliseconds.
SEEN = """([state, at]) => {
  window.at = at;
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as shown:
        yield shown


def said(tab: Any, words: str) -> None:
    tab.wait_for_function("words => document.getElementById('said').textContent.includes(words)", arg=words)


def test_next_and_previous_go_through_what_was_chosen(chromium: Any, tmp_path: Path) -> None:
    """r0 and r2 of five are rejected: among these alone go keys and what follows a decision, to the end."""
    config = options(write_records(tmp_path))
    with shown(chromium, config) as tab:
        for number, key in enumerate("rar"):
            title(tab, f"r{number}")
            tab.keyboard.press(key)
        title(tab, "r3")
        tab.get_by_role("button", name="Queue").click()
        tab.select_option(".queue select", label="Rejected")
        tab.wait_for_function("() => document.querySelectorAll('.entries li').length === 2")
        assert tab.inner_text("#where") == "4 of 5 · 3 decided · only “Rejected”"
        for key, name in (("Left", "r2"), ("Left", "r0"), ("Right", "r2"), ("Left", "r0")):
            tab.keyboard.press(f"Control+Arrow{key}")
            title(tab, name)
        tab.keyboard.press("Control+ArrowLeft")
        said(tab, "this is the first one of “Rejected”")
        for name, key in (("r0", "n"), ("r2", "r")):
            title(tab, name)
            tab.keyboard.press(key)
        tab.wait_for_selector("dialog.ending")
        ending = tab.inner_text("dialog.ending")
        assert "No further one of “Rejected”" in ending and "3 of 5 decided" in ending
        first, second = tab.locator(".command code").all_inner_texts()
        assert first.startswith("unveil curate corrections --reviews") and second.startswith("unveil run --data")
        tab.keyboard.press("Escape")
        tab.keyboard.press("r")  # what was decided last stands there as it is saved: no other tab was there
        tab.wait_for_selector("dialog.ending")
    revisions = [(d.item, d.verdict, d.revision) for d in read_decisions(config.out)][3:]  # type: ignore[arg-type]
    assert revisions == [("r0", "unsure", 2), ("r2", "reject", 2), ("r2", "reject", 3)]


def test_a_decision_is_taken_back(chromium: Any, tmp_path: Path) -> None:
    """By its button, and by undoing on the item after it."""
    config = options(write_records(tmp_path, 2))
    with shown(chromium, config) as tab:
        for _ in range(2):
            title(tab, "r0")
            tab.keyboard.press("a")
            title(tab, "r1")
            tab.keyboard.press("Control+z")
            said(tab, "taken back")
            assert tab.inner_text("#where") == "1 of 2 · 0 decided"
        tab.keyboard.press("p")
        title(tab, "r1")
        tab.keyboard.press("Control+ArrowLeft")
        title(tab, "r0")
        assert "Names a person, 20" in tab.inner_text(".choice")
        tab.get_by_role("button", name="Take it back").click()
        said(tab, "taken back")
        assert ", 20" not in tab.inner_text(".choice")
    kept = [d.verdict for d in read_decisions(config.out)]  # type: ignore[arg-type]
    assert kept == ["accept", "withdraw", "accept", "withdraw", "phi", "withdraw"]


def test_the_keys_are_told_from_the_first_one_on(chromium: Any, tmp_path: Path) -> None:
    """Although the button that closes them, which has the focus, is at their end."""
    with shown(chromium, options(write_records(tmp_path, 1))) as tab:
        title(tab, "r0")
        tab.keyboard.press("?")
        assert tab.locator("dialog.help").evaluate(
            "dialog => [dialog.scrollTop, dialog.scrollHeight > innerHeight]"
        ) == [0, True]


def test_what_was_corrected_stays_when_the_decision_is_taken_back(chromium: Any, tmp_path: Path) -> None:
    """To go on from; a further step back has the annotation as it was."""
    config = options(write_records(tmp_path, 2))
    with shown(chromium, config) as tab:
        title(tab, "r0")
        tab.locator(".marks input").fill("erosion")
        tab.keyboard.press("Control+Enter")
        title(tab, "r1")
        tab.keyboard.press("Control+z")
        said(tab, "taken back")
        assert tab.locator(".marks input").input_value() == "erosion"
        with tab.expect_response("**/draft"):
            tab.keyboard.press("Control+z")
        assert tab.locator(".marks input").input_value() == "ulcer"


def test_nothing_is_changed_while_a_decision_is_saved(chromium: Any, tmp_path: Path) -> None:
    """Neither by the mouse, which holds a mark, nor by keys: what was changed then would be in no file. Nor where the
    image of an item comes after its decision."""
    config = options(write_records(tmp_path, 2))
    held: list[Any] = []
    images: list[Any] = []
    with shown(
        chromium, config, begin=lambda tab: tab.route("**/items/1/image?*", lambda one: images.append(one))
    ) as tab:
        title(tab, "r0")
        tab.route("**/decision", lambda route: held.append(route))
        stage = tab.locator(".stage canvas").last.bounding_box()
        tab.mouse.move(stage["x"] + stage["width"] * 0.3, stage["y"] + stage["height"] * 0.4)
        tab.mouse.down()
        tab.mouse.move(stage["x"] + stage["width"] * 0.6, stage["y"] + stage["height"] * 0.4)
        with tab.expect_request("**/decision"):
            tab.keyboard.press("a")
        tab.mouse.up()
        assert tab.evaluate("[main.inert, main.getAttribute('aria-busy')]") == [True, "true"]
        for key in ("]", "Backspace", "l", "e", "Control+ArrowRight", "r"):
            tab.keyboard.press(key)
        assert tab.locator(".marks li").count() == 1 and tab.inner_text(".about h1") == "r0"
        assert "10, 8, 30, 28" in tab.inner_text(".marks") and not tab.locator(".text textarea").count()
        held[0].continue_()
        tab.wait_for_selector("h1:has-text('r1')")
        assert tab.evaluate("[main.inert, main.getAttribute('aria-busy')]") == [False, "false"]
        tab.get_by_role("button", name="delete finding 1").click()
        tab.wait_for_selector(".marks p:has-text('None.')")
        with tab.expect_request("**/decision"):
            tab.keyboard.press("Control+Enter")
        for image in images:
            image.continue_()
        tab.wait_for_selector(".stage:not(.failed)")
        tab.wait_for_function("() => document.getElementById('main').dataset.shown === 'r1'")
        assert tab.evaluate("main.inert")
        held[1].continue_()
        tab.wait_for_selector("dialog.ending")
    kept = read_decisions(config.out)  # type: ignore[arg-type]
    assert [(d.item, d.verdict, d.after) for d in kept] == [("r0", "accept", None), ("r1", "edit", ())]


def test_time_is_counted_while_the_item_is_seen(chromium: Any, tmp_path: Path) -> None:
    """3 s, an hour away, 2 s: 5. The next item cannot be loaded: r0 stands there as it was decided, of which the time
    begins anew; 4 s, an hour away, 2 s: 6."""

    def begin(tab: Any) -> None:
        tab.add_init_script("window.at = 0; performance.now = () => window.at")
        for path in ("**/api/items/1", "**/api/items/1?*"):
            tab.route(path, lambda route: route.abort())

    config = options(write_records(tmp_path, 2))
    with shown(chromium, config, begin=begin) as tab:
        title(tab, "r0")
        tab.keyboard.press("Control+ArrowRight")
        said(tab, "the server does not answer")
        for start, away, back, end in ((0, 3, 3603, 3605), (3605, 3609, 7209, 7211)):
            assert tab.evaluate("window.at") == start * 1000
            tab.evaluate(SEEN, ["hidden", away * 1000])
            tab.evaluate(SEEN, ["visible", back * 1000])
            tab.evaluate("at => { window.at = at; }", end * 1000)
            tab.keyboard.press("rn"[start > 0])
            word = ["Rejected, ", "Unsure, "][start > 0]
            tab.wait_for_function("word => document.querySelector('.choice').innerText.includes(word)", arg=word)
    kept = read_decisions(config.out)  # type: ignore[arg-type]
    assert [(d.item, d.revision, d.lead_time) for d in kept] == [("r0", 1, 5.0), ("r0", 2, 6.0)]


def test_what_is_next_is_fetched_ahead_and_seen_when_it_is_shown(chromium: Any, tmp_path: Path) -> None:
    """Texts and images of the items after the first; each image is fetched once."""
    config = options(write_records(tmp_path, 3))
    asked: list[str] = []
    with shown(chromium, config, begin=lambda tab: tab.on("request", lambda one: asked.append(one.url))) as tab:
        title(tab, "r0")
        tab.wait_for_function("async () => (await import('/static/load.js')).has('/api/items/2/image?ahead=true')")
        assert config.out
        rows = [json.loads(line) for line in audit_of(config.out).read_text().splitlines()]
        told = {(row["action"], row["item"], row["what"]) for row in rows}
        both = ("its texts and marks", "its image")
        assert told == {("saw", "r0", what) for what in both} | {
            ("sent ahead", name, what) for name in ("r1", "r2") for what in both
        }
        tab.keyboard.press("Control+ArrowRight")
        title(tab, "r1")
        assert tab.evaluate("performance.getEntriesByName('item').at(-1).detail.ahead") is True
    rows = [json.loads(line) for line in audit_of(config.out).read_text().splitlines()]
    then = [(row["action"], row["what"]) for row in rows if row["item"] == "r1"][2:]
    assert sorted(then) == sorted(("saw", what) for what in both)  # asked for at once
    of_image = [url.rpartition("/items/1/")[2] for url in asked if "/items/1/image" in url]
    assert of_image == ["image?ahead=true", "image/shown"]


def test_what_was_fetched_ahead_is_shown_as_it_is_now(chromium: Any, tmp_path: Path) -> None:
    """r1 is decided in another tab after this one has fetched it."""
    config = options(write_records(tmp_path, 2))
    with shown(chromium, config) as tab:
        title(tab, "r0")
        tab.wait_for_function("async () => (await import('/static/load.js')).has('/api/items/1/image?ahead=true')")
        with tab.page.client("anna") as client:
            item = client.get("/api/items/1").json()
            client.post("/api/items/1/decision", json={"verdict": "reject", "revision": 0, "sha256": item["sha256"]})
        tab.keyboard.press("Control+ArrowRight")
        title(tab, "r1")
        tab.wait_for_function("() => document.querySelector('.choice').innerText.includes('Rejected, ')")
