"""Masks in image files: what is foreground, and what becomes of parts and classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from unveil.core.geometry import decode_mask
from unveil.ingest import mask_files
from unveil.ingest.reading import AnnotationError, Image

#: 20 wide, 16 high; two parts: 4 x 4 pixels, and 5 x 3 of which one corner touches nothing.
MASK = np.zeros((16, 20), np.uint8)
MASK[2:6, 1:5] = 255
MASK[9:12, 10:15] = 255


def image(width: int = 20, height: int = 16) -> Image:
    return Image(Path("a.png"), "a.png", width, height, "")


def saved(path: Path, array: np.ndarray) -> Path:
    Pillow.fromarray(array).save(path)
    return path


@pytest.mark.parametrize("stored", ["255", "1", "bool", "colour", "16 bits", "palette"])
def test_foreground_is_what_is_not_nought(stored: str, tmp_path: Path) -> None:
    """The same mask in whatever way it is stored: 16 + 15 pixels."""
    arrays = {
        "255": MASK,
        "1": MASK // 255,
        "bool": MASK > 0,
        "colour": np.stack([MASK, 0 * MASK, 0 * MASK], 2),
        "16 bits": MASK.astype(np.uint16) * 257,
    }
    path = tmp_path / "mask.png"
    if stored == "palette":
        picture = Pillow.fromarray(MASK // 255, "P")
        picture.putpalette([0, 0, 0, 128, 0, 0])
        picture.save(path)
    else:
        saved(path, arrays[stored])
    assert (mask_files.foreground(path, image()) == (MASK > 0)).all()


def test_a_mask_that_is_wholly_foreground_is_not_empty(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", np.full((16, 20), 300, np.uint16))
    assert mask_files.foreground(path, image()).all()


@pytest.mark.parametrize("top", [1, 255])
def test_floats_are_read_as_they_are_meant(top: int, tmp_path: Path) -> None:
    """Shares of 1, or grey values; a full mask is not empty. As classes they are whole numbers."""
    drawn = MASK.astype(np.float32) / 255 * top
    assert (mask_files.foreground(saved(tmp_path / "mask.tif", drawn), image()) == (MASK > 0)).all()
    assert (mask_files.values(tmp_path / "mask.tif", image()) == MASK // 255 * top).all()
    assert mask_files.foreground(saved(tmp_path / "mask.tif", np.full((16, 20), top, np.float32)), image()).all()
    with pytest.raises(AnnotationError, match="holds fractions, not classes"):
        mask_files.values(saved(tmp_path / "mask.tif", drawn * np.float32(1.5) / top), image())
    drawn[0, 0] = np.nan
    for read in (mask_files.values, mask_files.foreground):
        with pytest.raises(AnnotationError, match="no grey values"):
            read(saved(tmp_path / "mask.tif", drawn), image())


def test_a_smooth_rim_is_cut_at_half(tmp_path: Path) -> None:
    """One pixel of 100 and one of 200 beside 31 of 255: the second counts."""
    smooth = MASK.copy()
    smooth[2, 5], smooth[3, 5] = 100, 200
    inside = mask_files.foreground(saved(tmp_path / "mask.png", smooth), image())
    assert inside.sum() == 32 and inside[3, 5] and not inside[2, 5]


def test_classes_are_no_foreground(tmp_path: Path) -> None:
    """Cut at half of 2, the first class would be lost: the image would be free of it."""
    classes = MASK // 255
    classes[9:12, 10:15] = 2
    with pytest.raises(AnnotationError, match=r"several values \(0, 1, 2\): are they classes"):
        mask_files.foreground(saved(tmp_path / "mask.png", classes), image())
    with pytest.raises(AnnotationError, match=r"several values \(0, 150, 255\): are they classes"):
        mask_files.foreground(saved(tmp_path / "mask.png", np.where(classes == 1, 150, MASK).astype(np.uint8)), image())


def test_a_dark_jpeg_is_not_taken_for_an_empty_mask(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"brightest value is .* below half of 255"):
        mask_files.foreground(saved(tmp_path / "mask.jpg", MASK // 3), image())
    assert not mask_files.foreground(saved(tmp_path / "empty.jpg", 0 * MASK), image()).any()


def test_a_jpeg_rings_around_its_outlines_and_is_cut_at_half(tmp_path: Path) -> None:
    """A square of 10 x 10 saved as JPEG has greys on both sides of its outline. Above 127 is the square; what is
    not black would be more, and what is white, 255, less."""
    square = np.zeros((20, 24), np.uint8)
    square[5:15, 7:17] = 255
    path = tmp_path / "mask.jpg"
    Pillow.fromarray(np.stack([square] * 3, 2)).save(path, quality=50)
    grey = np.asarray(Pillow.open(path).convert("L"))
    assert (grey > 0).sum() > 100 > (grey == 255).sum()
    assert (mask_files.foreground(path, image(24, 20)) == (square > 0)).all()


def test_sizes_must_agree(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", MASK)
    with pytest.raises(AnnotationError, match="20 x 16 pixels, the image 16 x 20"):
        mask_files.foreground(path, image(16, 20))


def test_one_finding_or_one_for_each_part() -> None:
    """Pixels that touch at a corner only are one part: (5, 6) joins the first."""
    inside = MASK > 0
    inside[6, 5] = True
    [whole] = mask_files.findings("lesion", inside)
    assert whole.box == (1, 2, 15, 12) and whole.mask and (decode_mask(whole.mask) == inside).all()
    parts = mask_files.findings("lesion", inside, components=True, attributes={"side": "left"})
    assert [part.box for part in parts] == [(1, 2, 6, 7), (10, 9, 15, 12)]
    assert [decode_mask(part.mask).sum() for part in parts if part.mask] == [17, 15]
    assert parts[0].attributes == {"side": "left"} and mask_files.findings("lesion", inside & False) == []


def test_values_and_colours_are_classes(tmp_path: Path) -> None:
    names = mask_files.names_of("# SLAKE\n150:Kidney Cancer\n\n 7 : Liver \n255,0,0:Spleen\n")
    assert names == {150: "Kidney Cancer", 7: "Liver", (255, 0, 0): "Spleen"}
    grey = np.where(MASK > 0, 7, 0).astype(np.uint8)
    grey[9:12, 10:15] = 150
    read = mask_files.values(saved(tmp_path / "mask.png", np.stack([grey] * 3, 2)), image())
    assert [(f.label, f.box) for f in mask_files.by_class(read, names)] == [
        ("Liver", (1, 2, 5, 6)),
        ("Kidney Cancer", (10, 9, 15, 12)),
    ]
    colours = mask_files.values(saved(tmp_path / "mask.png", np.stack([MASK, 0 * MASK, 0 * MASK], 2)), image())
    assert [len(mask_files.by_class(colours, names, parts)) for parts in (False, True)] == [1, 2]


def test_a_value_without_a_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="no name: 255"):
        mask_files.by_class(MASK, {1: "liver"})
    with pytest.raises(AnnotationError, match="no value and name"):
        mask_files.names_of("liver")
    with pytest.raises(AnnotationError, match="named twice"):
        mask_files.names_of("1:a\n1:b")
    with pytest.raises(AnnotationError, match="keeps no exact values"):
        mask_files.values(saved(tmp_path / "mask.jpg", MASK), image())
