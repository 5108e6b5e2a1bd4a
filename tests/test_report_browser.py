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
