"""Which model of a folder is meant, and what is known of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unveil.core import run_folder
from unveil.core.records import RecordError


def model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_run_is_its_fine_tuned_model(tmp_path: Path) -> None:
    model(tmp_path / "sft")
    model(tmp_path / "aar")
    (tmp_path / "resplit.jsonl").write_text("")
    (tmp_path / "dialogues.jsonl").write_text("")
    (tmp_path / "scores.json").write_text(json.dumps({"models": {"sft": {}}}))
    found = run_folder.find(tmp_path)
    assert (found.name, found.folder) == ("sft", tmp_path / "sft") and found.scores == {"models": {"sft": {}}}
    assert found.records == tmp_path / "resplit.jsonl" and found.dialogues == tmp_path / "dialogues.jsonl"
    other = run_folder.find(tmp_path, "aar")
    assert other.name == "aar" and other.scores is None, "these scores know nothing of it"
    assert run_folder.find(tmp_path / "aar") == other


def test_a_model_alone_knows_its_data_by_its_training(tmp_path: Path) -> None:
    folder, records = model(tmp_path / "a" / "mine"), tmp_path / "records.jsonl"
    records.write_text("")
    config = {"records": str(records), "dialogues": str(tmp_path / "gone.jsonl")}
    (folder / "run.json").write_text(json.dumps({"command": "train sft", "config": config, "inputs": {}}))
    found = run_folder.find(folder)
    assert (found.name, found.records, found.dialogues, found.scores) == ("mine", records, None, None)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="neither a run of `unveil run` nor a model"):
        run_folder.find(tmp_path)
    model(tmp_path / "dpo")
    assert run_folder.find(tmp_path).name == "dpo"
    with pytest.raises(RecordError, match="no model aar: there are dpo"):
        run_folder.find(tmp_path, "aar")
    model(tmp_path / "aar")
    with pytest.raises(RecordError, match="several models, and none is sft: name one by --name: aar, dpo"):
        run_folder.find(tmp_path)
    assert run_folder.find(tmp_path, "aar").name == "aar"
    with pytest.raises(RecordError, match="a model itself"):
        run_folder.find(tmp_path / "dpo", "aar")


def test_a_model_has_learnt_from_the_data_of_those_before_it(tmp_path: Path) -> None:
    """c began from b, and b from a; that a says that it began from c is no circle."""
    names = {"a": "c", "b": "a", "c": "b"}
    for name, before in names.items():
        folder = model(tmp_path / f"of-{name}" / name)
        config = {"model": str(tmp_path / f"of-{before}" / before)}
        (folder / "run.json").write_text(json.dumps({"command": "train sft", "config": config, "inputs": {}}))
    assert [one.name for one in run_folder.find(tmp_path / "of-c").lineage] == ["c", "b", "a"]
    (tmp_path / "of-a" / "a" / "run.json").unlink()
    assert [one.name for one in run_folder.find(tmp_path / "of-c").lineage] == ["c", "b"], "a is of no training of ours"
