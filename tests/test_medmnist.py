"""MedMNIST as it is distributed: arrays larger than the memory, pickles in them, classes that are no findings."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.sets import medmnist as fixture
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.folder import Folder
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.runner import Summary, ingest
from unveil.ingest.sets import medmnist


def read(folder: Path, out: Path, options: Options | None = None) -> tuple[dict[str, Record], Summary]:
    summary = ingest(folder, "auto", out, options)
    return {str(r.source.file): r for r in read_jsonl(summary.records_file, Record)}, summary


def test_images_are_what_the_arrays_hold(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert len(records) == 14 and summary.rejected == 0
    with np.load(tmp_path / "set" / "pneumoniamnist.npz", allow_pickle=False) as arrays:
        shown = np.asarray(Image.open(tmp_path / "out" / records["pneumoniamnist.npz#test-000001"].image))
        assert (shown == arrays["test_images"][1]).all()
    assert records["chestmnist_64.npz#train-000000"].width == 64
    assert {r.split for name, r in records.items() if "#val-" in name} == {"val"}
    assert records["organamnist.npz#test-000000"].source.benchmark == "medmnist"


def test_a_disease_is_a_finding_and_normal_is_none(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    normal, ill = (records[f"pneumoniamnist.npz#train-00000{n}"] for n in (0, 1))
    assert (normal.findings, normal.completeness) == ((), "exhaustive")
    assert [f.label for f in ill.findings] == ["pneumonia"] and ill.completeness == "unknown"
    assert [(q.answer, q.choices) for q in ill.questions] == [("pneumonia", ("normal", "pneumonia"))]


def test_an_organ_is_an_answer_and_no_finding(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    spleen = records["organamnist.npz#train-000000"]
    assert spleen.findings == () and spleen.completeness == "unknown" and spleen.modality == "CT"
    assert [q.answer for q in spleen.questions] == ["spleen"] and len(spleen.questions[0].choices) == 11


def test_several_labels_out_of_reports_make_no_true_negative(tmp_path: Path) -> None:
    """ChestMNIST is NIH ChestX-ray14: no label is not known to be no finding."""
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert [f.label for f in records["chestmnist_64.npz#test-000000"].findings] == ["cardiomegaly", "effusion"]
    none = records["chestmnist_64.npz#train-000001"]
    assert (none.findings, none.completeness, none.questions) == ((), "unknown", ())


def test_tables_of_classes_are_whole() -> None:
    """The published numbers of classes."""
    counts = {name: len(flag.names) for name, flag in medmnist.FLAGS.items()}
    three = ("organamnist", "organcmnist", "organsmnist")
    others = {"pathmnist": 9, "chestmnist": 14, "dermamnist": 7, "octmnist": 4, "pneumoniamnist": 2, "retinamnist": 5}
    assert counts == {**others, "breastmnist": 2, "bloodmnist": 8, "tissuemnist": 8, **dict.fromkeys(three, 11)}


def test_grades_lesions_and_a_licence_of_its_own(tmp_path: Path) -> None:
    labels = {"train": [[0], [3]], "val": [[1]], "test": [[1]]}
    (tmp_path / "set").mkdir()
    for name in ("retinamnist", "dermamnist", "breastmnist"):
        some = {split: [[min(n, 1)] for [n] in rows] for split, rows in labels.items()}
        fixture.save(tmp_path / "set" / f"{name}.npz", labels if name == "retinamnist" else some, colour=True)
    records, _ = read(tmp_path / "set", tmp_path / "out")
    eye = records["retinamnist.npz#train-000001"].findings[0]
    assert (eye.label, eye.attributes) == ("diabetic retinopathy", {"grade": "3"})
    assert records["retinamnist.npz#train-000000"].completeness == "exhaustive"
    skin = records["dermamnist.npz#train-000001"]
    assert skin.findings[0].label == "basal cell carcinoma" and skin.source.licence == "CC BY-NC 4.0"
    breast = records["breastmnist.npz#train-000001"]
    assert breast.findings == () and breast.completeness == "unknown"


def test_the_largest_size_is_read(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    fixture.save(tmp_path / "set" / "pneumoniamnist_128.npz", fixture.PNEUMONIA, 128)
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert len(records) == 14 and records["pneumoniamnist_128.npz#val-000000"].width == 128
    assert any("several sizes" in note for note in summary.notes)


def test_pickles_are_refused(tmp_path: Path) -> None:
    """An array of Python objects is a pickle, which may run anything."""
    (tmp_path / "set").mkdir()
    wrong = np.array([[{"a": 1}]], dtype=object)
    fixture.save(tmp_path / "set" / "pneumoniamnist.npz", fixture.PNEUMONIA, train_labels=wrong)
    with pytest.raises(IngestError, match="Python objects, which is never read"):
        read(tmp_path / "set", tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("train_images", (3, 100_000, 100_000), "100000 x 100000 pixels are more than the limit"),
        ("train_labels", (2**40, 1), "more than any set has"),
        ("train_images", (3, 28, 28), "train_images ends here, before its 3 images"),
    ],
)
def test_what_an_array_announces_is_not_believed(name: str, shape: tuple[int, ...], said: str, tmp_path: Path) -> None:
    """Headers without the values that they announce: of pictures, of labels, and of a size that is possible."""
    (tmp_path / "set").mkdir()
    file = tmp_path / "set" / "pneumoniamnist.npz"
    fixture.save(file, fixture.PNEUMONIA)
    with zipfile.ZipFile(file) as old:
        content = {entry: old.read(entry) for entry in old.namelist()}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(file, "w") as new:
        for entry, raw in (content | {f"{name}.npy": header.getvalue()}).items():
            new.writestr(entry, raw)
    with pytest.raises(IngestError, match=said):
        read(tmp_path / "set", tmp_path / "out")


def test_a_rare_method_is_refused(tmp_path: Path) -> None:
    """LZMA may need any amount of memory, and its errors are of a kind of their own."""
    (tmp_path / "set").mkdir()
    file = tmp_path / "set" / "pneumoniamnist.npz"
    fixture.save(file, fixture.PNEUMONIA)
    with zipfile.ZipFile(file) as old:
        content = {entry: old.read(entry) for entry in old.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as new:
        for entry, raw in content.items():
            new.writestr(entry, raw)
    with pytest.raises(IngestError, match=r"train_labels\.npy is packed by a rare method"):
        read(tmp_path / "set", tmp_path / "out")


def test_a_folder_that_is_called_as_a_split_is_none(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set" / "x#train-1")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert all(f"#{record.split}-0" in name for name, record in records.items())


def test_images_are_read_one_after_the_other(tmp_path: Path) -> None:
    """60 images of 224 x 224 x 3 bytes are 9 MB; at no time are there more than two of them, and what unpacks one."""
    (tmp_path / "set").mkdir()
    labels = {"train": [[0]] * 60, "val": [[1]], "test": [[2]]}
    fixture.save(
        tmp_path / "set" / "bloodmnist_224.npz",
        labels,
        224,
        colour=True,
        train_images=np.zeros((60, 224, 224, 3), np.uint8),
    )
    folder = Folder.of(tmp_path / "set", Options(decode=False))
    reading = medmnist.read(replace(folder, out=tmp_path / "out"))
    next(reading)
    tracemalloc.start()
    for _ in zip(range(50), reading, strict=False):
        pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3_000_000


def test_files_that_are_nearly_right_say_what_differs(tmp_path: Path) -> None:
    """A split is missing; images and labels are not as many; a class that is none; a file that is cut."""
    (tmp_path / "set").mkdir()
    file = tmp_path / "set" / "pneumoniamnist.npz"
    fixture.save(file, {"train": [[0]], "val": [[1]]})
    with pytest.raises(IngestError, match="test_labels is missing; it has train_images, train_labels, val_images"):
        read(tmp_path / "set", tmp_path / "out")
    fixture.save(file, fixture.PNEUMONIA, train_images=np.zeros((2, 28, 28), np.uint8))
    with pytest.raises(IngestError, match="train has 2 images and 3 labels"):
        read(tmp_path / "set", tmp_path / "out")
    fixture.save(file, {**fixture.PNEUMONIA, "val": [[7]]})
    _, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert "class 7 is none of 0 to 1" in str(summary.reasons[0])
    file.write_bytes(file.read_bytes()[:900])
    with pytest.raises(IngestError, match=r"pneumoniamnist\.npz: File is not a zip file"):
        read(tmp_path / "set", tmp_path / "out")
