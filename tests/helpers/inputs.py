"""Sound inputs of every reader, ways to spoil them, and what may not be lost of a spoilt folder."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
import struct
from collections.abc import Iterator
from random import Random
from typing import Any

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from unveil.core.records import Record

#: Characters of an error, paths included: a whole row or file in it would have more.
LONGEST_MESSAGE = 1000

# Ways to spoil

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.1, 1e308, -1e308, float("nan"), float("inf"), 10**30, -(10**30), 2**63),
    *("", " ", "NaN", "inf", "1e999", "0x10", "１２", "١٢", "1_000", "1,5", "a" * 5000, "%s%n", "'", '"', "\n", "a\nb"),
    *([], {}, [[]], [1], {"a": 1}, [1, 2, 3, 4], [1, 2, 3, 4, 5, 6], [["a" * 5000]]),
    *("../../etc/passwd", "/etc/passwd", ".", "..", "/", "\\", "a/b", "con", "C:\\a.png"),
    *("\0", "a\0b", "\ud800", "\u202e", "None", "normal"),
)
TOKENS: tuple[bytes, ...] = (
    *(
        b"<",
        b">",
        b"&",
        b"&lt;",
        b"&#0;",
        b"<!DOCTYPE a>",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n",
        b"\r\n",
        b'"',
    ),
    *(b"'", b",", b";", b"[", b"]", b"{", b"}", b"null", b"NaN", b"Infinity", b"-", b"1e999", b"\\u0000", b"\\ud800"),
    *(b"9" * 5000, b"[" * 2000, b"/", b"..", b" ", b"\t", b":", b"- ", b"!!python/object:os.system", b"&a [*a]", b"*a"),
)
NUMBERS = (0, 1, 65535, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def bytes_mutated(raw: bytes, rng: Random) -> bytes:
    """One to eight bytes or pieces changed, put in, doubled, left out, or all behind a place cut off."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 8)):
        at, way = rng.randrange(len(data) + 1), rng.random()
        if way < 0.4:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif way < 0.5:
            del data[at : at + rng.randint(1, 20)]
        elif way < 0.7:
            data[at:at] = rng.choice(TOKENS)
        elif way < 0.8:
            data[at:at] = data[at : at + rng.randint(1, 60)]
        elif way < 0.87:
            del data[at:]
        else:
            data[at : at + 4] = struct.pack(rng.choice("<>") + "I", rng.choice((*NUMBERS, rng.randrange(2**32))))
    return bytes(data)


def structure_mutated(raw: bytes, rng: Random) -> bytes | None:
    """JSON or JSONL with a value, key or item changed in one of its objects; None for what is no JSON."""
    try:
        objects = [json.loads(line) for line in raw.splitlines()]
    except ValueError:
        return None
    chosen = rng.randrange(len(objects))
    for _ in range(rng.randint(1, 2)):
        _spoil(objects[chosen], rng)
    return b"".join(json.dumps(value).encode() + b"\n" for value in objects)


def _spoil(value: Any, rng: Random) -> None:
    places = list(_places(value))
    if not places:
        return
    holder, key = rng.choice(places)
    way = rng.random()
    if way < 0.7:
        holder[key] = copy.deepcopy(rng.choice(VALUES))
    elif way < 0.8:
        del holder[key]
    elif isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        holder[str(rng.choice(VALUES))] = copy.deepcopy(rng.choice(VALUES))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


# Rows


def _lines(*rows: dict[str, Any]) -> list[bytes]:
    return [b"".join(json.dumps(row).encode() + b"\n" for row in rows)]


def records_rows() -> list[bytes]:
    finding = {"label": "mass", "box": [1.0, 1.0, 5.0, 6.0], "mask": {"size": [12, 16], "counts": "d0500000R2"}}
    row = {"image": "0.png", "width": 16, "height": 12, "modality": "CT", "patient": "p", "study": "s", "group": "g"}
    row |= {"split": "train", "findings": [finding], "completeness": "exhaustive", "report": "r"}
    row |= {"questions": [{"text": "q", "answer": "a", "kind": "closed"}], "source": {"dataset": "d", "sha256": "0"}}
    return _lines(*({"id": f"d/{n}", **row} for n in range(3)))


def dialogue_rows() -> list[bytes]:
    noise = {"map": {"boxes": [[1.0, 1.0, 5.0, 6.0]]}, "seed": 1, "step": 500, "cell": 8, "sha256": "0" * 64}
    row: dict[str, Any] = {
        "record": "d/0",
        "image": "0.png",
        "split": "train",
        "kind": "diagnosis",
        "question": "q?",
        "answer": "a",
    }
    row |= {"target": "mass", "writer": "rules", "history": [["a", "b"]], "noise": noise}
    return _lines(*({"id": f"x{n}", **row} for n in range(3)))


def prediction_rows() -> list[bytes]:
    row = {
        "record": "d/0",
        "kind": "diagnosis",
        "answer": "a",
        "box_format": "bins-64",
        "frame": [64, 64],
        "model": "m",
    }
    return _lines(*({"id": f"x{n}", "cut": False, **row} for n in range(3)))


def pair_rows() -> list[bytes]:
    ours: dict[str, Any] = {
        "record": "d/0",
        "image": "a.png",
        "split": "train",
        "kind": "diagnosis",
        "question": "q?",
        "chosen": "a",
    }
    ours |= {"rejected": "b", "weight": 1.0, "writer": "rules", "rejected_image": "b.png"}
    theirs: dict[str, Any] = {
        "prompt": [{"role": "user", "content": "q"}],
        "chosen": [{"role": "assistant", "content": "a"}],
    }
    theirs |= {"rejected": [{"role": "assistant", "content": [{"type": "text", "text": "b"}]}], "images": ["a.png"]}
    return _lines({"id": "x0", **ours}, {"id": "x1", **ours}, theirs)


def correction_rows() -> list[bytes]:
    return _lines(
        {"id": "x0", "reviewer": "r", "answer": "a"}, {"id": "x1", "reviewer": "r", "answer": None, "drop": True}
    )


def configurations() -> list[bytes]:
    config = {"model": "m", "dialogues": "d.jsonl", "out": "o.jsonl", "limit": 3}
    return _lines({"command": "predict", "config": config})


# Folders of two images, a.png and b.png of 16 x 12


def _png(seed: int) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (12, 16), np.uint8)).save(packed, "PNG")
    return packed.getvalue()


PICTURES = {"a.png": _png(0), "b.png": _png(1)}
OBJECTS = "".join(
    f"<object><name>mass{n}</name><bndbox><xmin>{n + 1}</xmin><ymin>1</ymin><xmax>{n + 5}</xmax><ymax>6</ymax></bndbox>"
    "</object>"
    for n in range(3)
)
SIZE = "<size><width>16</width><height>12</height><depth>1</depth></size>"
VOC = f"<annotation><filename>b.png</filename>{SIZE}{OBJECTS}</annotation>".encode()
LABELS = b"0 0.3 0.3 0.2 0.2\n1 0.5 0.5 0.2 0.2\n2 0.1 0.1 0.4 0.1 0.4 0.4\n"
NAMES = b"names: [mass0, mass1, mass2]\ntrain: images\nval: images\n"
YOLO = {"data.yaml": NAMES, "labels/a.txt": LABELS, "labels/b.txt": LABELS}


def voc() -> list[bytes]:
    return [VOC.replace(b"b.png", b"a.png")]


def yolo_labels() -> list[bytes]:
    return [LABELS]


def yolo_yaml() -> list[bytes]:
    return [NAMES, b"path: .\nnames:\n  0: mass0\n  1: mass1\n  2: mass2\n"]


def coco() -> list[bytes]:
    images = [{"id": n + 1, "file_name": name, "width": 16, "height": 12} for n, name in enumerate(PICTURES)]
    outlines: dict[int, Any] = {2: [[1, 1, 5, 1, 5, 5]], 3: {"size": [12, 16], "counts": [20, 5, 167]}}
    boxes = [
        {
            "id": n,
            "image_id": 1 + n % 2,
            "category_id": n,
            "bbox": [1 + n, 1, 4, 5],
            "segmentation": outlines.get(n, []),
        }
        for n in range(6)
    ]
    return _lines(
        {"images": images, "annotations": boxes, "categories": [{"id": n, "name": f"mass{n}"} for n in range(6)]}
    )


def table() -> list[bytes]:
    rows = [f"{'ab'[n % 2]}.png,mass{n},{n + 1},1,{n + 5},6,p{n % 2},train,,\n" for n in range(6)]
    asked = 'a.png,,,,,,p0,train,What?,"a b"\n'
    return ["".join(["image,label,x1,y1,x2,y2,patient,split,question,answer\n", *rows, asked]).encode()]


def lost(format: str, raw: bytes, read: list[Record], rejected: list[dict[str, Any]]) -> str | None:
    """What is neither among the records nor rejected, if anything is.

    Each image carries marks in all of our folders, so one without any, of which rows were rejected, has lost them; and
    rows that can be counted (a file that still parses) are findings or questions, or rejected, one by one or with their
    image.
    """
    lost_rows = [item for item in rejected if item["row"] is not None]
    spoilt = {record.source.file for record in read if record.completeness == "exhaustive" and not record.findings}
    whole = len(rejected) > len(lost_rows) or any("image" in item["reason"] for item in lost_rows)
    taken = sum(len(record.findings) + len(record.questions) for record in read)
    if (expected := _marks(format, raw)) is None:
        return None
    if taken + len(lost_rows) < expected and not whole:
        return f"{expected} marks, of which {taken} were read and {len(lost_rows)} rejected"
    if spoilt and lost_rows and format != "csv":
        return f"{sorted(map(str, spoilt))} became negative, and {len(lost_rows)} rows were rejected"
    return None


def _marks(format: str, raw: bytes) -> int | None:
    """The marks that a folder must still hold after its one file was spoilt; None where that cannot be told.

    Marks that say the same are one: readers take them for one finding.
    """
    if format == "coco":
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError):
            return None
        marks = content.get("annotations") if isinstance(content, dict) else None
        return len({json.dumps(_bare(mark)) for mark in marks}) if isinstance(marks, list) else None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if format == "voc":
        return None if "<!--" in text or "\0" in text else 3 + min(text.count("<object>"), text.count("</object>"))
    if format == "csv":
        try:
            found = [row for row in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in row)]
        except csv.Error:
            return None
        return len({tuple(row) for row in found[1:]})
    return None  # yolo: a label file may be the mutated one or not


def _bare(mark: Any) -> Any:
    return {key: value for key, value in mark.items() if key != "id"} if isinstance(mark, dict) else mark


# Images


def _packed(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def rasters(format: str) -> list[bytes]:
    """Grey, colour and, where the format has it, deep; in the ways that it can be packed."""
    rng = np.random.default_rng(0)
    shapes: list[np.ndarray] = [rng.integers(0, 255, (24, 32), np.uint8), rng.integers(0, 255, (24, 32, 3), np.uint8)]
    if format in ("PNG", "TIFF"):
        shapes.append(rng.integers(0, 2**16 - 1, (24, 32), np.uint16))
    ways: dict[str, tuple[dict[str, Any], ...]] = {
        "JPEG": ({}, {"progressive": True}),
        "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"compression": "packbits"}),
        "WEBP": ({}, {"lossless": True}),
    }
    return [_packed(Image.fromarray(shape), format, **way) for shape in shapes for way in ways.get(format, ({},))]


def niftis() -> list[bytes]:
    kinds, types = (nibabel.Nifti1Image, nibabel.Nifti2Image), (np.int16, np.float32, np.uint8)
    volumes = [np.arange(8 * 6 * 4, dtype=type).reshape(8, 6, 4) for type in types]
    return [kind(volume, np.eye(4)).to_bytes() for volume in volumes for kind in kinds]


def packed_niftis() -> list[bytes]:
    """Of which the packed bytes are spoilt; and bytes that were spoilt and packed."""
    spoilt = [bytes_mutated(raw, Random(n)) for n, raw in enumerate(niftis() * 20)]
    return [gzip.compress(raw, 1, mtime=0) for raw in (*niftis(), *spoilt)]


def dicoms() -> list[bytes]:
    return [_dicom(syntax) for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless)]


def _dicom(syntax: Any) -> bytes:
    data, packed = Dataset(), syntax == RLELossless
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if packed else syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2")
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = UID("1.2.3")
    data.Modality, data.Rows, data.Columns, data.BurnedInAnnotation = "CT", 24, 32, "NO"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 1
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelPaddingValue = 1, "MONOCHROME2", -1000
    data.RescaleSlope, data.RescaleIntercept = "1", "-1024"
    data.WindowCenter, data.WindowWidth = ["40", "400"], ["400", "1500"]
    data.PixelSpacing, data.ImageOrientationPatient = ["0.5", "0.5"], ["1", "0", "0", "0", "1", "0"]
    data.PixelData = np.arange(24 * 32, dtype=np.int16).tobytes()
    data["PixelData"].VR = "OW"
    if packed:
        data.compress(RLELossless)
    out = io.BytesIO()
    pydicom.dcmwrite(out, data, enforce_file_format=True)
    return out.getvalue()
