"""Tables in which one cell holds all that is marked on an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.runner import Summary, ingest


def written(folder: Path, table: str, images: int = 3) -> Path:
    (folder / "images").mkdir(parents=True)
    for n in range(images):
        Image.fromarray(np.full((40, 50), 9 * n, np.uint8)).save(folder / "images" / f"{n}.png")
    (folder / "marks.csv").write_text(table)
    return folder


def read(folder: Path, out: Path, options: Options | None = None) -> tuple[dict[str, Record], Summary]:
    summary = ingest(folder, "auto", out, options)
    return {Path(r.image).stem: r for r in read_jsonl(summary.records_file, Record)}, summary


PREDICTED = "image_id,PredictionString\n0,mass 0.9 1 2 11 12 nodule 0.25 20 20 30 31\n1,\n2,14 1 0 0 1 1\n"


def test_predictions_are_sixes(tmp_path: Path) -> None:
    """label, confidence, corners; an empty cell, and "no finding" with the box that fills its place, are negatives."""
    options = Options(label_names=("14=No finding",))
    records, summary = read(written(tmp_path / "set", PREDICTED), tmp_path / "out", options)
    assert summary.format == "cell-boxes" and summary.rejected == 0
    assert [(f.label, f.box, f.attributes) for f in records["0"].findings] == [
        ("mass", (1, 2, 11, 12), {"confidence": "0.9"}),
        ("nodule", (20, 20, 30, 31), {"confidence": "0.25"}),
    ]
    assert [records[n].completeness for n in "012"] == ["unknown", "exhaustive", "exhaustive"]


def test_labels_that_are_numbers_need_names(tmp_path: Path) -> None:
    folder = written(tmp_path / "set", "image_id,PredictionString\n0,3 0.9 1 2 11 12\n")
    with pytest.raises(IngestError, match=r"marks.csv: the labels are numbers \(3\), which name nothing"):
        read(folder, tmp_path / "out")


def test_what_is_no_six_is_rejected(tmp_path: Path) -> None:
    """Five numbers; a box beside "no finding"; one that is outside."""
    table = "image_id,PredictionString\n0,mass 0.9 1 2 11\n1,mass 1 1 2 9 9 normal 1 0 0 1 1\n2,mass 1 60 60 70 70\n"
    records, summary = read(written(tmp_path / "set", table), tmp_path / "out", Options(allow_rejected=0.9))
    assert summary.rejected == 3 and {n: r.completeness for n, r in records.items()} == {"1": "partial", "2": "partial"}


def test_shapes_need_a_name(tmp_path: Path) -> None:
    folder = written(tmp_path / "set", "image,annotation\n0.png,0 1 2 11 12;1 20 20 30 30\n1.png,\n")
    with pytest.raises(IngestError, match="say --default-label NAME"):
        read(folder, tmp_path / "out")
    records, _ = read(folder, tmp_path / "more", Options(default_label="device"))
    assert [(f.label, f.box) for f in records["0"].findings] == [
        ("device", (1, 2, 11, 12)),
        ("device", (20, 20, 30, 30)),
    ]


def test_other_annotations_are_no_shapes(tmp_path: Path) -> None:
    folder = written(tmp_path / "set", "image,annotation\n0.png,a mass on the left\n")
    with pytest.raises(IngestError, match="nothing tells what is in the images"):
        read(folder, tmp_path / "out")
