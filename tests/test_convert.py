"""Pairs converted by the command: paths that still hold, boxes in a model's own words, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unveil import cli
from unveil.core.jsonl import write_jsonl
from unveil.core.pairs import read_pairs
from unveil.core.records import Pair

MARKED = "At <box 1.0 2.0 3.0 4.0>."


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """One pair whose sides stand under images of 10 x 20 and 40 x 20 pixels."""
    for name, (width, height) in {"a.png": (10, 20), "b.png": (40, 20)}.items():
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(tmp_path / name)
    pair = Pair("p1", "r1", "a.png", "train", "recognition", f"What is it? {MARKED}", MARKED, MARKED, "b.png", 0.5)
    write_jsonl(tmp_path / "pairs.jsonl", [pair])
    return tmp_path / "pairs.jsonl"


def convert(*words: object) -> int:
    return cli.main(["convert", "pairs", *map(str, words)])


def numbers(row: dict[str, Any], side: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", row[side][0]["content"][-1]["text"].split("[")[1])]


def test_boxes_are_those_of_each_sides_own_image(pairs: Path) -> None:
    """x1 = 1 is 100 thousandths of the 10 pixels of one image and 25 of the 40 of the other; y1 = 2 of 20 is 100."""
    out = pairs.parent / "trl.jsonl"
    assert convert("--pairs", pairs, "--out", out, "--box-format", "json-1000") == 0
    (row,) = map(json.loads, out.read_text().splitlines())
    assert numbers(row, "chosen") == numbers(row, "prompt") == [100, 100, 300, 200]
    assert numbers(row, "rejected") == [25, 100, 75, 200]


def test_there_and_back_into_another_folder(pairs: Path) -> None:
    """Images are found from both new files, and what made them is told beside."""
    trl, back = pairs.parent / "far" / "away" / "trl.jsonl", pairs.parent / "back" / "pairs.jsonl"
    assert convert("--pairs", pairs, "--out", trl) == 0
    assert convert("--pairs", trl, "--out", back, "--to", "unveil") == 0
    for file in (trl, back):
        (pair,) = read_pairs(file)
        assert (file.parent / pair.image).resolve() == pairs.parent / "a.png"
        assert (file.parent / (pair.rejected_image or "")).resolve() == pairs.parent / "b.png"
    (before,) = read_pairs(pairs)
    assert replace(pair, image="a.png", rejected_image="b.png") == before
    about = json.loads(trl.with_name("trl.jsonl.run.json").read_text())
    assert about["command"] == "convert pairs" and list(about["inputs"]) == [str(pairs)]


def test_a_linked_image_stays_the_link(pairs: Path) -> None:
    """What a link points to may have a name that says nothing of its format."""
    (pairs.parent / "blob").write_bytes((pairs.parent / "a.png").read_bytes())
    (pairs.parent / "a.png").unlink()
    (pairs.parent / "a.png").symlink_to("blob")
    out = pairs.parent / "out" / "trl.jsonl"
    assert convert("--pairs", pairs, "--out", out) == 0
    assert json.loads(out.read_text())["images"] == ["../a.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--box-format", "json-pixels"),
            "pixels of the picture that a model's processor has resized, which is unknown",
        ),
        (("--box-format", "pascal"), "no box format 'pascal': one of json-1000,"),
        (("--pairs", "none.jsonl"), "none.jsonl: no such file"),
    ],
)
def test_what_cannot_be_written(
    options: tuple[str, str], message: str, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = pairs.parent / "trl.jsonl"
    assert convert("--pairs", pairs, "--out", out, *options) == 1
    assert message in " ".join(capsys.readouterr().err.split()) and not out.exists()


def test_a_missing_image_is_named_with_its_pair(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pairs.parent / "b.png").unlink()
    assert convert("--pairs", pairs, "--out", pairs.parent / "trl.jsonl", "--box-format", "unit") == 1
    assert "p1 (rejected)" in capsys.readouterr().err


def test_the_file_that_is_read_is_never_written(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = pairs.read_bytes()
    assert convert("--pairs", pairs, "--out", pairs.parent / "." / "pairs.jsonl") == 1
    assert (
        "is what --pairs reads: name another output" in " ".join(capsys.readouterr().err.split())
        and pairs.read_bytes() == before
    )
