"""Where a model looks on test images: what is kept of it, and how much more than by chance lies on the findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import records_in
from unveil import cli
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Record, RecordError
from unveil.curate.mau import MauOptions, mau
from unveil.evaluate import attention
from unveil.evaluate.attention import GRID, grid
from unveil.evaluate.attention_lift import AttentionRow, lift


def test_the_command_writes_maps(tiny_folder: Path, tmp_path: Path) -> None:
    """One abnormal test image with boxes: its map has the image's proportions, its shares lie between 0 and 1."""
    records = records_in(tmp_path)
    write_jsonl(tmp_path / "records.jsonl", records)
    write_jsonl(tmp_path / "dialogues.jsonl", mau(records, MauOptions()))
    files = ["--records", tmp_path / "records.jsonl", "--dialogues", tmp_path / "dialogues.jsonl"]
    out = tmp_path / "attention.jsonl"
    assert cli.main(["attention", *map(str, files), "--model", str(tiny_folder), "--out", str(out), "--name", "m"]) == 0
    (found,) = read_jsonl(out, AttentionRow)
    abnormal = next(r for r in records if r.split == "test" and r.boxed)
    assert (found.record, found.model, found.cluster) == (abnormal.id, "m", abnormal.cluster)
    assert 0 < found.share < 1 and 0 < found.even < 1 and max(map(max, found.map)) == 1.0
    rows, columns = len(found.map), len(found.map[0])
    assert max(rows, columns) == GRID and rows / columns == pytest.approx(abnormal.height / abnormal.width, abs=0.1)


def test_lift_by_hand() -> None:
    """Three patients with a share of 0.4 where 0.1 would be even and three with 0.2 and 0.2: 1.8 / 0.9 = 2 times.

    With k of the first kind among the six that are drawn it is (1.2 + 0.2 k) / (1.2 - 0.1 k). None and six of them are
    drawn in 1.6 % each, beyond the limits, which are those of one and of five: 1.4 / 1.1 and 2.2 / 0.7.
    """
    maps = [AttentionRow(name, name, name, "m", 0.4, 0.1, ((1.0,),)) for name in "abc"]
    maps += [AttentionRow(name, name, name, "m", 0.2, 0.2, ((1.0,),)) for name in "def"]
    assert lift(maps) == pytest.approx((2.0, 1.4 / 1.1, 2.2 / 0.7))
    assert lift(maps[:5])[1:] == (None, None), "five patients are too few for percentiles"


def test_a_map_by_hand() -> None:
    """Columns of 0, 1, 2 and 4, mean 1.75: the first two are below it, the third 0.25 / 2.25 of the largest above."""
    picture = np.array([[0.0, 1.0, 2.0, 4.0], [0.0, 1.0, 2.0, 4.0]])
    cells = np.array(grid(np.repeat(np.repeat(picture, 12, 0), 12, 1)))
    assert cells.shape == (12, 24) and cells.max() == 1.0 and cells[:, 0].max() == 0.0
    assert cells[0, 6] == 0.0 and cells[0, 12] == 0.111


def test_a_map_has_no_more_cells_than_pixels() -> None:
    """An image of one pixel, and one of a line."""
    assert grid(np.ones((1, 1))) == ((0.0,),)
    assert grid(np.array([[1.0, 2.0, 3.0]])) == ((0.0, 0.0, 1.0),)


def test_nothing_to_look_at_is_said(tiny_folder: Path, tmp_path: Path) -> None:
    records = [r for r in records_in(tmp_path) if not r.findings]
    with pytest.raises(RecordError, match="no diagnosis of an abnormal test image"):
        attention.main(asked(tiny_folder, tmp_path, records, records))


def test_records_and_dialogues_that_do_not_belong_together(tiny_folder: Path, tmp_path: Path) -> None:
    records = records_in(tmp_path)
    others = [r for r in records if r.split != "test"]
    with pytest.raises(RecordError, match=r"its record is not in \S+records\.jsonl \(\d+ are missing\)"):
        attention.main(asked(tiny_folder, tmp_path, others, records))


def asked(model: Path, folder: Path, records: list[Record], about: list[Record]) -> attention.Config:
    """The command on some records and the dialogues about others."""
    write_jsonl(folder / "records.jsonl", records)
    write_jsonl(folder / "dialogues.jsonl", mau(about, MauOptions()))
    return attention.Config(
        records=folder / "records.jsonl",
        dialogues=folder / "dialogues.jsonl",
        out=folder / "o.jsonl",
        model=str(model),
    )
