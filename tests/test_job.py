"""The main job's own decisions: where it goes, what it refuses before an hour is spent, its last words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import records_in
from unveil import job
from unveil.job import RunConfig, folder_of
from unveil.records import RecordError, Split, write_jsonl


@pytest.mark.parametrize(
    ("data", "out", "goes_to"),
    [
        (None, None, "runs/demo"),
        ("hospital/ct", None, "runs/ct"),
        ("hospital/ct/", None, "runs/ct"),
        ("hospital/demo", None, "runs/demo-data"),
        ("hospital/ct", "mine", "mine"),
    ],
)
def test_own_data_never_goes_to_the_folder_of_the_demo(data: str | None, out: str | None, goes_to: str) -> None:
    config = RunConfig(data=Path(data) if data else None, out=Path(out) if out else None)
    assert folder_of(config) == Path(goes_to)


def split_as(folder: Path, *splits: Split) -> Path:
    """Six records with these splits in turn."""
    rows = [replace(r, split=splits[i % len(splits)]) for i, r in enumerate(records_in(folder))]
    write_jsonl(folder / "records.jsonl", rows)
    return folder / "records.jsonl"


def test_an_empty_test_part_is_said_at_once_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no image in test: `--resplit always`"):
        job.refuse_empty(split_as(tmp_path, "train", "val"), dealt=False)
    with pytest.raises(RecordError, match="no image in train and test"):
        job.refuse_empty(split_as(tmp_path, "val"), dealt=False)
    with pytest.raises(RecordError, match="more patients are needed"):
        job.refuse_empty(split_as(tmp_path, "train"), dealt=True)


def test_an_empty_validation_part_is_said_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job.refuse_empty(split_as(tmp_path, "train", "test"), dealt=False)
    assert "no image in val" in capsys.readouterr().err
    job.refuse_empty(split_as(tmp_path, "train", "val", "test"), dealt=False)
    assert not capsys.readouterr().err
