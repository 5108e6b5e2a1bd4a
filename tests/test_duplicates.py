"""Copies are found, look-alikes are not."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unveil import duplicates, pixels
from unveil.pixels import read

DATA = Path(os.environ.get("UNVEIL_DATA", Path(__file__).parents[2] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real data: set UNVEIL_DATA to the folder that holds it")


def drawing(seed: int, side: int = 96) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side + 32), Image.Resampling.BICUBIC))


def pairs(images: list[np.ndarray], **options: Any) -> list[tuple[int, int]]:
    hashes = np.stack([duplicates.mirrored_fingerprints(image) for image in images])
    thumbnails = np.stack([duplicates.thumbnail(image) for image in images])
    return [(i, j) for i, j, _ in duplicates.near_duplicates(hashes, thumbnails=thumbnails, **options)]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_turned_and_mirrored_copies_are_found(quarters: int, flip: bool) -> None:
    image = drawing(1)
    copy = np.rot90(image[:, ::-1] if flip else image, quarters)
    assert pairs([image, drawing(2), copy, drawing(3)]) == [(0, 2)]


def test_recompressed_scaled_and_recoloured_copies_are_found(tmp_path: Path) -> None:
    image = drawing(1)
    Image.fromarray(image).save(tmp_path / "x.jpg", quality=40)
    copies = [read(tmp_path / "x.jpg").array, pixels.resize(image, 300, 200), (image // 2 + 60), pixels.to_rgb(image)]
    assert pairs([image, *copies]) == [(i, j) for i in range(5) for j in range(i + 1, 5)]


def test_flat_and_dark_images_are_not_joined() -> None:
    """Their difference hashes are nearly equal, as most of each is zero; their thumbnails are not."""
    dark = [np.zeros((64, 64), np.uint8) for _ in range(6)]
    dark[1][:] = 3
    for k, (row, column) in enumerate([(8, 10), (40, 20), (50, 52), (30, 33)], start=2):
        dark[k][row : row + 6, column : column + 6] = 200
    assert pairs(dark) == []
    hashes = np.stack([duplicates.mirrored_fingerprints(image) for image in dark])
    assert duplicates.near_duplicates(hashes) == []
    assert not duplicates.fingerprint(dark[0]).any() and duplicates.fingerprint(drawing(1)).shape == (256,)


def test_distances_are_counts_of_bits() -> None:
    first = np.zeros((1, 256), bool)
    first[0, :100] = True
    second = first.copy()
    second[0, 97:102] = ~second[0, 97:102]
    assert duplicates.near_duplicates(np.stack([first, second])) == [(0, 1, 5)]
    assert duplicates.near_duplicates(np.stack([first, second]), threshold=4) == []


def test_a_set_full_of_like_hashes_takes_moments() -> None:
    hashes = np.zeros((1000, 8, 256), bool)
    hashes[:, :, :40] = True
    noise = np.random.default_rng(0).integers(0, 256, (1000, 64, 64), np.uint8)
    assert duplicates.near_duplicates(hashes, thumbnails=noise) == []


def test_thousands_take_moments() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.random((3000, 8, 256)) < 0.5
    hashes[2999, 5] = hashes[7, 0]
    assert duplicates.near_duplicates(hashes) == [(7, 2999, 0)]


# Real files


def groups(folder: str) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int, int]]]:
    """For every two files: does groups.csv join them, and do we, also by way of others? Then our pairs."""
    with (DATA / folder / "groups.csv").open() as file:
        rows = list(csv.DictReader(file))
    images = [read(DATA / folder / row["file"]).array for row in rows]
    hashes = np.stack([duplicates.mirrored_fingerprints(image) for image in images])
    found = duplicates.near_duplicates(hashes, thumbnails=np.stack([duplicates.thumbnail(image) for image in images]))
    ours = np.arange(len(rows))
    for i, j, _ in found:
        ours[ours == ours[j]] = ours[i]
    theirs = np.array([row["group"] for row in rows])
    upper = np.triu_indices(len(rows), 1)
    return (theirs[:, None] == theirs)[upper], (ours[:, None] == ours)[upper], found


@needs_data
@pytest.mark.parametrize(
    ("folder", "known", "more"),
    # The ten more were looked at: one slice sharpened, mirrored or in another contrast (no163/no699 may be neighbours).
    [("bccd_bloodcells", 0, 0), ("dental_panoramic", 14, 0), ("brain_mri_tumor", 64, 10)],
)
def test_known_groups_are_found(folder: str, known: int, more: int) -> None:
    theirs, ours, _ = groups(folder)
    assert theirs.sum() == known
    assert not (theirs & ~ours).any()
    assert (ours & ~theirs).sum() == more


@needs_data
def test_distinct_radiology_images_are_not_joined() -> None:
    files = sorted((DATA / "vqa_rad").rglob("*.jpg"))
    assert len(files) == 157 and pairs([read(file).array for file in files]) == []
