"""LLaVA-Med: a misspelt key, several turns, images by their ids, and files that are pointers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.annotated import run
from tests.helpers.sets import llava_med
from unveil.ingest.reading import IngestError


@pytest.mark.parametrize("key", ["conversatons", "conversations"])
def test_both_spellings_of_the_turns(key: str, tmp_path: Path) -> None:
    """Two turns: the second follows the first, and the place of the image is no text."""
    llava_med.write(tmp_path / "data")
    (tmp_path / "data/llava_med_instruct_10k.json").write_text(json.dumps(llava_med.rows(key)))
    summary, records, _ = run(tmp_path, "auto")
    assert summary.format == "llava-med" and len(records) == 7 and records[1].modality == "MRI"
    assert [(q.text, q.answer, q.kind, q.id, q.follows) for q in records[1].questions] == [
        ("What is shown in figure 1?", "A mass of 1 cm.", "open", "25121_F1/1", None),
        ("Is it large?", "Yes.", "closed", "25121_F1/2", "25121_F1/1"),
    ]
    assert any("language model" in note for note in summary.notes)


def test_an_image_without_a_name_is_called_as_its_row(tmp_path: Path) -> None:
    llava_med.write(tmp_path / "data")
    rows = [{name: value for name, value in row.items() if name != "image"} for row in llava_med.rows()]
    (tmp_path / "data/llava_med_instruct_10k.json").write_text(json.dumps(rows))
    assert len(run(tmp_path, "auto")[1]) == 7


def test_a_pointer_is_told_as_such(tmp_path: Path) -> None:
    llava_med.write(tmp_path / "data")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (tmp_path / "data/llava_med_instruct_10k.json").write_text(pointer)
    with pytest.raises(IngestError, match=r"llava_med_instruct_10k.json: a pointer of Git LFS.*git lfs pull"):
        run(tmp_path, "auto")


def test_turns_that_do_not_alternate_are_rejected(tmp_path: Path) -> None:
    llava_med.write(tmp_path / "data")
    rows = llava_med.rows()
    rows[0]["conversatons"] = rows[0]["conversatons"][1:]
    rows[1]["conversatons"] = rows[1]["conversatons"][:1]
    rows[2]["conversatons"][0]["value"] = "<image>\n<image>\nWhat has changed?"
    (tmp_path / "data/llava_med_instruct_10k.json").write_text(json.dumps(rows))
    _, records, rejected = run(tmp_path, "auto")
    assert [item["reason"] for item in rejected] == [
        "a turn of 'gpt' where a question is due",
        "no question with an answer",
        "several images, of which a question can have one",
    ]
    assert len(records) == 4
