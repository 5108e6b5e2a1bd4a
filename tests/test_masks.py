"""Folders of masks: which image a mask belongs to, what it shows, and what an empty one says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.runner import Summary, ingest

#: 24 wide, 20 high, with two parts: 4 x 5 and 6 x 3 pixels.
MASK = np.zeros((20, 24), np.uint8)
MASK[3:8, 2:6] = 255
MASK[12:15, 10:16] = 255
LESION = Options(default_label="lesion")


def put(folder: Path, **files: np.ndarray) -> Path:
    """Images and masks by their paths, with __ for a slash and no ending."""
    for name, array in files.items():
        path = folder / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)
    return folder


def picture(n: int = 0) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 255, (20, 24, 3), np.uint8)


def read(folder: Path, out: Path, options: Options = LESION) -> tuple[dict[str, Record], Summary]:
    summary = ingest(folder, "auto", out, options)
    return {str(r.source.file): r for r in read_jsonl(summary.records_file, Record)}, summary


def boxes(record: Record) -> list[tuple[str, object]]:
    return [(f.label, f.box) for f in record.findings]


def test_masks_are_called_as_their_images(tmp_path: Path) -> None:
    """An empty mask is a true negative, an image without one was looked at by nobody; no mask is an image."""
    folder = put(
        tmp_path / "set",
        images__a=picture(0), images__b=picture(1), images__c=picture(2),
        masks__a=MASK, masks__b=0 * MASK,
    )  # fmt: skip
    records, summary = read(folder, tmp_path / "out")
    assert summary.format == "masks" and set(records) == {"images/a.png", "images/b.png"}
    assert boxes(records["images/a.png"]) == [("lesion", (2, 3, 16, 15))]
    assert (records["images/b.png"].findings, records["images/b.png"].completeness) == ((), "exhaustive")
    assert "no annotation names this image" in str(summary.reasons[0])


def test_parts_may_be_findings_of_their_own(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", images__a=picture(), masks__a=MASK)
    records, _ = read(folder, tmp_path / "out", Options(default_label="lesion", components="each"))
    assert boxes(records["images/a.png"]) == [("lesion", (2, 3, 6, 8)), ("lesion", (10, 12, 16, 15))]


def test_words_behind_the_name_and_several_masks(tmp_path: Path) -> None:
    one, two = MASK.copy(), MASK.copy()
    one[10:], two[:10] = 0, 0
    folder = put(tmp_path / "set", a=picture(0), a_mask=one, a_mask_1=two, b=picture(1), b_segmentation=0 * MASK)
    records, _ = read(folder, tmp_path / "out")
    assert boxes(records["a.png"]) == [("lesion", (2, 3, 6, 8)), ("lesion", (10, 12, 16, 15))]
    assert records["b.png"].findings == ()


def test_what_a_mask_shows_may_be_its_folder(tmp_path: Path) -> None:
    """A folder of a split is none: masks/train/a.png is of images/train/a.png, not of images/test/a.png."""
    folder = put(
        tmp_path / "set",
        images__train__a=picture(0), images__test__a=picture(1),
        masks__train__liver__a=MASK, masks__train__spleen__a=0 * MASK, masks__test__liver__a=MASK,
    )  # fmt: skip
    records, _ = read(folder, tmp_path / "out", Options())
    assert boxes(records["images/train/a.png"]) == [("liver", (2, 3, 16, 15))]
    assert {name: r.split for name, r in records.items()} == {
        "images/train/a.png": "train",
        "images/test/a.png": "test",
    }


def test_biomedparse(tmp_path: Path) -> None:
    """The name tells modality and target; what no mask names may be there all the same."""
    folder = tmp_path / "set"
    for name, array in (
        ("train/12_CT_abdomen", picture(0)),
        ("train_mask/12_CT_abdomen+liver", MASK),
        ("train_mask/12_CT_abdomen+kidney+tumor", MASK),
        ("test/13_CT_abdomen", picture(1)),
        ("test_mask/13_CT_abdomen+liver", MASK),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / f"{name}.png")
    records, _ = read(folder, tmp_path / "out", Options())
    record = records["train/12_CT_abdomen.png"]
    assert sorted(f.label for f in record.findings) == ["kidney tumor", "liver"]
    assert (record.modality, record.split, record.completeness) == ("CT", "train", "partial")


def test_values_are_classes_with_names(tmp_path: Path) -> None:
    """Of a file, or by the user's word; of a palette the numbers, or its colours."""
    classes = MASK // 255
    classes[12:15, 10:16] = 2
    folder = put(tmp_path / "set", images__a=picture(), masks__a=classes)
    expected = [("liver", (2, 3, 6, 8)), ("spleen", (10, 12, 16, 15))]
    records, _ = read(folder, tmp_path / "out", Options(label_names=("1=liver", "2=spleen")))
    assert boxes(records["images/a.png"]) == expected
    (folder / "mask.txt").write_text("1:liver\n2:spleen\n")
    records, _ = read(folder, tmp_path / "more", Options())
    assert boxes(records["images/a.png"]) == expected
    palette = Image.fromarray(classes, "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(folder / "masks" / "a.png")
    records, _ = read(folder, tmp_path / "most", Options(label_names=("255,0,0=liver", "0,255,0=spleen")))
    assert sorted(boxes(records["images/a.png"]), key=str) == expected


def test_a_pattern_tells_masks_and_labels(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", scans__a=picture(), gt__cyst__a_x=MASK)
    records, _ = read(folder, tmp_path / "out", Options(mask_pattern="gt/{label}/{image}_*.png"))
    assert boxes(records["scans/a.png"]) == [("cyst", (2, 3, 16, 15))]
    with pytest.raises(IngestError, match=r"needs \{image\}"):
        read(folder, tmp_path / "more", Options(mask_pattern="gt/*.png"))


def test_images_may_lie_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "pictures", a=picture())
    folder = put(tmp_path / "set", masks__a=MASK)
    records, _ = read(folder, tmp_path / "out", Options(default_label="lesion", images=tmp_path / "pictures"))
    assert set(records) == {"a.png"}


@pytest.mark.parametrize(("wrong", "right"), [("a_mask_1", "a_mask_2"), ("a_mask_2", "a_mask_1")])
def test_a_mask_that_does_not_fit_leaves_the_others(wrong: str, right: str, tmp_path: Path) -> None:
    """Whichever comes first; the image is not complete."""
    folder = put(tmp_path / "set", images__a=picture(), **{f"masks__{wrong}": MASK[:10], f"masks__{right}": MASK})
    records, summary = read(folder, tmp_path / "out", Options(default_label="lesion", allow_rejected=1))
    assert boxes(records["images/a.png"]) == [("lesion", (2, 3, 16, 15))]
    assert records["images/a.png"].completeness == "partial"
    assert summary.rejected == 1 and summary.reasons[0].first.file == f"masks/{wrong}.png"


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A mask of another size, one of classes without names, one without an image; and masks that nobody names."""
    good = {f"images__{n}": picture(n) for n in range(4)} | {f"masks__{n}": MASK for n in range(4)}
    classes = MASK // 255
    classes[12:15, 10:16] = 2
    folder = put(tmp_path / "set", **good, masks__z=MASK)
    put(folder, masks__0=MASK[:10], masks__1=classes)
    records, summary = read(folder, tmp_path / "out", Options(default_label="lesion", allow_rejected=0.5))
    assert set(records) == {"images/2.png", "images/3.png"}
    reasons = " ".join(map(str, summary.reasons))
    assert all(text in reasons for text in ("another version", "are they classes", "no image 'z'"))
    with pytest.raises(IngestError, match="say --default-label NAME"):
        read(folder, tmp_path / "more", Options())
