"""Pictures of the pages for the documents: docs/figures/review.jpg, review-pair.jpg, try.jpg and runs.jpg.

    python -m scripts.page_pictures runs/demo --runs runs

Takes the records of a run on synthetic images (`make demo`), shows them in Chromium, draws a box as a person would, and
writes what is seen. Pairs are the run's own, of `unveil demo --compare dpo`, if it has any.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro
from PIL import Image

from unveil.core.files import whole
from unveil.core.path_types import InputFolder
from unveil.review import review, runs, trying
from unveil.review.options import ReviewOptions, RunsOptions, TryOptions
from unveil.review.server import Served, application

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
SIZE = {"width": 1280, "height": 760}


@dataclass(frozen=True)
class Config:
    """Write the pictures of docs/figures that show pages."""

    run: tyro.conf.Positional[InputFolder]
    """Folder of a run on synthetic images."""
    runs: InputFolder | None = None
    """Folder of several, one of which may be training, to be shown side by side."""


def main(config: Config) -> None:
    """Writes them."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        raise SystemExit("no chromium on this machine")
    with TemporaryDirectory() as folder, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox"])
        out = Path(folder) / "reviews.jsonl"
        records = ReviewOptions(what=config.run, out=out, reviewers=("anna",), split=("train", "val"))
        _picture(browser, _served(review, "review", records), FIGURES / "review.jpg", _correct)
        pairs = sorted(config.run.glob("*/pairs.jsonl"))
        if pairs:
            blind = ReviewOptions(
                what=pairs[0], out=out.with_name("pairs.jsonl"), records=review.resolved(records).what,
                reviewers=("anna",), blind=True,
            )  # fmt: skip
            _picture(browser, _served(review, "review", blind), FIGURES / "review-pair.jpg", _prefer)
        trial = TryOptions(model=str(config.run / "sft"), beside="tiny", records=review.resolved(records).what)
        _picture(browser, _served(trying, "try", trial), FIGURES / "try.jpg", _ask)
        if config.runs:
            _picture(browser, _served(runs, "runs", RunsOptions(folder=config.runs)), FIGURES / "runs.jpg", _follow)
        browser.close()


def _follow(tab: Any) -> None:
    """Waits for the curves, and looks at an update of the first."""
    tab.wait_for_selector(".chart .line")
    tab.locator(".chart").first.hover()


def _prefer(tab: Any) -> None:
    tab.wait_for_function("() => performance.getEntriesByName('item').length > 0")
    tab.keyboard.press("1")


def _ask(tab: Any) -> None:
    """Asks about the first abnormal record, once more with its lesion hidden."""
    for number in range(1, 50):
        tab.get_by_label("number of the record").fill(str(number))
        tab.keyboard.press("Enter")
        tab.get_by_text(f"item {number} ·").wait_for()
        if "Annotation" in tab.locator(".layers").inner_text():
            break
    tab.select_option("#hide", "truth")
    tab.keyboard.press("Control+Enter")
    tab.wait_for_function(
        "() => document.querySelectorAll('.round').length === 2 && !document.querySelector('.cell[aria-busy=true]')"
    )
    tab.locator(".cell h4 button").first.click()


def _correct(tab: Any) -> None:
    """Opens the first of the items in which a model names what is not annotated, and draws a box beside its."""
    tab.wait_for_function("() => performance.getEntriesByName('item').length > 0")
    tab.get_by_role("button", name="Queue").first.click()
    tab.select_option(".queue select", "not annotated")
    tab.locator(".entries li:has-text('not annotated') button").first.click()
    tab.wait_for_selector(".suggestions")
    tab.wait_for_function("() => document.querySelector('.entries [aria-current]')")
    tab.wait_for_function(
        "() => document.getElementById('main').dataset.shown === document.querySelector('h1').innerText"
    )
    tab.keyboard.press("b")
    place = tab.locator(".stage canvas").last.bounding_box()
    for move, share in (("down", 0.62), ("up", 0.74)):
        tab.mouse.move(place["x"] + share * place["width"], place["y"] + share * place["height"])
        getattr(tab.mouse, move)()
    tab.keyboard.type("nodule")
    tab.keyboard.press("Tab")
    tab.mouse.move(place["x"] + 0.3 * place["width"], place["y"] + 0.3 * place["height"])


def _picture(browser: Any, page: AbstractContextManager[str], file: Path, act: Callable[[Any], Any]) -> None:
    with page as address:
        tab = browser.new_page(viewport=SIZE, color_scheme="light", device_scale_factor=1.25)
        tab.goto(address)
        tab.wait_for_selector("main[class]")
        act(tab)
        tab.wait_for_timeout(300)
        shot = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
        with whole(file) as partial:
            shot.save(partial, "JPEG", quality=72, optimize=True)
        tab.close()
        print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


@contextmanager
def _served(kind: Any, name: str, config: Any) -> Iterator[str]:
    """The address of a room of this kind, the module of its command."""
    with kind.opened(config) as room:
        app = application(name)
        kind.routes(app, room)
        page = Served(app, ("anna",), config.host)
        with page.beside():
            yield page.addresses["anna"]


if __name__ == "__main__":
    main(tyro.cli(Config))
