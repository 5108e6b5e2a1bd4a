"""Marks in a browser: chosen on the image and in the panel at once, suggested by models, and without a place.

Records r0, r1 … are images of 64 x 48 pixels with an ulcer in [10, 8, 30, 28].
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.helpers.pages import browser, options, shown, title, write_answers, write_pairs, write_records
from unveil.core.decisions import read_decisions
from unveil.review import queue

ULCER, POLYP, NOWHERE = (12, 10), (40, 30), (60, 4)
CHOSEN = ".side [aria-current]"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as shown:
        yield shown


def click(tab: Any, point: tuple[int, int]) -> None:
    """On a pixel of the image."""
    box = tab.locator(".stage canvas").last.bounding_box()
    scale = min(box["width"] / 64, box["height"] / 48)
    x, y = ((box[side] - size * scale) / 2 for side, size in (("width", 64), ("height", 48)))
    tab.mouse.click(box["x"] + x + point[0] * scale, box["y"] + y + point[1] * scale)


def chosen(tab: Any) -> list[str]:
    return list(tab.locator(CHOSEN).evaluate_all("all => all.map((one) => one.dataset.box ?? one.dataset.at)"))


def layers(tab: Any) -> list[str]:
    return list(tab.locator(".layers .layer > label").all_inner_texts())


def test_what_is_chosen_on_the_image_is_chosen_in_the_panel(chromium: Any, tmp_path: Path) -> None:
    """The other way too, also while a name is written; and nothing of it is left on the next item."""
    with shown(chromium, options(write_records(tmp_path))) as tab:
        title(tab, "r0")
        assert chosen(tab) == []
        click(tab, ULCER)
        assert chosen(tab) == ["0"]
        click(tab, NOWHERE)
        assert chosen(tab) == []
        tab.locator(".marks input").focus()
        assert chosen(tab) == ["0"]
        tab.locator(".marks input").blur()
        click(tab, NOWHERE)
        tab.locator(".marks .place").click()
        assert chosen(tab) == ["0"] and "10, 8, 30, 28" in tab.inner_text(CHOSEN)
        tab.keyboard.press("Control+ArrowRight")
        title(tab, "r1")
        tab.keyboard.press("Backspace")
        assert tab.locator(".marks li").count() == 1


def test_places_in_texts_have_layers_of_their_own(chromium: Any, tmp_path: Path) -> None:
    """Each side of a pair one; a chip and its box are chosen together, and follow what is written."""
    write_records(tmp_path)
    file = write_pairs(tmp_path, 1)
    file.write_text(file.read_text().replace("yes 0", "at <box 10 8 30 28>").replace("no 0", "at <box 32 24 48 36>"))
    with shown(chromium, options(file, records=tmp_path / "records.jsonl", blind=True)) as tab:
        title(tab, "p0")
        assert sorted(layers(tab)) == ["Left (1)", "Right (1)"]
        for point, box in ((ULCER, "10 8 30 28"), (POLYP, "32 24 48 36"), (NOWHERE, "")):
            click(tab, point)
            assert chosen(tab) == ([box] if box else [])
        tab.locator(".left .chip").click()
        assert chosen(tab) == [tab.locator(".left .chip").get_attribute("data-box")]
        tab.get_by_role("button", name="edit left").click()
        tab.locator(".left textarea").fill("at <box 1 1 5 5> and <box 50 40 60 47>")
        assert layers(tab) == ["Left (2)", "Right (1)"]


def test_a_models_places_are_shown_and_the_truth_once_the_answer_is_judged(chromium: Any, tmp_path: Path) -> None:
    """.5 .5 .75 .75 of 64 x 48 is [32, 24, 48, 36]."""
    records = write_records(tmp_path, 2)
    asked, answers = write_answers(tmp_path)
    with shown(chromium, options(answers, records=records, dialogues=asked, blind=True)) as tab:
        title(tab, "r0/diagnosis")
        assert layers(tab) == ["Answer (2)"]
        click(tab, POLYP)
        assert chosen(tab) == ["32 24 48 36"] and tab.inner_text(CHOSEN) == "polyp 32, 24, 48, 36"
        tab.keyboard.press("a")
        tab.wait_for_selector("[data-text='truth']")
        assert layers(tab) == ["sft (2)", "Truth (1)"]
        tab.locator("[data-text='truth'] .chip").click()
        assert chosen(tab) == ["10 8 30 28"]


def test_what_is_there_is_not_taken_over_again(chromium: Any, tmp_path: Path) -> None:
    """The model names an ulcer at another place than the record, and a polyp: both are taken once."""
    records = write_records(tmp_path, 2)
    asked, answers = write_answers(tmp_path)
    config = options(records, dialogues=asked, predictions=(answers,), order="use", random_share=0.0)
    with shown(chromium, config) as tab:
        tab.wait_for_selector(".suggestions")
        assert "place that is not annotated" in tab.inner_text(".why")
        told = tab.evaluate("async () => Object.keys((await import('/static/panel.js')).WHY)")
        assert set(told) == {*get_args(queue.Signal), queue.RANDOM}
        assert layers(tab) == ["Annotation (1)", "sft (2)"]
        click(tab, POLYP)
        assert chosen(tab) == ["1"] and "polyp" in tab.inner_text(CHOSEN)  # what was folded away is unfolded
        tab.locator(".suggestions .take").last.click()
        assert tab.locator(".suggestions .take").all_inner_texts() == ["Take over", "Taken over"]
        for _ in range(2):
            tab.keyboard.press("y")
            assert layers(tab) == ["Annotation (3)", "sft (2)"]
        assert "among the findings" in tab.inner_text("#said")
        tab.keyboard.press("Control+z")
        tab.keyboard.press("Control+z")
        assert tab.locator(".marks li").count() == 1
        tab.keyboard.press("y")
        tab.keyboard.press("Control+Enter")
        tab.wait_for_function("() => document.getElementById('where').textContent.includes('1 decided')")
    [kept] = read_decisions(config.out)  # type: ignore[arg-type]
    assert kept.after and [(mark.label, mark.finding) for mark in kept.after] == [
        ("ulcer", 0), ("ulcer", None), ("polyp", None),
    ]  # fmt: skip


def test_a_finding_without_a_place_is_added(chromium: Any, tmp_path: Path) -> None:
    """By its key and by the mouse; arrows, which move what is chosen, change nothing of it."""
    config = options(write_records(tmp_path))
    with shown(chromium, config) as tab:
        title(tab, "r0")
        tab.keyboard.press("l")
        tab.keyboard.type("pale mucosa")
        tab.keyboard.press("Tab")
        tab.get_by_role("button", name="Add finding").click()
        tab.keyboard.type("blood")
        tab.keyboard.press("Tab")
        assert tab.locator(".marks .place").all_inner_texts() == ["10, 8, 30, 28", "no place", "no place"]
        tab.locator(".stage .top").focus()
        tab.keyboard.press("ArrowLeft")
        tab.keyboard.press("Control+Enter")
        title(tab, "r1")
    [kept] = read_decisions(config.out)  # type: ignore[arg-type]
    assert kept.verdict == "edit" and kept.after
    assert [(mark.label, mark.box, mark.finding) for mark in kept.after[1:]] == [
        ("pale mucosa", None, None), ("blood", None, None),
    ]  # fmt: skip


def test_texts_stay_texts_and_turn_nothing_beside_them(chromium: Any, tmp_path: Path) -> None:
    """What looks like markup; Arabic, which is read from the right; and U+202E, which would turn what follows: it is
    shown, and in names it ends with the name."""
    file = write_records(tmp_path, 2)
    evil = "<img src=x onerror=document.title='ran'> </script><script>document.title='ran'</script> \u202egnp"
    rows = file.read_text().splitlines()
    rows[0] = (
        rows[0].replace("An ulcer, number 0.", evil).replace("ulcer", "<b>ulcer</b>").replace('"set"', '"\u202ete5"')
    )
    rows[1] = rows[1].replace("An ulcer, number 1.", "قرحة في المعدة")
    file.write_text("\n".join(rows) + "\n")
    with shown(chromium, options(file)) as tab:
        title(tab, "r0")
        assert "<img src=x onerror" in tab.inner_text(".texts") and tab.inner_text(".texts .turn") == "U+202E"
        assert "\u202e" not in tab.inner_text(".texts")
        assert tab.locator(".marks input").input_value() == "<b>ulcer</b>"
        assert tab.title() != "ran" and not tab.locator(".texts img, .texts script, .marks b").count()
        places = tab.locator(".about p bdi").evaluate_all("all => all.map((one) => one.getBoundingClientRect().left)")
        assert len(places) > 2 and places == sorted(places)  # U+202E would turn the order of all that follows
        tab.keyboard.press("Control+ArrowRight")
        title(tab, "r1")
        words = tab.locator(".text.report p")
        assert words.inner_text() == "قرحة في المعدة"
        right = words.evaluate(
            """one => {
              const range = document.createRange();
              range.selectNodeContents(one);
              return one.getBoundingClientRect().right - range.getBoundingClientRect().right;
            }"""
        )
        assert right == pytest.approx(0, abs=1)
