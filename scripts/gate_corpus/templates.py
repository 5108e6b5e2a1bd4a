"""Reads the texts under ``open/`` and ``held/``: one file a group, in sections.

    ## kind | form | times | disguise        the last three may be missing: other, 2 (1 where nothing is drawn), none
    @ patient = PAT_{p:####}                 of a record: what is known of it, for all texts of the section
    Seen by ~{first} {last}~ today.          a text a line; what identifies stands between tildes
    +++                                      a text of several lines stands between two of these
    // a remark

A backslash and n, t or u with four digits are read as in Python. What braces mean stands in ``fillings``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).parent
GROUPS = (
    "names", "dates", "ages", "numbers", "contact", "network", "places", "record", "disguise", "injection", "clean",
)  # fmt: skip


@dataclass(frozen=True)
class Template:
    """A text with gaps."""

    half: Literal["open", "held"]
    group: str
    kind: str
    form: Literal["name", "other"]
    text: str
    times: int
    disguise: str = ""
    known: dict[str, str] = field(default_factory=dict)


def templates(half: str, group: str) -> Iterator[Template]:
    """The templates of a file in their order."""
    section: dict[str, Any] = {}
    block: list[str] | None = None
    for number, line in enumerate((HERE / half / f"{group}.txt").read_text(encoding="utf-8").splitlines(), 1):
        if line == "+++":
            if block is not None:
                yield _template(section, "\n".join(block), f"{half}/{group}.txt, line {number}")
            block = [] if block is None else None
        elif block is not None:
            block.append(line)
        elif line.startswith("## "):
            kind, form, times, disguise = ([part.strip() for part in line[3:].split("|")] + [""] * 3)[:4]
            section = {"half": half, "group": group, "kind": kind, "form": form or "other", "times": times}
            section |= {"disguise": disguise, "known": {}}
        elif line.startswith("@ "):
            name, value = line[2:].split("=", 1)
            section["known"] = section["known"] | {name.strip(): value.strip()}
        elif line.strip() and not line.startswith("//"):
            yield _template(section, line, f"{half}/{group}.txt, line {number}")


def _template(section: dict[str, Any], text: str, place: str) -> Template:
    text = re.sub(r"\\(n|t|u[0-9a-f]{4})", _unescaped, text)
    if text.count("~") % 2 or (section["group"] != "clean") != ("~" in text):
        raise ValueError(f"{place}: tildes come in pairs around what identifies, and clean texts have none")
    times = int(section["times"] or (2 if re.search(r"\{[a-z]", text) else 1))
    return Template(**{**section, "text": text, "times": times})


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return {"n": "\n", "t": "\t"}.get(code) or chr(int(code[1:], 16))
