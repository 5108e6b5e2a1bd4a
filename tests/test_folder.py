"""A data folder: what is in it, which image a written path means, what links lead to, what the splits are."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated import BOXES, coco, draw, every_format, run, write_csv, write_voc, write_yolo, xml
from PIL import Image

from unveil.ingest import IngestError
from unveil.ingest.files import listing
from unveil.ingest.lookup import Index
from unveil.ingest.published import list_name, split_in
from unveil.ingest.reading import AnnotationError

ROWS = "image,label,x1,y1,x2,y2\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def index(root: Path, *names: str) -> Index:
    paths = [root / name for name in names]
    return Index(root, paths, paths, (".png",))


# Which image is meant


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("/home/me/set/images/a.png", "images/a.png"),
        ("C:\\Users\\me\\images\\a.png", "images/a.png"),
        ("../../images/a.png", "images/a.png"),
        ("images/1/a.png", "images/a.png"),
        ("file:///mnt/x/a%20b.png", "images/a b.png"),
        ("/data/upload/1/1f2e3d4c-a.png", "images/a.png"),
        ("/data/local-files/?d=set/images/a.png", "images/a.png"),
        ("https://host/images/a.png?token=1", "images/a.png"),
        ("IMAGES/A.PNG", "images/a.png"),
        ("a", "images/a.png"),
        ("p1/001.png", "p1/001.png"),
        ("/elsewhere/p2/001.png", "p2/001.png"),
        (unicodedata.normalize("NFD", "lésion.png"), "lésion.png"),
    ],
)
def test_a_written_path_is_found_by_its_end(written: str, found: str) -> None:
    root = Path("/set")
    assert index(root, "images/a.png", "images/a b.png", "p1/001.png", "p2/001.png", "lésion.png").find(written, root) == root / found


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("001.png", r"several images are called '001.png' \(p1/001.png, p2/001.png\)"),
        ("p3/002.png", "no image 'p3/002.png'"),
        ("p2/002.png", "p1/002.png lies in another folder"),
        ("../../etc/passwd", "no image"),
        ("", "empty"),
    ],
)
def test_a_path_that_means_nothing_or_several(written: str, reason: str) -> None:
    with pytest.raises(AnnotationError, match=reason):
        index(Path("/set"), "p1/001.png", "p2/001.png", "p1/002.png").find(written, Path("/set"))


def test_two_paths_never_mean_one_image() -> None:
    """Of 001.png of two patients only one is here: whose it is cannot be told."""
    found = index(Path("/set"), "001.png").find_all(["x/p1/001.png", "x/p2/001.png"], Path("/set"))
    assert all(isinstance(place, AnnotationError) for place in found.values())


def test_images_in_a_folder_of_their_own(data: Path) -> None:
    draw(data.parent / "pictures/deep/a.png")
    (data / "l.csv").write_text(ROWS + "a.png,x,1,1,9,9\n")
    with pytest.raises(IngestError, match="no image"):
        run(data.parent, "csv")
    _, (record,), _ = run(data.parent, "csv", images=data.parent / "pictures")
    assert record.source.file == "deep/a.png"


@every_format
def test_dicom_without_an_ending(format: str, data: Path, tmp_path: Path) -> None:
    from test_pixels import write_dicom  # the smallest there is

    raise NotImplementedError
