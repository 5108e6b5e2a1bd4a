"""How fast the page of reviews is, in Chromium: how soon an item appears, with 100,000 of them, and how a large image
of 16 bits pans and takes a window.

    python -m bench.pages --json bench/results/pages.json

An item has appeared when its texts and marks stand there and its image is drawn; frames are counted as the browser
shows them, over a drag of two seconds. Times are of this machine; counts are of any.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from unveil.core.jsonl import write_jsonl
from unveil.core.pixels import write_png
from unveil.core.records import Finding, Record
from unveil.review import review
from unveil.review.options import ReviewOptions
from unveil.review.server import Served, application

SHOWN = 50
MANY = 100_000
LARGE = (2500, 3000)
#: Drags the middle of the image about for some time, and returns how long each frame took, in milliseconds.
DRAG = """
async ([button, seconds]) => {
  const canvas = [...document.querySelectorAll(".stage canvas")].at(-1);
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const held = { pointerId: 1, pointerType: "mouse", isPrimary: true, button, buttons: button === 2 ? 2 : 4 };
  const at = (k) => ({ ...held, bubbles: true,
    clientX: left + width / 2 + 120 * Math.sin(k / 9), clientY: top + height / 2 + 80 * Math.sin(k / 7) });
  canvas.setPointerCapture = () => {};
  canvas.dispatchEvent(new PointerEvent("pointerdown", at(0)));
  const frames = [];
  let last = performance.now();
  const end = last + 1000 * seconds;
  for (let k = 1; performance.now() < end; k += 1) {
    canvas.dispatchEvent(new PointerEvent("pointermove", { ...at(k), button: -1 }));
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  canvas.dispatchEvent(new PointerEvent("pointerup", at(0)));
  return frames;
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the figures go, too")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each drag")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as folder, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        found = {
            "items": _items(browser, _small(Path(folder) / "small")),
            "many": _many(browser, _rows(Path(folder) / "many")),
            "large": _large(browser, _deep(Path(folder) / "large"), given.seconds),
        }
        browser.close()
    for title, figures in found.items():
        print(title, json.dumps(figures))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


def _chromium() -> str:
    import shutil

    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        raise SystemExit("no chromium on this machine")
    return found


def _record(name: str, image: str, size: tuple[int, int]) -> Record:
    finding = Finding("ulcer", (0.2 * size[1], 0.2 * size[0], 0.5 * size[1], 0.5 * size[0]))
    return Record(name, image, size[1], size[0], findings=(finding,), completeness="exhaustive", report="An ulcer.")


def _small(folder: Path) -> Path:
    """Images of 1024 x 1024 in 16 bits."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    rows = []
    for n in range(SHOWN + 5):
        smooth = np.add.outer(np.arange(1024), np.arange(1024)).astype(np.float64) + rng.normal(0, 20, (1024, 1024))
        write_png(np.clip(smooth * 20, 0, 65535).astype(np.uint16), folder / f"{n}.png")
        rows.append(_record(f"r{n}", f"{n}.png", (1024, 1024)))
    write_jsonl(folder / "records.jsonl", rows)
    return folder / "records.jsonl"


def _rows(folder: Path) -> Path:
    """A hundred thousand records of one image."""
    folder.mkdir()
    write_png(np.zeros((64, 64), np.uint8), folder / "0.png")
    write_jsonl(folder / "records.jsonl", (_record(f"r{n}", "0.png", (64, 64)) for n in range(MANY)))
    return folder / "records.jsonl"


def _deep(folder: Path) -> Path:
    folder.mkdir()
    write_png(np.random.default_rng(0).integers(0, 4096, LARGE, np.uint16), folder / "0.png")
    write_jsonl(folder / "records.jsonl", [_record("r0", "0.png", LARGE)])
    return folder / "records.jsonl"


@contextmanager
def _shown(browser: Any, file: Path) -> Iterator[tuple[Any, float]]:
    """A tab of the page, and the seconds that its server took to start."""
    began = time.perf_counter()
    with review.opened(ReviewOptions(what=file, order="file", reviewers=("anna",))) as room:
        started = time.perf_counter() - began
        app = application("review")
        review.routes(app, room)
        page = Served(app, tuple(room.queues), "127.0.0.1")
        with page.beside():
            tab = browser.new_page(viewport={"width": 1280, "height": 800})
            tab.goto(page.addresses["anna"])
            tab.wait_for_function("() => performance.getEntriesByName('item').length > 0")
            yield tab, started
            tab.close()


def _items(browser: Any, file: Path) -> dict[str, Any]:
    """How long an item takes from the key to its image, one after the other."""
    with _shown(browser, file) as (tab, _):
        for n in range(1, SHOWN + 1):
            tab.keyboard.press("Control+ArrowRight")
            tab.wait_for_function("n => performance.getEntriesByName('item').length > n", arg=n)
        times = tab.evaluate("performance.getEntriesByName('item').map((one) => one.duration)")[1:]
    return _spread(times, "ms")


def _many(browser: Any, file: Path) -> dict[str, Any]:
    with _shown(browser, file) as (tab, started):
        times = tab.evaluate(
            """async () => {
              const { get } = await import("/static/api.js");
              const times = [];
              for (const which of ["all", "todo", "done", "random"]) {
                const began = performance.now();
                await get(`/api/queue?start=0&count=100&which=${which}`);
                times.push(performance.now() - began);
              }
              return times;
            }"""
        )
        entries = tab.evaluate("document.querySelectorAll('.entries li').length")
    asked = {f"{which}_ms": round(t, 1) for which, t in zip(("all", "todo", "done", "random"), times, strict=True)}
    return {"rows": MANY, "start_s": round(started, 2), "entries_on_the_page": entries, **asked}


def _large(browser: Any, file: Path, seconds: float) -> dict[str, Any]:
    with _shown(browser, file) as (tab, _):
        tab.evaluate("document.querySelector('.stage').scrollIntoView()")
        found = {}
        for name, button in (("pan", 1), ("window", 2)):
            found[name] = _spread(tab.evaluate(DRAG, [button, seconds])[1:], "frame ms")
        tab.get_by_role("button", name="1:1").click()
        found["pan at 1:1"] = _spread(tab.evaluate(DRAG, [1, seconds])[1:], "frame ms")
    return found


def _spread(times: list[float], unit: str) -> dict[str, Any]:
    return {
        "n": len(times),
        "median": round(float(np.median(times)), 1),
        "p95": round(float(np.percentile(times, 95)), 1),
        "most": round(max(times), 1),
        "unit": unit,
    }


if __name__ == "__main__":
    main()
