"""The page of runs in a browser: sorted and compared by keyboard, curves that grow, a run that is stopped, a report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.helpers.pages import browser
from tests.helpers.runs import answered, drew, finished, training, write, write_log
from unveil.review import runs
from unveil.review.options import RunsOptions
from unveil.review.server import Served, application


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as shown:
        yield shown


@contextmanager
def shown(chromium: Any, root: Path, width: int = 1280, **how: Any) -> Iterator[Any]:
    """A tab of the page; nothing on its console, and no request to anybody else."""
    with runs.opened(RunsOptions(folder=root, user="anna")) as room:
        app = application("runs")
        runs.routes(app, room)
        served = Served(app, ("anna",), "127.0.0.1")
        with served.beside():
            context = chromium.new_context(viewport={"width": width, "height": 800}, **how)
            tab = context.new_page()
            said: list[str] = []
            asked: list[str] = []
            tab.on("console", lambda message: said.append(message.text))
            tab.on("pageerror", lambda error: said.append(str(error)))
            tab.on("request", lambda request: asked.append(urlsplit(request.url).netloc))
            tab.goto(served.addresses["anna"])
            tab.wait_for_selector("tbody tr")
            yield tab
            context.close()
            assert not said and set(asked) == {urlsplit(served.addresses["anna"]).netloc}


def names(tab: Any) -> list[str]:
    return tab.eval_on_selector_all("tbody tr[data-run]", "rows => rows.map((row) => row.dataset.run)")  # type: ignore[no-any-return]


def test_runs_are_sorted_and_compared_by_keyboard(chromium: Any, tmp_path: Path) -> None:
    for n, (name, accuracy) in enumerate((("b", 0.7), ("a", 0.3), ("c", 0.5))):
        finished(tmp_path / name, accuracy, epochs=float(n), compare=[] if name == "b" else None)
    write(tmp_path / "broken" / "run.json", "{")
    with shown(chromium, tmp_path) as tab:
        head = tab.get_by_role("columnheader", name="category accuracy")
        head.get_by_role("button").press("Enter")
        assert names(tab) == ["b", "c", "a", "broken"] and head.get_attribute("aria-sort") == "descending"
        head.get_by_role("button").press("Enter")
        assert names(tab) == ["a", "c", "b", "broken"], "what has no value comes last"
        assert "0.30 [0.20, 0.40]" in tab.inner_text("tr[data-run=a]")
        assert "run.json cannot be read" in tab.inner_text("tr[data-run=broken]")
        tab.get_by_role("checkbox", name="compare a").press("Space")
        tab.wait_for_function("() => document.querySelectorAll('.legend li').length === 2")
        drawn = "[...document.querySelectorAll('figure[data-figure=loss] path.line')]"
        styles = f"{drawn}.map((line) => getComputedStyle(line)).map((s) => `${{s.stroke}} ${{s.strokeDasharray}}`)"
        assert len(set(tab.evaluate(styles))) == 2, "each run has a colour and a dash of its own"
        assert "0.70 [0.60, 0.80]" in tab.inner_text(".of-figures") and "epochs" in tab.inner_text(".of-figures")
        row = tab.locator(".of-figures tr", has=tab.get_by_role("rowheader", name="compare"))
        assert sorted(row.locator("td").all_inner_texts()) == ["none", "not set"]
        tab.fill("input[type=search]", "C")
        assert names(tab) == ["c"]


def test_a_curve_grows_while_a_run_trains_and_a_person_stops_it(chromium: Any, tmp_path: Path) -> None:
    """A process of its own, which ends in order; nobody is asked to end before the person has said so twice."""
    last = """before => {
      const told = document.querySelector("[data-figure=loss] svg")?.getAttribute("aria-label");
      const step = Number(/after update (\\d+)/.exec(told)?.[1] ?? 0);
      return step > before && step;
    }"""
    with training(tmp_path / "live") as process, shown(chromium, tmp_path) as tab:
        before = tab.wait_for_function(last, arg=0).json_value()
        tab.wait_for_function(last, arg=before)
        assert "running" in tab.inner_text("tr[data-run=live]")
        tab.get_by_role("button", name="Stop live").click()
        tab.get_by_role("button", name="Let it run").click()
        assert not (tmp_path / "live" / ".stop.json").exists() and process.poll() is None
        tab.get_by_role("button", name="Stop live").click()
        tab.get_by_role("button", name="Stop it").click()
        assert process.wait(20), "it has ended as Ctrl-C ends it"
        tab.wait_for_function("() => document.querySelector('tr[data-run=live]').innerText.includes('stopped')")
    assert json.loads((tmp_path / "live" / ".ended.json").read_text())["why"].startswith("anna asked")


def test_samples_have_their_image_and_a_report_opens_without_the_page(chromium: Any, tmp_path: Path) -> None:
    drew(finished(answered(tmp_path / "one")) / "sft", 2)
    with shown(chromium, tmp_path) as tab:
        tab.wait_for_selector(".of-samples[data-shown='sample 1']")
        drew(tmp_path / "one" / "sft", 4)
        tab.select_option(".of-samples select", label="one/sft: validation")
        tab.wait_for_selector(".of-samples[data-shown='item 1']")
        described = "image of 64 by 48 pixels. Truth: 1 marks, Answer: 1 marks"
        tab.wait_for_selector(f".picture canvas.top[aria-label*='{described}']")  # told when it is drawn next
        with tab.context.expect_page() as opened:
            tab.get_by_role("button", name="Report one").click()
        report = opened.value
        report.wait_for_selector("h1")
        assert report.inner_text("h1") == "Report of 0.5" and report.evaluate("origin") == "null"
        assert report.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(255, 0, 0)"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_nothing_is_in_the_way_of_anybody(chromium: Any, width: int, scheme: str, tmp_path: Path) -> None:
    """By axe, in both schemes; the page itself does not scroll sideways."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    for name in ("a", "b"):
        finished(answered(tmp_path / name), epochs=float(name == "a"))
    write_log(tmp_path / "c", [1.0, 0.5])
    with shown(chromium, tmp_path, width, color_scheme=scheme) as tab:
        tab.wait_for_selector(".of-samples[data-shown='item 1']")
        tab.click("summary:has-text('Settings that differ')")
        found = axe.run(tab).response["violations"]
        grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert grave == []
        assert tab.evaluate("document.documentElement.scrollWidth") == width


def test_the_arithmetic_of_charts(chromium: Any, tmp_path: Path) -> None:
    """Steps of ticks are 1, 2 or 5 times a power of ten; a thinned line keeps its peaks; a mean is that of what was."""
    finished(tmp_path / "one")
    asked = """async () => {
      const { Chart, ticks, brief, smoothed, thinned } = await import("/static/chart.js");
      const line = Array.from({ length: 10000 }, (_, n) => [n, n === 5000 ? 9 : n === 7001 ? -9 : Math.sin(n)]);
      const thin = thinned(line, 300);
      const chart = new Chart({ title: "Loss", unit: "nats" });
      const [a, b] = [{ name: "a", steps: [1, 5], values: [2, 1] }, { name: "b", steps: [1, 9], values: [4, null] }];
      chart.draw([{ slot: 0, ...a }, { slot: 1, ...b }], 300, 100);
      return {
        at: [1, 4, 9].map((step) => chart.valuesAt(step).map(([one, value, at]) => [one.name, value, at])),
        ticks: [[0, 1], [0.13, 0.58], [-7, 93, 4], [3, 3]].map((of) => ticks(...of).map((at) => Number(at.toFixed(6)))),
        brief: [0, 0.12345, 1234.5, 0.00001234, 12345678, null].map((one) => brief(one)),
        mean: smoothed([4, null, 8], 0.5),
        thin: [thin.length <= 600, Math.max(...thin.map(([, y]) => y)), Math.min(...thin.map(([, y]) => y)),
               thin.every(([x], n) => n === 0 || x > thin[n - 1][0])],
      };
    }"""  # fmt: skip
    with shown(chromium, tmp_path) as tab:
        found = tab.evaluate(asked)
    assert found["at"] == [[["a", 2, 1], ["b", 4, 1]], [["a", 2, 1], ["b", 4, 1]], [["b", 4, 1]]], "a's line has ended"
    assert found["ticks"] == [[0, 0.2, 0.4, 0.6, 0.8, 1], [0.2, 0.3, 0.4, 0.5], [0, 50], [3]]
    assert found["brief"] == ["0", "0.123", "1235", "1.2e-5", "1.2e7", "–"]
    assert found["mean"] == [4, None, pytest.approx(20 / 3)]  # (0.25 * 4 + 0.5 * 8) / 0.75
    assert found["thin"] == [True, 9, -9, True]
