"""The reference of the site says what the command line and the files hold, no more and no less."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import tyro

from scripts import reference
from unveil.cli import COMMANDS
from unveil.core.jsonl import from_json
from unveil.ingest.formats import AUTO, FORMATS, SYNTHETIC

DOCS = reference.ROOT / "docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_those_that_the_command_line_takes(name: str) -> None:
    """All of them by the parser that tyro makes, values of a choice too."""
    kind = COMMANDS[name].config()
    taken = {tuple(action.option_strings): action for action in tyro.extras.get_parser(kind)._actions[1:]}
    told = {tuple(option.name.split(", ")): option for option in reference.options(kind)}
    positional = {names for names in told if not names[0].startswith("--")}
    assert told.keys() - positional == taken.keys() - {()} and len(positional) == (() in taken)
    for names, action in taken.items():
        if names and action.choices and "--no-" not in names[-1]:
            inside = re.findall(r"[\w@+-][\w.@+-]*", told[names].values)
            assert {str(choice) for choice in action.choices} - {"None"} == set(inside), names


def test_an_option_says_its_values_its_default_and_its_meaning() -> None:
    text = reference.command("ingest")
    assert "unveil ingest --out FOLDER [options]" in text
    assert re.search(r"`--format \{auto,voc,coco,yolo,csv,[\w,-]*synthetic\}`\n:   How they are annotated", text)
    assert "*(default: `320`)*" in text and "*(required)*" in text
    assert text.index("`--out FOLDER`") < text.index("`--data PATH`") and "## Reading" in text


def test_every_command_has_a_page_that_asks_for_it() -> None:
    asked = {
        name
        for page in (DOCS / "reference" / "commands").glob("*.md")
        for name in re.findall(r'\{\{ command\("(.+?)"\) \}\}', page.read_text())
    }
    assert asked == set(COMMANDS) - {"demo"}  # the same as `run`, with other defaults


def test_every_field_of_a_row_has_a_meaning_and_every_row_a_place() -> None:
    page = (DOCS / "reference" / "files.md").read_text()
    for name, kind in reference.ROWS.items():
        table = reference.rows(name)
        assert table.count("\n| `") == len(dataclasses.fields(kind)) and "|  |" not in table, name
        assert page.count(f'{{{{ rows("{name}") }}}}') == 1, name


def test_options_and_documents_name_formats_that_there_are() -> None:
    """Words before a colon, as in "csv, cell-boxes: names of …", are names of formats; each form has its row in
    data.md, and no other has."""
    spoken = {
        (option.name, name)
        for option in reference.options(COMMANDS["ingest"].config())
        for names in re.findall(r"(?:^|\. )((?:[a-z-]+, )*[a-z-]+): ", option.help)
        for name in names.split(", ")
    }
    assert ("--label-names", "cell-boxes") in spoken
    assert {(option, name) for option, name in spoken if name not in {*FORMATS, AUTO, SYNTHETIC}} == set()
    table = (DOCS / "reference" / "data.md").read_text().partition("Named data sets")[0]
    forms = [name for name, row in FORMATS.items() if row.about is None]
    assert sorted(re.findall(r"^\| `([a-z][a-z-]*)` \|", table, re.M)) == sorted([*forms, AUTO, SYNTHETIC])


@pytest.mark.parametrize("name", reference.EXAMPLES)
def test_examples_are_lines_that_can_be_read(name: str) -> None:
    row: Any = json.loads(reference.example(name).strip("`").removeprefix("json"))
    assert from_json(reference.ROWS[name], row) == reference.EXAMPLES[name]


def test_help_is_text_and_not_markup() -> None:
    assert reference.prose("a_b *c* <d>\n  `e_f` ``g``") == r"a\_b \*c\* \<d\> `e_f` `g`"


def test_links_of_a_document_of_the_root_lead_to_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    (tmp_path / "A.md").write_text("[a](docs/x/y.md#z) [b](CHANGELOG.md) [c](LICENSE) [d](https://e.f) [g](#h)")
    assert reference.document("A.md") == "[a](x/y.md#z) [b](changelog.md) c [d](https://e.f) [g](#h)"
