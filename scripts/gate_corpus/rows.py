"""The rows of the corpus, and how a template becomes one."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from scripts.gate_corpus.disguises import DISGUISES
from scripts.gate_corpus.fillings import Filling
from scripts.gate_corpus.templates import GROUPS, Template, templates

Known: TypeAlias = dict[str, str | list[str]]
FIELDS = {
    "id": "row-{p:######}",
    "patient": "P{p:#######}",
    "study": "ST{p:########}",
    "image": "slice{p:######}.png",
    "source_file": "",
    "others": "",
}
"""What is known of a record unless a template says it; an empty source file is the image's own."""


@dataclass(frozen=True)
class Planted:
    """A text and what in it identifies somebody."""

    id: str
    half: Literal["open", "held", "fresh"]
    """open: rules may be written with it at hand; held: they are only measured on it; fresh: as held, made after the
    rules by others, who had seen neither rules nor corpus."""
    group: str
    """names, dates, ages, numbers, contact, network, places, record, disguise, injection or clean."""
    kind: str
    form: Literal["name", "other"]
    """name: the name of a patient, of staff or of a relative."""
    text: str
    secrets: list[str]
    """The parts of the text that identify; of an injection those that must not survive as they are; none if clean."""
    known: Known | None
    """Group record: the record's id, patient, study, image, source_file, and others: further patients of its file."""


def rows(seed: int = 0) -> list[Planted]:
    """All rows, open half first. No secret of the open half is one of the held half."""
    made: list[Planted] = []
    taken: set[str] = set()
    for half in ("open", "held"):
        number = itertools.count(1)
        ours = [row for group in GROUPS for t in templates(half, group) for row in _rows(t, seed, number, taken)]
        made += ours
        taken |= {secret for row in ours for secret in row.secrets}
    return made


def fresh() -> Iterator[Planted]:
    """The texts that were made after the rules."""
    lines = (Path(__file__).parent / "fresh" / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        yield Planted(f"fresh-{number:04}", "fresh", known=None, **json.loads(line))


def _rows(template: Template, seed: int, number: Iterator[int], taken: set[str]) -> Iterator[Planted]:
    """As many rows as the template asks for; one with a text or a secret that is taken is drawn again."""
    t = template
    for copy in range(t.times):
        for attempt in range(200):
            filling = Filling(t.half, f"{seed} {t.half} {t.group} {t.kind} {t.text} {copy} {attempt}")
            known = _known(t, filling) if t.group == "record" else None
            text, secrets = _filled(t, filling)
            if not taken.intersection([text, *secrets]):
                break
        else:
            raise ValueError(f"{t.half}/{t.group}.txt, {t.kind!r}: nothing new can be drawn for {t.text!r}")
        taken.add(text)
        name = f"{t.half}-{next(number):04}"
        yield Planted(name, t.half, t.group, t.kind, t.form, text, secrets, known)


def _filled(template: Template, filling: Filling) -> tuple[str, list[str]]:
    """The template's text with its gaps filled, and the parts between tildes, disguised."""
    parts = template.text.split("~")
    for i, part in enumerate(parts):
        parts[i] = filling.fill(part)
        if i % 2 and template.disguise:
            parts[i] = DISGUISES[template.disguise](parts[i])
    return "".join(parts), parts[1::2]


def _known(template: Template, filling: Filling) -> Known:
    """What is known of the record; every field can be named in the template's text."""
    fields = template.known | {name: value for name, value in FIELDS.items() if name not in template.known}
    for name, value in fields.items():
        filling.values[name] = filling.fill(value)
    known: Known = {name: filling.values[name] for name in FIELDS}
    known["source_file"] = known["source_file"] or known["image"]
    known["others"] = filling.values["others"].split()
    return known
