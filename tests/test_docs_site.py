"""The site is built as `make docs` builds it, is sound, asks no server, and its search finds what people look for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from scripts import check_site
from tests.helpers.documents import ROOT

pytestmark = pytest.mark.xdist_group("site")
#: What somebody types, and a page on which he finds it.
WANTED = {
    "synthetic data": "reference/data.html",
    "ground truth": "explanation/metrics.html",
    "attention map": "reference/commands/attention.html",
    "confidence interval": "explanation/metrics.html",
    "early stopping": "how-to/models.html",
    "leakage": "reference/glossary.html",
    "rollout": "how-to/rewards.html",
    "advantage": "reference/python/training.html",
    "KL": "reference/commands/train-grpo.html",
    "LoRA": "how-to/models.html",
    "memory": "how-to/recipes.html",
}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site, of a copy of the documents."""
    if find_spec("zensical") is None or find_spec("mkdocstrings") is None:
        pytest.skip("Zensical is not installed (pip install 'unveil[docs]')")
    copy = tmp_path_factory.mktemp("site")
    for name in ("docs", "scripts", "unveil"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("zensical.toml", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, copy / name)
    words = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    built = subprocess.run(words, cwd=copy, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return copy / "site"


def test_the_group_stays_in_one_process(request: pytest.FixtureRequest) -> None:
    """xdist writes it behind a test's name; where it cannot, every process builds the site."""
    grouped = request.config.getoption("dist", "no") == "loadgroup"
    assert not grouped or request.node.nodeid.endswith("@site")


def test_no_bar_is_escaped_in_code_of_a_table() -> None:
    """The site would show the backslash, and GitHub ends the cell without it; ``&#124;`` in HTML is right in both."""
    lines = [line for page in (ROOT / "docs").rglob("*.md") for line in page.read_text("utf-8").splitlines()]
    assert not [line for line in lines if line.startswith("|") and re.search(r"`[^`]*\\\|[^`]*`", line)]


def test_pages_are_in_a_menu() -> None:
    assert list(check_site.unlisted(ROOT)) == []


def test_pages_that_are_in_no_menu_and_entries_without_a_page_are_told(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").touch()
    (tmp_path / "docs" / "b.md").touch()
    (tmp_path / "zensical.toml").write_text('[project]\nnav = [{ "A" = "a.md" }, { "More" = ["c.md"] }]')
    told = list(check_site.unlisted(tmp_path))
    assert told == ["docs/b.md: in no menu of zensical.toml", "zensical.toml: no page docs/c.md"]


@pytest.mark.parametrize(
    "body, fault",
    [
        ('<a href="b.html">x</a>', "b.html leads nowhere"),
        ('<a href="#no">x</a>', "#no leads nowhere"),
        ('<img src="https://a.b/c.png">', "https://a.b/c.png is fetched from a server"),
        ('<script src="//a.b/c.js"></script>', "//a.b/c.js is fetched from a server"),
        ('<pre class="mermaid">a</pre>', "class mermaid makes the page fetch a library"),
        ("<p>Things:\n- one</p>", "a list or table that is none, for lack of an empty line: '- one'"),
    ],
)
def test_faults_of_a_page_are_told(body: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(f'<h1 id="top">A</h1><a href="https://a.b">fine</a><a href="#top">fine</a>{body}')
    assert list(check_site.faults(tmp_path)) == [f"a.html: {fault}"]


def test_the_built_site_is_sound(site: Path) -> None:
    assert list(check_site.faults(site)) == []


def test_generated_pages_hold_what_the_code_says(site: Path) -> None:
    page = (site / "reference/commands/train-sft.html").read_text()
    assert "--attention-loss FLOAT" in page and "{{" not in page
    assert "kl_terms" in (site / "reference/python/training.html").read_text()
    assert "half-open" in (site / "reference/files.html").read_text()


def test_every_option_and_glossary_term_is_in_the_search(site: Path) -> None:
    said = " ".join(item["text"] for item in json.loads((site / "search.json").read_text())["items"])
    terms = re.findall(r"^- \*\*(.+?)\*\*", (ROOT / "docs/reference/glossary.md").read_text(), re.M)
    assert [term for term in terms if term not in said] == []


def test_search_finds_what_people_look_for(site: Path) -> None:
    """In a browser, on pages that are opened as files; the first ten hits, and nothing is asked of a server."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    with sync_playwright() as p:
        window = p.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = window.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "index.html").as_uri())
        page.keyboard.press("Control+k")
        field = page.locator("input[role=combobox]")
        for words, wanted in WANTED.items():
            field.fill(words)
            hit = page.locator(f"a[href*='{wanted}?']").first
            hit.wait_for(state="attached", timeout=20_000)
            hits = page.locator("a[href*='.html?h=']").count()
            assert hits <= 10, words
        window.close()
    assert asked and not [url for url in asked if not url.startswith(("file:", "data:", "about:"))]
