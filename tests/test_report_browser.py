"""The report page in a browser: what is on its first screen, and that it is whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.test_report import make
from unveil.evaluate.report import write_report

MODELS = {"base": 1, "sft": 3}


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return found or pytest.skip("no chromium on this machine (apt-get install chromium)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(tmp_path: Path, scheme: str) -> None:
    """At 360 pixels: no sideways scrolling, no message on the console, no request, and every picture is decoded."""
    path = chromium()
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    file = write_report(make(tmp_path, MODELS), tmp_path / "out")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 360, "height": 800}, color_scheme=scheme, java_script_enabled=True)
        said: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(file.as_uri())
        wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        blank = tab.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length")
        shown = tab.evaluate("getComputedStyle(document.querySelector('.box.true')).visibility")
        tab.uncheck("#show-true")
        hidden = tab.evaluate("getComputedStyle(document.querySelector('.box.true')).visibility")
        browser.close()
    assert (wide, blank, said) == (0, 0, [])
    assert [u for u in asked if not u.startswith("data:")] == [file.as_uri()]
    assert (shown, hidden) == ("visible", "hidden")


@pytest.mark.parametrize(("width", "most"), [(1280, 800), (400, 800)])
def test_the_first_screen_has_the_result_and_a_picture(tmp_path: Path, width: int, most: int) -> None:
    """Both models' pictures of the first image are seen whole without scrolling, below the sentence that sums up."""
    path = chromium()
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    file = write_report(make(tmp_path, MODELS), tmp_path / "out")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": width, "height": most})
        tab.goto(file.as_uri())
        ends = tab.evaluate("[...document.querySelectorAll('.frame')].map(f => f.getBoundingClientRect().bottom)")
        result = tab.evaluate("document.querySelector('.lead').getBoundingClientRect().bottom")
        browser.close()
    assert 0 < result < ends[0] <= most and ends[1] <= most


@pytest.fixture
def tab_of(tmp_path: Path):
    """A browser's tab with the page, of a width and perhaps as printed."""
    path = chromium()
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    file = write_report(make(tmp_path, MODELS), tmp_path / "out")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])

        def opened(width: int, media: str = "screen"):
            tab = browser.new_page(viewport={"width": width, "height": 800}, java_script_enabled=True)
            tab.emulate_media(media=media)
            tab.goto(file.as_uri())
            return tab

        yield opened
        browser.close()


#: How many of the page's details show what is in them, and how many there are.
OPEN = """() => {const all = [...document.querySelectorAll('main details')];
return [all.filter(d => [...d.children].slice(1).every(c => c.checkVisibility() && c.getBoundingClientRect().height))
.length, all.length]}"""


def test_details_are_folded_and_printed_open(tab_of) -> None:
    """Closed at first; on paper everything is there without a click, also what lies in details of details."""
    shown, every = tab_of(1280).evaluate(OPEN)
    assert (shown, every > 8) == (0, True)
    shown, every = tab_of(1280, "print").evaluate(OPEN)
    assert shown == every > 8


def test_the_contents_are_a_list_or_one_line(tab_of) -> None:
    """Where there is room all sections stand at the top; on a telephone they are folded, for the pictures' sake."""
    seen = "[...document.querySelectorAll('nav a')].filter(a => a.checkVisibility()).map(a => a.hash.slice(1))"
    sections = "[...document.querySelectorAll('main > section')].map(s => s.id)"
    wide, narrow = tab_of(1280), tab_of(400)
    assert wide.evaluate(seen) == wide.evaluate(sections) and len(wide.evaluate(sections)) > 7
    assert narrow.evaluate(seen) == []
    narrow.click("nav summary")
    assert narrow.evaluate(seen) == narrow.evaluate(sections)


def test_captions_are_whole_on_a_telephone(tab_of) -> None:
    """With everything unfolded no caption is wider than the screen, however wide its table is."""
    tab = tab_of(400)
    tab.evaluate("document.querySelectorAll('details').forEach(d => {d.open = true})")
    right = tab.evaluate("[...document.querySelectorAll('caption > span')].map(c => c.getBoundingClientRect().right)")
    assert len(right) > 5 and max(right) <= 400
