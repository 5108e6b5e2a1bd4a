"""Images as the page gets them: every sample as it is in the file, and at first the greys that are shown elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.images import dicom
from unveil.core import image_files
from unveil.core.pixels import AT_DETECTOR, ImageError, stretch
from unveil.core.records import ImagePlane, Record
from unveil.review.images import Encoded, payload

DEEP = np.random.default_rng(0).integers(0, 60_000, (40, 50), np.uint16)


def told(made: bytes) -> tuple[dict[str, Any], np.ndarray]:
    """What the page reads of it."""
    line, _, samples = made.partition(b"\n")
    head = json.loads(line)
    shape = (head["height"], head["width"], *((3,) if head["samples"] == 3 else ()))
    return head, np.frombuffer(samples, np.dtype(head["kind"]).newbyteorder("<")).reshape(shape)


def first_shown(head: dict[str, Any], values: np.ndarray) -> np.ndarray:
    """The greys of the page's first window, by its formula (`static/window.js`), in 32 bits where it says so."""
    if head["samples"] == 3:
        return values
    kind = np.float32 if head["single"] else np.float64
    if (head["low"], head["high"], values.dtype) == (0, 255, np.uint8):
        grey = values
    else:
        grey = stretch(values.astype(kind), (head["low"], head["high"]))
    grey = 255 - grey if head["inverted"] else grey
    if head["padding"]:
        grey = np.where((values >= head["padding"][0]) & (values <= head["padding"][1]), 0, grey)
    return grey


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "grey.png", "colour.png", "turned.jpg"])
def test_rasters(name: str, tmp_path: Path) -> None:
    """16 bits as they are; 8 bits and colour too; a photo as its EXIF orientation turns it."""
    file = tmp_path / name
    array = DEEP if name.startswith("deep") else (DEEP // 256).astype(np.uint8)
    exif = Image.Exif()
    if name == "turned.jpg":
        exif[274] = 6
    picture = Image.fromarray(np.stack([array] * 3, axis=2) if name == "colour.png" else array)
    picture.save(file, exif=exif) if name == "turned.jpg" else picture.save(file)
    head, values = told(payload(file))
    assert head["kind"] == ("uint16" if name.startswith("deep") else "uint8") and not head["note"]
    assert np.array_equal(values, image_files.read(file, windowed=False).array)
    assert np.array_equal(first_shown(head, values), image_files.read(file).array)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": 40, "WindowWidth": 400},
        {"RescaleSlope": 0.5, "RescaleIntercept": -10, "WindowCenter": 40, "WindowWidth": 81},
        {"RescaleSlope": 0.123, "RescaleIntercept": -10.7},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PixelPaddingValue": 7, "RescaleSlope": 2, "RescaleIntercept": -5},
        {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 3, "PixelPaddingRangeLimit": 9},
        {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"},
    ],
)
def test_dicom(tags: dict[str, Any], tmp_path: Path) -> None:
    """Values after the modality's rescale; what no window tells goes as its greys, and that is said."""
    file = dicom(tmp_path / "a.dcm", (DEEP % 900).astype(np.uint16), **tags)
    head, values = told(payload(file))
    assert np.array_equal(first_shown(head, values), image_files.read(file).array)
    assert bool(head["note"]) is ("VOILUTFunction" in tags)
    if not head["note"]:
        assert np.array_equal(values, image_files.read(file, windowed=False).array)
        assert head["inverted"] is ("MONOCHROME1" in tags.values())


@pytest.mark.parametrize("source", [AT_DETECTOR, "PixelSpacing"])
def test_where_the_spacing_comes_from_is_told(source: str, tmp_path: Path) -> None:
    """What is known of a radiograph's detector alone is no length in the body."""
    tags: dict[str, Any] = {source: [0.2, 0.3]}
    head, _ = told(payload(dicom(tmp_path / "a.dcm", (DEEP % 900).astype(np.uint16), **tags)))
    assert (head["spacing"], head["spacing_source"]) == ([0.2, 0.3], source)


def test_a_slice_has_the_values_of_its_volume_where_they_give_its_picture(tmp_path: Path) -> None:
    volume = tmp_path / "v.dcm"
    dicom(volume, DEEP % 900)
    shown = stretch(DEEP % 900, (100.0, 500.0))
    Image.fromarray(shown).save(tmp_path / "cut.png")
    plane = ImagePlane("v.dcm", 0, window=(100.0, 500.0), spacing=(0.5, 0.7))
    record = Record("r", "cut.png", 50, 40, modality="CT", plane=plane)
    head, values = told(payload(tmp_path / "cut.png", record, tmp_path))
    assert np.array_equal(values, DEEP % 900) and (head["low"], head["high"]) == (100.0, 500.0)
    Image.fromarray(255 - shown).save(tmp_path / "cut.png")  # another picture: its own greys
    head, values = told(payload(tmp_path / "cut.png", record, tmp_path))
    assert head["kind"] == "uint8" and np.array_equal(values, 255 - shown)


def test_an_image_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG and no more")
    for name in ("a.png", "none.png"):
        with pytest.raises(ImageError, match=name):
            payload(tmp_path / name)


def test_images_used_longest_ago_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for two of 10 bytes: the third takes the place of the one that was not asked for again."""
    made: list[Path] = []
    monkeypatch.setattr("unveil.review.images.payload", lambda image, *_: made.append(image) or b"0123456789")
    kept = Encoded(20)
    for key in (1, 2, 1, 3, 1, 2):
        kept.get(key, tmp_path / str(key), None, None)
    assert [path.name for path in made] == ["1", "2", "3", "2"]
