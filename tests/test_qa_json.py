"""Questions in JSON and JSONL, whatever their keys are called, and folders of the Hub with metadata.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.annotated import draw, run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for n, name in enumerate("ab"):
        draw(tmp_path / f"data/images/{name}.png", seed=n)
    return tmp_path / "data"


ROWS: list[dict[str, Any]] = [
    {"image": "a.png", "question": "Is it? ", "answer": True},
    {"image": "a.png", "question": "How many?", "answer": 3, "answer_type": "OPEN"},
    {"image": "images/b.png", "question": "Which?", "choices": ["CT", "MR"], "answer": "mr", "split": "test"},
]


@pytest.mark.parametrize("name", ["train.json", "train.jsonl"])
def test_a_list_and_lines(name: str, data: Path) -> None:
    (data / name).write_text("\n".join(map(json.dumps, ROWS)) if name.endswith("l") else json.dumps(ROWS))
    summary, (one, two), rejected = run(data.parent, "auto")
    assert summary.format == "qa-json" and rejected == []
    assert [(q.text, q.answer, q.kind) for q in one.questions] == [
        ("Is it?", "yes", "closed"),
        ("How many?", "3", "open"),
    ]
    assert (two.questions[0].answer, two.questions[0].choices, two.split) == ("MR", ("CT", "MR"), "test")
    assert one.split == "train" and {one.completeness, two.completeness} == {"unknown"}


def test_other_names_of_keys_and_other_ways_of_a_choice(data: Path) -> None:
    """A letter, a letter with its text, a number from 0, an object of letters."""
    options = ["A. CT", "B. MR"]
    rows: list[dict[str, Any]] = [
        {"Image_Name": "a.png", "Prompt": f"Q{n}?", "Options": choices, "Answer": answer}
        for n, (choices, answer) in enumerate(
            [
                (options, "b"),
                (options, "B. MR"),
                (options, 1),
                ({"A": "CT", "B": "MR"}, "B"),
                (options, "C"),
                (options, 7),
            ]
        )
    ]
    (data / "q.json").write_text(json.dumps(rows))
    _, [record], rejected = run(data.parent, "auto")
    assert [(q.answer, q.choices) for q in record.questions] == [("MR", ("CT", "MR"))] * 4
    assert [item["reason"] for item in rejected] == [
        "the answer 'C' is none of its choices: CT, MR",
        "the answer is choice 7, of 2 counted from 0",
    ]


def test_rows_that_cannot_be_used_are_told(data: Path) -> None:
    rows = [
        *ROWS,
        {"question": "Q?", "answer": "a"},
        "text",
        {**ROWS[0], "answer": None},
        {**ROWS[0], "image": "z.png"},
    ]
    (data / "q.json").write_text(json.dumps(rows))
    _, records, rejected = run(data.parent, "auto")
    assert len(records) == 2 and [item["row"] for item in rejected] == [4, 5, 6, 7]


def test_a_folder_of_the_hub_with_a_table(data: Path) -> None:
    """``metadata.csv`` in place of ``metadata.jsonl`` is a table as any other, whose images are called file_name."""
    for file in data.glob("*.json*"):
        file.unlink()
    draw(data / "train" / "c.png", seed=5)
    (data / "train" / "metadata.csv").write_text("file_name,label\nc.png,mass\n")
    summary, [record], _ = run(data.parent, "auto")
    assert summary.format == "csv" and [f.label for f in record.findings] == ["mass"] and record.split == "train"


def test_a_folder_of_the_hub(data: Path) -> None:
    """(4, 2) with 16 x 10 is (4, 2, 20, 12); "normal" says that there is nothing."""
    rows: list[dict[str, Any]] = [
        {"file_name": "c.png", "objects": {"bbox": [[4, 2, 16, 10]], "categories": ["mass"]}},
        {"file_name": "d.png", "label": "normal", "report": "Clear."},
        {"file_name": "e.png", "objects": [{"bbox": [4, 2, 16], "category": "mass"}]},
        {"file_name": "f.png", "question": "Is it?", "answer": "no"},
        {"file_name": "g.png", "findings": "A mass.", "impression": "Tumour."},
    ]
    for n, row in enumerate(rows):
        draw(data / "validation" / row["file_name"], seed=5 + n)
    (data / "validation/metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    summary, (c, d, e, f, g), [rejected] = run(data.parent, "auto")
    assert summary.format == "imagefolder" and {r.split for r in (c, d, e, f)} == {"val"}
    assert [(x.label, x.box) for x in c.findings] == [("mass", (4, 2, 20, 12))] and c.completeness == "exhaustive"
    assert (d.findings, d.completeness, d.report) == ((), "exhaustive", "Clear.")
    assert (e.findings, e.completeness, rejected["row"]) == ((), "partial", 3)
    assert f.questions[0].answer == "no" and (g.report, g.findings) == ("A mass.\nTumour.", ())
    assert g.sections == {"findings": "A mass.", "impression": "Tumour."}


def test_an_image_that_loses_a_row_is_no_negative(data: Path) -> None:
    """One row says that there is nothing, another, which cannot be used, marks a box."""
    rows = [
        {"file_name": "a.png", "objects": {"bbox": [], "categories": []}},
        {"file_name": "a.png", "objects": {"bbox": [[4, 2, 16, 10]], "categories": ["mass"]}, "split": "somewhere"},
        {"file_name": "b.png", "objects": {"bbox": [], "categories": []}},
    ]
    (data / "images/metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    _, records, [rejected] = run(data.parent, "auto")
    assert rejected["row"] == 2 and [r.completeness for r in records] == ["partial", "exhaustive"]
