"""Layouts that are nearly those of a set: what differs is told, by the set's name and where auto still knows it."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_sets import written
from unveil.ingest.catalogue import Format
from unveil.ingest.reading import IngestError
from unveil.ingest.runner import ingest
from unveil.ingest.sets import SETS

Change = Callable[[Path], None]


def renamed(pattern: str, old: str, new: str) -> Change:
    """Writes one word otherwise in the files that fit, packed or not."""

    def change(folder: Path) -> None:
        for path in folder.rglob(pattern):
            packed = path.suffix == ".gz"
            raw = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
            assert old.encode() in raw
            raw = raw.replace(old.encode(), new.encode())
            path.write_bytes(gzip.compress(raw) if packed else raw)

    return change


def moved(pattern: str, name: str) -> Change:
    """Calls files or folders otherwise."""

    def change(folder: Path) -> None:
        for path in sorted(folder.rglob(pattern)):
            path.rename(path.with_name(name.format(path.name)))

    return change


def array(pattern: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        for path in folder.rglob(pattern):
            with zipfile.ZipFile(path) as packed:
                held = {name.replace(old, new): packed.read(name) for name in packed.namelist()}
            with zipfile.ZipFile(path, "w") as packed:
                for name, content in held.items():
                    packed.writestr(name, content)

    return change


def column(pattern: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        import pyarrow.parquet as pq

        for path in folder.rglob(pattern):
            table = pq.read_table(path)
            pq.write_table(
                table.rename_columns({name: new if name == old else name for name in table.column_names}), path
            )

    return change


#: For each set what is changed, and what is said of it: what is missing, and then what is there.
NEARLY: dict[str, tuple[Change, str]] = {
    "busi": (moved("*_mask*", "{}.txt"), r"looked for masks, .* It holds 8 images and 9 x"),
    "chest-imagenome": (renamed("train.csv", "dicom_id", "dicom"), r"columns dicom_id .* it has .*dicom, path"),
    "deeplesion": (renamed("DL_info.csv", "Bounding_boxes", "Boxes"), r"columns Bounding_boxes .* it has .*Boxes"),
    "flare-mllm-2d": (renamed("*_train.json", '"ImageName"', '"Im"'), r"no ImageName, .*; it has .*Im, Question"),
    "isic": (renamed("*Training_GroundTruth.csv", "MEL", "MELA"), r"columns are image and MEL.*, not MELA"),
    "iu-xray": (renamed("annotation.json", '"report"', '"text"'), r"looked for annotation.json .* keys .*text"),
    "kits23": (moved("segmentation.nii.gz", "seg.nii.gz"), r"looked for .*segmentation.* It holds .*nii|.*\.gz"),
    "kvasir-seg": (moved("images", "pictures"), r"no image 'images/cju00': pictures/cju00.jpg lies"),
    "llava-med": (renamed("*.json", '"conversatons"', '"turns"'), r"list of turns is needed, .*; it has .*turns"),
    "medxpertqa-mm": (renamed("*.jsonl", '"options"', '"choices"'), r"whose questions have options, .* keys .*choices"),
    "mmmu-med": (column("*.parquet", "question", "asked"), r"it has no question.* columns are id, asked"),
    "omnimedvqa": (renamed("*.json", '"gt_answer"', '"truth"'), r"questions have gt_answer .* keys .*truth"),
    "medmnist": (array("*.npz", "train_labels", "labels"), r"train_labels is missing; it has .*labels"),
    "mimic-cxr-jpg": (renamed("*metadata*", "dicom_id", "image"), r"columns dicom_id .* it has image, subject"),
    "mimic-cxr-r2gen": (renamed("annotation.json", '"val"', '"valid"'), r"train, val and test .* it has .*valid"),
    "ms-cxr": (renamed("MS_*.csv", "label_text", "text"), r"columns label_text .* it has .*text, path"),
    "nih-chestxray14": (renamed("Data_*.csv", "Finding Labels", "Labels"), r"Finding Labels .* it has .*Labels"),
    "object-cxr": (renamed("dev.csv", "annotation", "boxes"), r"columns annotation .* it has image_name, boxes"),
    "padchest-gr": (renamed("grounded*.json", '"findings"', '"finds"'), r"findings.* (it has|keys) .*finds"),
    "pathvqa": (renamed("train_qa.pkl", "answer", "replyy"), r"train_qa.pkl: row 1 has no answer.*; it has .*replyy"),
    "pmc-vqa": (renamed("train.csv", "Choice A", "Option A"), r"columns Choice A .* it has .*Option A"),
    "rsna-pneumonia": (renamed("*_labels.csv", "Target", "target"), r"columns Target .* it has .*target"),
    "slake": (renamed("test.json", '"q_lang"', '"lang"'), r"test.json: a question has no q_lang; it has .* lang"),
    "tbx11k": (renamed("*.json", '"categories"', '"classes"'), r"categories.* .* it has .*classes"),
    "vindr-cxr": (renamed("annotations_train.csv", "class_name", "label"), r"columns class_name .* it has .*label"),
    "vqa-rad": (renamed("*.json", '"image_name"', '"picture"'), r"image_name.* (it has|keys) .*picture"),
}  # fmt: skip


@pytest.mark.parametrize("format", ["its own", "auto"])
@pytest.mark.parametrize("form", SETS, ids=lambda form: form.name)
def test_what_differs_is_told(form: Format, format: str, tmp_path: Path) -> None:
    """With ``auto`` only where something else still tells the set: else another form is named, or what is there."""
    change, said = NEARLY[form.name]
    change(written(form, tmp_path / "set"))
    with pytest.raises(IngestError) as error:
        ingest(tmp_path / "set", form.name if format == "its own" else "auto", tmp_path / "out")
    if format == "its own" or not re.search(r"nothing tells|ways|nothing names", str(error.value)):
        assert re.search(said, str(error.value), re.DOTALL), str(error.value)
