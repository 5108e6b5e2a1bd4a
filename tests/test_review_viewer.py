"""The image viewer's arithmetic, in the browser: greys as numpy counts them, places that survive any zoom, words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.images import dicom
from tests.helpers.pages import browser, served, write_records
from unveil.core import image_files
from unveil.core.jsonl import write_jsonl
from unveil.core.pixels import stretch
from unveil.core.records import Record
from unveil.review.options import ReviewOptions
from unveil.review.review import opened


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as shown:
        yield shown


@pytest.fixture(scope="module")
def tab(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("viewer")
    write_records(folder, 1)
    dicom(folder / "ct.dcm", RAMP, RescaleSlope=1, RescaleIntercept=-1024, PatientOrientation=["L", "P"])
    write_jsonl(folder / "records.jsonl", [Record("ct", "ct.dcm", 64, 64)])
    config = ReviewOptions(what=folder / "records.jsonl", out=folder / "r.jsonl", reviewers=("anna",))
    with opened(config) as room, served(room) as page:
        made = chromium.new_page(viewport={"width": 1280, "height": 800})
        made.goto(page.addresses["anna"])
        made.wait_for_function("() => performance.getEntriesByName('item').length > 0")
        made.folder = folder
        yield made


RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def test_presets_are_width_and_level_of_ct(tab: Any) -> None:
    """OHIF's table, of which an old example has bone and brain exchanged; -600 and 1500 show -1350 to 150."""
    presets = tab.evaluate("async () => (await import('/static/window.js')).PRESETS")
    assert presets == {
        "Soft tissue": [400, 40], "Lung": [1500, -600], "Liver": [150, 90], "Bone": [2500, 480], "Brain": [80, 40],
    }  # fmt: skip
    ends = tab.evaluate("async () => (await import('/static/window.js')).ends([1500, -600])")
    assert ends == [-1350, 150]
    offered = tab.locator(".tools select option").all_inner_texts()
    assert [text for text in offered if text.startswith(("Lung", "Brain"))] == ["Lung 1500 / -600", "Brain 80 / 40"]


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.float32])
@pytest.mark.parametrize("window", [(-160.0, 240.0), (-1350.0, 150.0), (0.3, 77.7), (3.0, 3.0), (-1024.0, 3071.0)])
def test_greys_are_those_of_numpy(tab: Any, kind: type[Any], window: tuple[float, float]) -> None:
    """To the level, for values around the window and halves between two levels."""
    values = np.linspace(window[0] - 50, window[1] + 50, 5000).astype(kind)
    asked = """async ([values, window]) => {
      const { grey } = await import("/static/window.js");
      return values.map(grey(window, true));
    }"""
    assert tab.evaluate(asked, [values.tolist(), list(window)]) == stretch(values, window).tolist()


def test_what_the_canvas_shows_is_what_other_pages_show(tab: Any) -> None:
    """At one to one, pixel by pixel: the greys of a CT by its range."""
    tab.keyboard.press("/")
    shown = tab.evaluate(
        """async () => {
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          const canvas = document.querySelector(".stage canvas");
          const { width, height } = canvas;
          const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          const [left, top] = [Math.round((width - 64) / 2), Math.round((height - 64) / 2)];
          const at = (x, y) => data[4 * ((top + y) * width + left + x)];
          return Array.from({ length: 64 }, (_, y) => Array.from({ length: 64 }, (_, x) => at(x, y)));
        }"""
    )
    assert np.array_equal(shown, image_files.read(tab.folder / "ct.dcm").array)


def test_a_place_is_the_same_after_any_zoom(tab: Any) -> None:
    """From the image to the screen and back: by far less than half a pixel."""
    apart = tab.evaluate(
        """async () => {
          const { View } = await import("/static/view.js");
          const view = new View();
          view.image = [3000, 2500];
          view.canvas = [811, 613];
          view.density = 1.5;
          view.fit();
          let most = 0;
          for (const factor of [1, 0.37, 1.9, 13, 0.01, 333]) {
            view.zoomTo(view.scale * factor, [100.3, 400.7]);
            view.pan(17.3, -5.9);
            for (const box of [[0, 0, 3000, 2500], [10.25, 11.5, 10.75, 12.125], [2999.5, 2499.5, 3000, 2500]]) {
              const back = view.boxToImage(view.boxToScreen(box));
              most = Math.max(most, ...back.map((value, k) => Math.abs(value - box[k])));
            }
          }
          return most;
        }"""
    )
    assert apart < 1e-9


def test_words_that_differ_are_marked_and_boxes_are_chips(tab: Any) -> None:
    """ "a large ulcer" against "a small ulcer": only the size differs; a box in the markup becomes a chip."""
    marked = tab.evaluate(
        """async () => {
          const { shown } = await import("/static/words.js");
          const p = document.createElement("p");
          const [own, beside] = ["large", "small"].map((size) => `a ${size} ulcer at <box 1 2 3 4> <b>x</b>`);
          p.append(...shown(own, { beside }));
          return [[...p.querySelectorAll("mark")].map((one) => one.textContent), p.querySelectorAll(".chip").length,
            p.querySelectorAll("b").length, p.textContent];
        }"""
    )
    assert marked == [["large"], 1, 0, "a large ulcer at 1, 2, 3, 4 <b>x</b>"]


def test_lengths_are_millimetres_where_the_spacing_is_known(tab: Any) -> None:
    """3 columns of 0.5 mm and 4 rows of 0.25 mm: sqrt(1.5² + 1²) = 1.8 mm; else 5 pixels. A projection enlarges."""
    lengths = tab.evaluate(
        """async () => {
          const { lengthOf } = await import("/static/overlay.js");
          const pictures = [{}, { spacing_source: "PixelSpacing" }, { spacing_source: "ImagerPixelSpacing" }];
          const known = pictures.map((one) => lengthOf([1, 1], [4, 5], { spacing: [0.25, 0.5], ...one }));
          return [...known, lengthOf([1, 1], [4, 5], { spacing: null })];
        }"""
    )
    assert lengths == ["1.8 mm", "1.8 mm", "1.8 mm at the detector", "5.0 px"]


def test_a_label_turns_no_figure_beside_it(tab: Any) -> None:
    """It is isolated, by UAX 9's FSI and PDI, so that U+202E ends with it."""
    name = tab.evaluate(
        """async (label) => {
          const { nameOf } = await import("/static/overlay.js");
          return nameOf({ label, confidence: 0.5, state: "tp" });
        }""",
        "\u202ercesu",
    )
    assert name == "\u2068\u202ercesu\u2069 50 % · found"


def test_steps_of_letters_are_one_step(tab: Any) -> None:
    states = tab.evaluate(
        """async () => {
          const { History } = await import("/static/history.js");
          const history = new History("");
          history.push("a", "text");
          history.push("ab", "text");
          history.push("box");
          const back = [history.undo(), history.undo(), history.undo(), history.redo(), history.canRedo];
          history.push("other");
          return [...back, history.canRedo, history.undo()];
        }"""
    )
    assert states == ["ab", "", "", "ab", True, False, "ab"]


def test_an_image_that_cannot_be_read_is_told_in_its_place(chromium: Any, tmp_path: Path) -> None:
    file = write_records(tmp_path, 1)
    (tmp_path / "0.png").write_bytes(b"\x89PNG no more")
    config = ReviewOptions(what=file, out=tmp_path / "r.jsonl", reviewers=("anna",))
    with opened(config) as room, served(room) as page:
        made = chromium.new_page()
        made.goto(page.addresses["anna"])
        made.wait_for_selector(".stage.failed .words")
        words = made.inner_text(".stage .words")
        assert "broken at its start" in words and "0.png" not in words and made.locator(".choice .main").is_visible()
