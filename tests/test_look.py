"""What is shown of a data set before the main job: six images, their boxes in words and on a page, the questions."""

from __future__ import annotations

import html
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import records_in
from tests.helpers.formats import FORMATS
from unveil.core import console, options
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Finding, Record, Source
from unveil.pipelines import look, preview, run
from unveil.pipelines.preview import Preview

EVIL = "<script>alert('x')</script>\x1b[2J"


def record(name: str, *labels: str, box: bool = True, completeness: str = "exhaustive") -> Record:
    findings = tuple(Finding(label, (1.0, 2.0, 30.4, 40.6) if box else None) for label in labels)
    return Record(name, f"{name}.png", 50, 60, findings=findings, completeness=completeness, source=Source("own"))  # type: ignore[arg-type]


def names(rows: list[Record]) -> list[str]:
    return [row.id for row in rows]


def test_six_images_come_from_all_over_the_set_one_of_them_normal() -> None:
    """Of 20 with boxes five, every fourth; of three normal ones that in the middle."""
    rows = [record(f"b{i}", "cyst") for i in range(20)] + [record(f"n{i}") for i in range(3)]
    assert names(look.some(rows)) == ["b0", "b4", "b8", "b12", "b16", "n1"]


def test_where_few_have_boxes_others_are_shown() -> None:
    rows = [record("b", "cyst"), record("l", "cyst", box=False), *(record(f"n{i}") for i in range(9))]
    assert names(look.some(rows)) == ["b", "n4", "l", "n0", "n1", "n2"]
    assert names(look.some(rows[:2])) == ["b", "l"] and look.some([]) == []


def test_findings_in_words() -> None:
    """What controls a terminal is not handed on to it."""
    many = record("m", *(f"cyst {i}" for i in range(10)))
    rows = [record("a", EVIL), record("l", "cyst", box=False), record("n"), record("u", completeness="unknown"), many]
    lines = look.listing(rows)
    assert lines[0] == ("a", "unknown", "<script>alert('x')</script>\ufffd[2J", "1, 2, 30, 41")
    assert [line[2:] for line in lines[1:4]] == [("cyst", "no box"), ("no finding", ""), ("nothing annotated", "")]
    assert len(lines) == 4 + 8 + 1 and lines[-1][2] == "and 2 more"


def test_names_in_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console.table("", ("image", "label"), [("a.png", "[red]mass[/]"), ("b.png", "[/]")])
    shown = capsys.readouterr().err
    assert "[red]mass[/]" in shown and "[/]" in shown.splitlines()[-2]


def own(folder: Path, count: int = 30) -> run.Config:
    folder.mkdir()
    FORMATS["coco"](folder, records_in(folder, count))
    return run.Config(data=folder)


def test_a_data_set_in_words(tmp_path: Path) -> None:
    """30 images, of which a third has a nodule and a cyst, a third a nodule, a third nothing."""
    seen = preview.preview(own(tmp_path / "own"), tmp_path / "scratch")
    assert look.told(seen)[0] == (
        "30 images, of unknown patients: 30 findings (20 nodule, 10 cyst), 10 images without one"
    )
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == sorted(
        ["annotations.json", *(f"{i}.png" for i in range(30))]
    ), "nothing is written among the data"


# --------------------------------------------------------------------------------------------------------------- page


def page(folder: Path) -> Path:
    rows = [replace(r, patient=EVIL) for r in records_in(folder, 6)]
    rows[0] = replace(rows[0], findings=(*rows[0].findings, Finding(EVIL, (40.0, 10.0, 90.0, 60.0))))
    rows[5] = replace(rows[5], image="gone.png")
    write_jsonl(folder / "records.jsonl", rows)
    return look.write_page(Preview(folder / "records.jsonl", rows, [], dealt=False), "6 images", folder / "p.html")


def test_the_page_shows_each_box_and_escapes_what_is_from_outside(tmp_path: Path) -> None:
    text = page(tmp_path).read_text()
    assert text.count("<img ") == 5 and "Image missing: gone.png" in text
    assert text.count('<rect class="line"') == 2 * 2 + 2 + 1, "two images of two boxes, two of one, and one more box"
    assert "<script" not in text and html.escape("<script>alert('x')</script>", quote=False) in text.replace(
        "&#39;", "'"
    )
    assert not re.search(r'(?:src|href)="(?!data:)', text)


def test_the_page_says_what_to_answer_where_boxes_are_read_wrongly(tmp_path: Path) -> None:
    """By options that the main job has."""
    [advice] = re.findall(r"<p>(Look: .*?)</p>", page(tmp_path).read_text(), re.S)
    assert " ".join(advice.split()) == (
        "Look: do the boxes lie where they should, and do their names say what is in them? If not, answer the "
        "question in the terminal with options instead of yes: --box-units percent and the like say how to read them."
    )
    assert options.read(run.Config, ["--box-units", "percent"], "run").reading.box_units == "percent"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_the_page_in_a_browser(tmp_path: Path, width: int, scheme: str) -> None:
    """No sideways scrolling, nothing is loaded, boxes lie where they were annotated."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    path = found or pytest.skip("no chromium on this machine (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    file = page(tmp_path)
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(file.as_uri())
        wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        blank = tab.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length")
        frame, box = (tab.locator(q).first.bounding_box() for q in (".frame", "rect.line"))
        browser.close()
    assert (wide, blank) == (0, 0)
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    shares = [
        (box[a] - frame[a] * (a in "xy")) / frame[b]
        for a, b in (("x", "width"), ("y", "height"), ("width", "width"), ("height", "height"))
    ]
    assert shares == pytest.approx([5 / 96, 6 / 64, 15.5 / 96, 24 / 64], abs=0.02), "5, 6, 20.5, 30 of 96 x 64"
