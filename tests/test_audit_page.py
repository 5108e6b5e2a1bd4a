"""The audit as a command: bad input is counted or named, and its page holds everything, loads nothing and escapes."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import draw
from tests.test_audit import IMAGES, SIZE, clean, figure, found, hidden, holding, pair, record, short
from unveil import cli
from unveil.audit import pairs as auditing
from unveil.core.jsonl import to_json, write_jsonl
from unveil.core.pairs import write_trl
from unveil.core.records import RecordError

EVIL = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """125 synthetic images with a lesion each, all of training."""
    folder = tmp_path_factory.mktemp("audited")
    for i in range(IMAGES):
        draw(folder / f"{i}.png", SIZE, i)
    write_jsonl(folder / "records.jsonl", map(record, range(IMAGES)))
    return folder


# --------------------------------------------------------------------------------------------------------- bad input


def run(*words: object) -> int:
    return cli.main(["audit", *map(str, words)])


def test_lines_that_training_refuses_are_counted_not_fatal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 8: an unknown field, a list, an empty side, a weight below 0, an id twice, equal sides; two are sound."""
    plain = [to_json(p) for p in clean(5)]
    rows = [plain[0] | {"extra": 1}, [], plain[1] | {"chosen": " "}, plain[2] | {"weight": -1}, plain[3], plain[3]]
    rows += [plain[4] | {"chosen": "So.", "rejected": "So."}, plain[4] | {"id": "sound"}]
    (folder / "odd.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert run("--pairs", folder / "odd.jsonl") == 1
    about = json.loads((folder / "odd.audit" / "audit.json").read_text())
    checks = {c["name"]: c for c in about["checks"]}
    refused = checks["refused"]["figures"]["lines"]
    assert [line.split(":")[0] for line in refused] == ["line 1", "line 2", "line 3", "line 4", "line 6"]
    for line, why in zip(refused, ("extra", "an object is needed", "empty", "-1", "more than once"), strict=True):
        assert why in line
    assert checks["identical"]["ids"] == ["p4"] and not about["ok"]
    told = capsys.readouterr().err
    assert "error: Lines that training refuses, 5 of 8. line 1" in " ".join(told.split())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "there are no pairs"),
        ("\n\n", "there are no pairs"),
        ("not json", "bad.jsonl:1:"),
        ('{"a": 1}', "there are no pairs; line 1"),
    ],
)
def test_a_file_without_pairs(content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.jsonl").write_text(content)
    assert run("--pairs", tmp_path / "bad.jsonl") == 1
    assert message in " ".join(capsys.readouterr().err.split()) and not (tmp_path / "bad.audit").exists()


def test_missing_and_broken_images_are_counted_and_named(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"no image")
    rows = [replace(p, image=image) for p, image in zip(clean(3), ("0.png", "gone.png", "broken.png"), strict=True)]
    write_jsonl(folder / "gone.jsonl", rows)
    assert run("--pairs", folder / "gone.jsonl", "--out", folder / "gone") == 1
    about = json.loads((folder / "gone" / "audit.json").read_text())
    image = next(c for c in about["checks"] if c["name"] == "image")
    assert image["ids"] == ["p1", "p2"] and image["verdict"] == "error"
    assert "gone.png" in image["figures"]["problems"]["p1"]
    assert "Image missing: gone.png" in (folder / "gone" / "audit.html").read_text()


def test_trls_form_is_read_as_training_reads_it(folder: Path) -> None:
    """The same finding and figure as from our own form; records are not known by id, but by their image file."""
    write_trl(folder / "trl.jsonl", short(), {})
    audit = auditing.audit(auditing.read(folder / "trl.jsonl"))
    assert found(audit) == {"length"}
    assert figure(audit.check("length"), "accuracy_words").value == 0.928


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file"):
        auditing.read(tmp_path / "none.jsonl")


# -------------------------------------------------------------------------------------------------- files and the page


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    """The page of pairs with most faults and hostile words."""
    odd = [pair(0, f"{EVIL} nodule", f"{EVIL} a cyst & <img src=http://evil.example/x.png>")]
    odd += [replace(p, id=f"{EVIL}{p.id}", question=EVIL) for p in holding()[:20]]
    odd += [hidden(i, (20, 12, 32, 24)) for i in range(60, 90)] + [hidden(i, (0, 0, 40, 20)) for i in range(100, 130)]
    write_jsonl(folder / "faulty.jsonl", [*odd, *(replace(p, id=f"s{p.id}", weight=0.75) for p in short())])
    assert run("--pairs", folder / "faulty.jsonl", "--records", folder / "records.jsonl") == 1
    return folder / "faulty.audit" / "audit.html"


def test_the_page_holds_all_and_loads_nothing(page: Path) -> None:
    text = page.read_text()
    assert "Research software, not a medical device" in text
    assert "default-src 'none'" in text and "<script" not in text and "<img src=http" not in text
    assert set(re.findall(r'(?:src|href)="([a-z]+:[a-z/]+)', text)) == {"data:image/webp"}
    assert text.count('<article class="case">') <= 4 * text.count('<div class="cases">')
    for said in ("Length alone", "Right answer inside the worse one", "Map beside the lesion", "Weight of a pair"):
        assert said in text
    assert "<mark>" in text


def test_the_same_seed_gives_the_same_figures(page: Path, folder: Path) -> None:
    first = (page.parent / "audit.json").read_bytes()
    run("--pairs", folder / "faulty.jsonl", "--records", folder / "records.jsonl", "--out", folder / "again")
    assert (folder / "again" / "audit.json").read_bytes() == first
    about = json.loads(first)
    length = next(c for c in about["checks"] if c["name"] == "length")
    assert set(length["figures"]["accuracy_words"]) == {"value", "low", "high", "n", "clusters"}
    assert json.loads((page.parent / "run.json").read_text())["command"] == "audit"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(page: Path, scheme: str) -> None:
    """At 390 pixels: no sideways scrolling, no message on the console, no request, and every picture is decoded."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
        said: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(page.as_uri())
        wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        blank = tab.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length")
        browser.close()
    assert (wide, blank, said) == (0, 0, [])
    assert [u for u in asked if not u.startswith("data:")] == [page.as_uri()]
