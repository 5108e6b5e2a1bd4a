"""Data sets that mean harm: each is refused with its file and a reason, and nothing is written outside."""

from __future__ import annotations

import gzip
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import pytest
from PIL import Image as Pillow
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.helpers.annotated import draw, run
from tests.helpers.images import dicom
from tests.helpers.sets import flare_mllm_2d, medmnist, mimic_cxr_jpg, slake
from unveil.core import dicom as core_dicom
from unveil.core.pixels import ImageError, Limits
from unveil.ingest import mask_files, rows
from unveil.ingest.reading import AnnotationError, Image, IngestError, Options
from unveil.ingest.runner import FORMATS, ingest

Write = Callable[[Path], Any]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
XML = '<annotations><image id="0" name="a.png" width="40" height="20"><box label="{}" xtl="1" ytl="1" xbr="5" ybr="5"/>'
ENTITY = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x {}>]>'


def beside(name: str, content: bytes | str | Any) -> Write:
    """An image and a file; JSON unless it is text or bytes."""

    def write(folder: Path) -> None:
        draw(folder / "a.png")
        raw = content if isinstance(content, bytes | str) else json.dumps(content)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())

    return write


def mask_of_values(folder: Path) -> None:
    """200 x 200 pixels, of which each has another value, and a name for each of them."""
    Pillow.fromarray(np.zeros((200, 200), np.uint8)).save(folder / "a.png")
    (folder / "masks").mkdir()
    Pillow.fromarray(np.arange(40000, dtype=np.uint16).reshape(200, 200)).save(folder / "masks" / "a.png")
    (folder / "mask.txt").write_text("".join(f"{n}:c{n}\n" for n in range(1, 40000)))


def zipped(name: str) -> Write:
    def write(folder: Path) -> None:
        flare_mllm_2d.write(folder)
        [path] = folder.rglob("imagesTr.zip")
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("a.png", b"x")
            packed.writestr(name, b"x")

    return write


def moved_member(folder: Path) -> None:
    """The directory at the end of the zip is said to lie far behind it, so that its files would begin before it."""
    flare_mllm_2d.write(folder)
    [path] = folder.rglob("imagesTr.zip")
    raw = path.read_bytes()
    at = raw.rindex(b"PK\x05\x06") + 16
    path.write_bytes(raw[:at] + struct.pack("<I", struct.unpack_from("<I", raw, at)[0] + 5000) + raw[at + 4 :])


def array(header: str) -> Write:
    """The labels of a set of MedMNIST with another header, written in NumPy's format 1.0."""

    def write(folder: Path) -> None:
        medmnist.write(folder)
        path = sorted(folder.rglob("*.npz"))[0]
        with zipfile.ZipFile(path) as packed:
            held = {name: packed.read(name) for name in packed.namelist()}
        raw = header.encode() + b"\n"
        held["train_labels.npy"] = b"\x93NUMPY\x01\0" + struct.pack("<H", len(raw)) + raw
        with zipfile.ZipFile(path, "w") as packed:
            for name, content in held.items():
                packed.writestr(name, content)

    return write


def table(field: str, value: Any) -> Write:
    """A row of the Hub in Parquet, one of whose fields is this."""

    def write(folder: Path) -> None:
        draw(folder.parent / "outside.png")
        columns = {"image": ["a.png"], "question": ["Q?"], "answer": ["a"]} | {field: value}
        pq.write_table(pa.table(columns), folder / "train.parquet")

    return write


def no_text() -> pa.Array:
    """A text whose two bytes are none."""
    ends, raw = pa.py_buffer(struct.pack("<ii", 0, 2)), pa.py_buffer(b"\xff\xfe")
    return pa.Array.from_buffers(pa.string(), 1, [None, ends, raw])


def compressed(folder: Path) -> None:
    held = pa.table({"image": [bytes(10**6)], "question": ["Q?"], "answer": ["a"]})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(folder / "a.arrow"), "wb") as sink, pa.ipc.new_stream(sink, held.schema, options=options) as out:
        out.write_table(held)


def volumes(image: np.ndarray | bytes, labels: str = '{"background": 0, "mass": 1}') -> Write:
    def write(folder: Path) -> None:
        mask = np.zeros((8, 8, 2), np.uint8)
        mask[2:4, 2:4, 1] = 1
        for place, content in (("imagesTr/a_0000", image), ("labelsTr/a", mask)):
            path = folder / f"{place}.nii.gz"
            path.parent.mkdir()
            packed = content if isinstance(content, bytes) else nibabel.Nifti1Image(content, np.eye(4)).to_bytes()
            path.write_bytes(packed if isinstance(content, bytes) else gzip.compress(packed))
        about = f'{{"channel_names": {{"0": "CT"}}, "labels": {labels}, "file_ending": ".nii.gz"}}'
        (folder / "dataset.json").write_text(about)

    return write


def spoilt(fixture: Any, pattern: str, content: bytes) -> Write:
    def write(folder: Path) -> None:
        fixture.write(folder)
        for path in folder.rglob(pattern):
            path.write_bytes(content)

    return write


ELLIPSE = {"name": "ellipse", "cx": 9, "cy": 9, "rx": 3, "ry": 2, "theta": 1e308}
REGION = {"shape_attributes": ELLIPSE, "region_attributes": {"label": "m"}}
LINE = {"file_name": "../outside.png", "question": "Q?", "answer": "a"}
OUTSIDE = r"no image '\.\./outside\.png'"
TURNS = [{"from": "human", "value": "Q?"}, {"from": "gpt", "value": "a"}]
TALK = {"id": "1", "image": "../outside.png", "conversations": TURNS}
SHAPES = {"imagePath": "../outside.png", "imageHeight": 20, "imageWidth": 40, "shapes": []}
OBJECTS = "{'descr': '|O', 'fortran_order': False, 'shape': (2, 14)}"
FLIPPED = "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 14)}"

#: The format that reads it, what writes it, and what is said.
HOSTILE: dict[str, tuple[str, Write, str]] = {
    "entities that grow": ("cvat", beside("a.xml", ENTITY.format('"lol"') + XML.format("&x;")), "entities"),
    "entity of a file": ("cvat", beside("a.xml", ENTITY.format('SYSTEM "file:///etc/passwd"') + XML), "entities"),
    "key that stands twice": ("labelme", beside("a.json", '{"imagePath": "a.png", "shapes": 1, "shapes": 2}'), "twice"),
    "deep nesting": ("labelme", beside("a.json", '{"imagePath": "", "shapes": ' + "[" * 10**5), "nested more than 64"),
    "labelme leads outside": ("labelme", beside("b.json", SHAPES), OUTSIDE),
    "imagefolder leads outside": ("imagefolder", beside("metadata.jsonl", LINE), OUTSIDE),
    "llava leads outside": ("llava", beside("a.json", [TALK]), OUTSIDE),
    "parquet leads outside": ("parquet", table("image", ["../outside.png"]), OUTSIDE),
    "parquet of no text": ("parquet", table("question", no_text()), r"train\.parquet: damaged after row 0"),
    "arrow that grows": ("parquet", compressed, r"a\.arrow: not opened: its batches are compressed"),
    "endless angle": ("via", beside("a.json", {"x": {"filename": "a.png", "size": 1, "regions": [REGION]}}), "finite"),
    "mask of many values": ("masks", mask_of_values, "holds 40000 values: is it an image"),
    "zip with a file as folder": ("flare-mllm-2d", zipped("a.png/b.png"), "'a.png': it stands there twice"),
    "zip with a name twice": ("flare-mllm-2d", zipped("./a.png"), "it stands there twice"),
    "zip without a name": ("flare-mllm-2d", zipped("./."), "no name"),
    "zip with a long name": ("flare-mllm-2d", zipped("a" * 256), "a name that is too long"),
    "zip that leads outside": ("flare-mllm-2d", zipped("../outside.png"), "may lead out of its folder"),
    "zip that is moved": ("flare-mllm-2d", moved_member, r"imagesTr\.zip: no zip, or a damaged one"),
    "array without an end": ("medmnist", array("(" * 9000), r"\.npz: no header of an array"),
    "array of negative size": ("medmnist", array(FLIPPED), r"\.npz: an array of -1, 14"),
    "array of objects": ("medmnist", array(OBJECTS), r"\.npz: an array of Python objects, which is never read"),
    "label without a number": ("nifti", volumes(np.zeros((8, 8, 2)), '{"mass": 1e999}'), "'mass' has the value inf"),
    "complex values": ("nifti", volumes(np.zeros((8, 8, 2), np.complex64)), "complex values, which are no image"),
    "report of no text": ("mimic-cxr-jpg", spoilt(mimic_cxr_jpg, "s*.txt", b"\xff"), r"\.txt: the file is not UTF-8"),
    "JSON that breaks off": ("slake", spoilt(slake, "train.json", b'[{"img_name": "", "q_lang": }'), "not JSON"),
    "names of no text": ("slake", spoilt(slake, "mask.txt", b"1:\xff"), r"mask\.txt: the file is not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_means_harm_is_refused(kind: str, tmp_path: Path) -> None:
    format, write, said = HOSTILE[kind]
    (tmp_path / "data").mkdir()
    if format in ("flare-mllm-2d", "medmnist"):
        (tmp_path / "data").rmdir()
    draw(tmp_path / "outside.png")
    write(tmp_path / "data")
    before = set(tmp_path.iterdir())
    with pytest.raises(IngestError, match=said):
        if kind == "endless angle":
            summary = ingest(tmp_path / "data", format, tmp_path / "out", Options(allow_rejected=1.0))
            raise IngestError(str(summary.reasons))
        ingest(tmp_path / "data", format, tmp_path / "out")
    assert set(tmp_path.iterdir()) <= before | {tmp_path / "out"}


#: Files of every kind that may be a pointer, by the format that is asked for.
POINTERS = {
    "cvat": "a.xml", "labelme": "a.json", "supervisely": "ann/a.png.json", "via": "via.json",
    "imagefolder": "metadata.jsonl", "llava": "train.json", "parquet": "train.parquet", "medmnist": "pathmnist.npz",
    "cell-boxes": "t.csv", "nifti": "a_seg.nii.gz",
    "pathvqa": "pvqa/qas/train/train_qa.pkl", "dicom": "b.dcm",
    "auto": "labels.json", "flare-mllm-2d": "imagesTr.zip",
}  # fmt: skip


@pytest.mark.parametrize("format", POINTERS)
def test_a_pointer_is_told_as_such(format: str, tmp_path: Path) -> None:
    beside(POINTERS[format], POINTER)(tmp_path / "data")
    if format == "nifti":
        (tmp_path / "data" / "a.nii.gz").write_bytes(POINTER)
    assert format in ("auto", *FORMATS)
    with pytest.raises(IngestError, match="a pointer of Git LFS"):
        ingest(tmp_path / "data", format, tmp_path / "out")


def test_a_link_to_elsewhere_is_told_where_it_is_missed(tmp_path: Path) -> None:
    draw(tmp_path / "data" / "a.png")
    (tmp_path / "labels.csv").write_text("image,label\na.png,mass\n")
    (tmp_path / "data" / "labels.csv").symlink_to(tmp_path / "labels.csv")
    with pytest.raises(IngestError, match=r"labels\.csv: a link that leads outside the data folder"):
        run(tmp_path, "auto")


def test_a_packed_table_grows_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand empty lines, packed to some fifty bytes: more than 100 times as many."""
    mimic_cxr_jpg.write(tmp_path / "data")
    [path] = (tmp_path / "data").rglob("*-split.csv.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\n" * 100_000))
    assert run(tmp_path, "auto")[1]
    monkeypatch.setattr(rows, "UNPACKED", 1000)
    with pytest.raises(IngestError, match=r"split\.csv\.gz: .*it unpacks to more than .* characters"):
        run(tmp_path, "auto")


def test_a_deflated_file_grows_within_bounds(tmp_path: Path) -> None:
    """As all readers of DICOM headers open it: 100,000 zeros are more than eight bytes for each of 1000 pixels."""
    path = dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint8))
    content = pydicom.dcmread(path)
    content.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    content.add_new(0x00091010, "UN", bytes(100_000))
    content.save_as(path)
    assert core_dicom.dataset_of(path, tags=["Rows"]).Rows == 4
    with pytest.raises(ImageError, match="inflates to more than 8000 bytes"):
        core_dicom.dataset_of(path, Limits(max_pixels=1000))


def test_colours_of_a_mask_are_told_apart_as_numbers() -> None:
    """Of 8 and of 16 bits; and an image with too many is none."""
    image = Image(Path("a.png"), "a.png", 40, 30, "")
    mask = np.zeros((30, 40, 3), np.uint16)
    mask[:10], mask[10:20] = (0, 65535, 1), (0, 0, 1)
    found = mask_files.by_class(mask, {(0, 65535, 1): "liver", (0, 0, 1): "lung"})
    assert {(f.label, f.box) for f in found} == {("liver", (0, 0, 40, 10)), ("lung", (0, 10, 40, 20))}
    assert (image.width, image.height) == mask.shape[1::-1]
    with pytest.raises(AnnotationError, match="holds 1200 values: is it an image"):
        mask_files.by_class(np.arange(1200).reshape(30, 40), {})
