"""What Zensical does not check of the site it built: pages in no menu, links of generated pages, other servers.

python -m scripts.check_site
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
#: Attributes by which a page has a browser fetch something, for each element; links of a person's choice are others.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
#: Classes for which the theme's script would fetch a library from a server when the page is opened.
FETCHING = {"mermaid", "glightbox", "pyodide"}


class Page(HTMLParser):
    """What the check looks at in a page: ids, links, what is fetched, and lists that did not become lists."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.faults: list[str] = []
        self._paragraph = ""
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "p":
            self._paragraph = ""
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in FETCHED and FETCHED[tag] in values:
            self.fetched.append(values[FETCHED[tag]])
        self.faults += [
            f"class {name} makes the page fetch a library" for name in FETCHING & {*values.get("class", "").split()}
        ]

    def handle_data(self, data: str) -> None:
        self._paragraph += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "p" and (found := re.search(r"^(- |\d+\. |\|).*", self._paragraph, re.M)):
            self.faults.append(f"a list or table that is none, for lack of an empty line: {found[0][:60]!r}")


def unlisted(root: Path) -> Iterator[str]:
    """Pages that are in no menu, and entries of the menu that are no page."""
    settings = tomllib.loads((root / "zensical.toml").read_text(encoding="utf-8"))
    listed = set(_entries(settings["project"]["nav"]))
    pages = {path.relative_to(root / "docs").as_posix() for path in (root / "docs").rglob("*.md")}
    yield from (f"docs/{page}: in no menu of zensical.toml" for page in sorted(pages - listed))
    yield from (f"zensical.toml: no page docs/{page}" for page in sorted(listed - pages))


def _entries(menu: Any) -> Iterator[str]:
    if isinstance(menu, str):
        yield menu
    for part in menu.values() if isinstance(menu, dict) else menu if isinstance(menu, list) else ():
        yield from _entries(part)


def faults(site: Path) -> Iterator[str]:
    """What is wrong with the pages of a built site."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site}: no page was built"
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        yield from (f"{name}: {fault}" for fault in page.faults)
        yield from (f"{name}: {target} is fetched from a server" for target in page.fetched if _abroad(target))
        if name != "404.html":  # its links are seen from wherever it is shown
            yield from (
                f"{name}: {target} leads nowhere" for target in _dead(path, [*page.links, *page.fetched], pages)
            )
    for path in sorted(site.rglob("*.css")):
        wanted = re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\"')\s]+", path.read_text(encoding="utf-8"))
        yield from (f"{path.relative_to(site)}: {target} is fetched from a server" for target in wanted)


def _abroad(target: str) -> bool:
    return bool(urlsplit(target).netloc)


def _dead(path: Path, targets: Iterable[str], pages: dict[Path, Page]) -> Iterator[str]:
    for target in targets:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        file = file / "index.html" if file.is_dir() else file
        anchor = unquote(parts.fragment)
        if not file.is_file() or (anchor and file in pages and anchor not in pages[file].ids):
            yield target


def main() -> int:
    """Says what is wrong; 1 if anything is."""
    found = [*unlisted(ROOT), *faults(ROOT / "site")]
    print(
        "\n".join(dict.fromkeys(found))
        or "site/: every page is in a menu, every link leads somewhere, no server is asked"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
