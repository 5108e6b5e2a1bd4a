"""Reviewing in a browser, by keyboard and mouse: what is decided is in the file, what is begun is there the next time.

Records r0, r1 … are images of 64 x 48 pixels with an ulcer in [10, 8, 30, 28]; pairs are "yes N" against "no N".
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.pages import browser, drag, options, shown, title, write_pairs, write_records
from unveil.core.decisions import read_decisions


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as shown:
        yield shown


def test_twenty_items_are_reviewed_blind_by_keyboard(chromium: Any, tmp_path: Path) -> None:
    """Sides are named after the answer is saved only; left, right and neither are what stood there."""
    write_records(tmp_path)
    config = options(write_pairs(tmp_path), records=tmp_path / "records.jsonl", blind=True)
    with shown(chromium, config) as tab:
        for number in range(20):
            title(tab, f"p{number}")
            assert "Chosen" not in tab.inner_text(".texts")
            tab.keyboard.press("120"[number % 3])
            pressed = [one.get_attribute("aria-pressed") for one in tab.locator(".choice button[aria-pressed]").all()]
            assert pressed[number % 3] == "true" and pressed.count("true") == 1
            tab.keyboard.press("Control+Enter")
            tab.wait_for_function("() => document.querySelector('.texts').innerText.includes('Chosen')")
            tab.keyboard.press("Control+ArrowRight")
        tab.wait_for_selector("dialog.ending")
        assert "All is decided" in tab.inner_text("dialog.ending")
    kept = read_decisions(config.out)  # type: ignore[arg-type]
    assert [(d.item, d.blinded) for d in kept] == [(f"p{n}", True) for n in range(20)]
    wanted = [("tie" if n % 3 == 2 else d.order[n % 3]) for n, d in enumerate(kept)]
    assert [d.preferred for d in kept] == wanted and len({d.order for d in kept}) == 2


def test_boxes_are_drawn_corrected_and_undone(chromium: Any, tmp_path: Path) -> None:
    config = options(write_records(tmp_path))
    with shown(chromium, config) as tab:
        title(tab, "r0")
        tab.keyboard.press("b")
        drag(tab, (0.6, 0.5), (0.7, 0.6))
        tab.wait_for_function("() => document.querySelectorAll('.marks li').length === 2")
        tab.keyboard.press("Control+z")
        tab.wait_for_function("() => document.querySelectorAll('.marks li').length === 1")
        tab.keyboard.press("Control+Shift+z")
        tab.wait_for_function("() => document.querySelectorAll('.marks li').length === 2")
        tab.keyboard.press("Control+Enter")
        tab.wait_for_function("() => document.getElementById('said').textContent.includes('needs a name')")
        tab.keyboard.type("polyp")  # the cursor is where the name is missing
        tab.keyboard.press("Tab")
        tab.locator(".marks li").first.get_by_role("button", name="delete").click()
        assert "Save what was changed" in tab.inner_text(".choice")
        tab.keyboard.press("Control+Enter")
        title(tab, "r1")
    [kept] = read_decisions(config.out)  # type: ignore[arg-type]
    assert kept.verdict == "edit" and kept.after and [mark.label for mark in kept.after] == ["polyp"]
    box = kept.after[0].box
    assert box and kept.after[0].finding is None and 0 <= box[0] < box[2] <= 64 and 0 <= box[1] < box[3] <= 48


def test_a_name_counts_as_it_is_written(chromium: Any, tmp_path: Path) -> None:
    """A new finding and a renamed one, saved by a key from within the name; one step back undoes a name."""
    config = options(write_records(tmp_path))
    with shown(chromium, config) as tab:
        title(tab, "r0")
        tab.keyboard.press("b")
        drag(tab, (0.6, 0.5), (0.7, 0.6))
        tab.keyboard.type("polyp")
        tab.keyboard.press("Control+Enter")
        title(tab, "r1")
        name = tab.locator(".marks input")
        name.fill("haemangioma")
        tab.locator(".stage .top").focus()
        tab.keyboard.press("Control+z")
        assert name.input_value() == "ulcer"
        name.fill("erosion")
        tab.keyboard.press("Control+Enter")
        title(tab, "r2")
    first, second = read_decisions(config.out)  # type: ignore[arg-type]
    assert first.after and [mark.label for mark in first.after] == ["ulcer", "polyp"]
    assert second.verdict == "edit" and second.after and [mark.label for mark in second.after] == ["erosion"]


def test_no_single_key_decides_while_somebody_types(chromium: Any, tmp_path: Path) -> None:
    config = options(write_records(tmp_path))
    with shown(chromium, config) as tab:
        title(tab, "r0")
        tab.keyboard.press("e")
        tab.keyboard.type("arndp?120")
        tab.wait_for_function("() => document.querySelector('.choice').innerText.includes('Save what was changed')")
        assert tab.inner_text(".about h1") == "r0" and not tab.locator("dialog").count()
        tab.keyboard.press("Control+Enter")
        title(tab, "r1")
    [kept] = read_decisions(config.out)  # type: ignore[arg-type]
    assert "arndp?120" in kept.texts["report"]


def test_a_closed_page_goes_on_where_it_was(chromium: Any, tmp_path: Path) -> None:
    """At the first item without a decision, with what was begun there, also in a new browser and at a new start."""
    config = options(write_records(tmp_path))
    with shown(chromium, config) as tab:
        title(tab, "r0")
        tab.keyboard.press("a")
        title(tab, "r1")
        tab.click("summary:has-text('Reasons')")
        with tab.expect_response("**/draft"):
            tab.fill("#comment", "begun")
    with shown(chromium, config) as tab:
        title(tab, "r1")
        assert tab.input_value("#comment") == "begun"
        tab.keyboard.press("Control+z")  # the draft is a step that can be undone
        assert tab.input_value("#comment") == ""
    with shown(chromium, config, "ben") as tab:
        title(tab, "r0")


def test_two_tabs_do_not_write_over_one_another(chromium: Any, tmp_path: Path) -> None:
    config = options(write_records(tmp_path))
    with shown(chromium, config) as tab:
        title(tab, "r0")
        with tab.page.client("anna") as client:
            item = client.get("/api/items/0").json()
            first = {"verdict": "accept", "revision": item["revision"], "sha256": item["sha256"]}
            assert client.post("/api/items/0/decision", json=first).status_code == 200
        tab.keyboard.press("r")
        tab.wait_for_selector("dialog:has-text('Decided elsewhere')")
        assert [d.verdict for d in read_decisions(config.out)] == ["accept"]  # type: ignore[arg-type]
        tab.click("text=Save mine over it")
        title(tab, "r1")
    assert [d.verdict for d in read_decisions(config.out)] == ["accept", "reject"]  # type: ignore[arg-type]


def test_a_decision_that_is_not_kept_stays_on_the_page(chromium: Any, tmp_path: Path) -> None:
    config = options(write_records(tmp_path))
    with shown(chromium, config) as tab:
        title(tab, "r0")
        tab.route("**/decision", lambda route: route.fulfill(status=507, json={"error": "the disk is full"}))
        tab.keyboard.press("a")
        tab.wait_for_function("() => document.getElementById('said').textContent.includes('the disk is full')")
        assert tab.inner_text(".about h1") == "r0"
        tab.unroute("**/decision")
        tab.keyboard.press("a")
        title(tab, "r1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_used_by_all(chromium: Any, tmp_path: Path, scheme: str) -> None:
    """No serious fault that axe finds, with dialogs too; nothing is wider than a small screen."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-playwright-python is not installed")
    axe = Path(found.origin).with_name("axe.min.js").read_text()
    with shown(chromium, options(write_records(tmp_path)), color_scheme=scheme) as tab:
        title(tab, "r0")
        tab.evaluate(axe)
        for step in ("Queue", "Summary", None):
            if step:
                tab.get_by_role("button", name=step).first.click()
                tab.wait_for_selector({"Queue": ".entries li", "Summary": "dialog[open]"}[step])
            told = tab.evaluate("() => axe.run()")
            grave = [v for v in told["violations"] if v["impact"] in ("serious", "critical")]
            assert not grave, [(v["id"], [n["html"] for n in v["nodes"]]) for v in grave]
        tab.keyboard.press("Escape")
        tab.set_viewport_size({"width": 390, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        assert tab.evaluate("document.querySelector('.stage').clientHeight") > 350
