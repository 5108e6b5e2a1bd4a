"""MedMNIST: twelve sets of small images with a class each (ChestMNIST: several labels), in a file of arrays for each.

An image of a disease has it as a finding without a place; where the class is an organ, a tissue or a cell, which are no
findings, it is the answer to a question with the classes to choose from. Files may hold more than the memory: images
are read from their packed arrays one after the other, and never as pickles.
"""

from __future__ import annotations

import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from unveil.core import pixels
from unveil.core.records import SPLITS, Completeness, Finding, Question, Record, Split
from unveil.core.untrusted import listed
from unveil.ingest.archive import METHODS
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.files import refuse_pointer
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Rejected

#: Bytes of the labels of one split: millions of images have fewer.
MOST_LABELS = 2**25


@dataclass(frozen=True)
class Flag:
    """One of the sets, by the name of its file."""

    modality: str
    names: tuple[str, ...]
    """What the classes are called, in order."""
    question: str = ""
    """What is asked, where an image has one class."""
    diseases: bool = False
    """Whether classes are findings."""
    normal: int | None = None
    """The class of images that show none."""


_CHEST = "atelectasis|cardiomegaly|effusion|infiltration|mass|nodule|pneumonia|pneumothorax|consolidation|edema"
_ORGANS = "bladder|femur-left|femur-right|heart|kidney-left|kidney-right|liver|lung-left|lung-right|pancreas|spleen"
_ORGAN = Flag("CT", tuple(_ORGANS.split("|")), "Which organ is shown?")
#: Grades of ``retinamnist``, whose classes have no other names.
GRADES = ("0", "1", "2", "3", "4")
FLAGS = {
    "pathmnist": Flag(
        "histopathology",
        (
            *("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle", "normal colon mucosa"),
            *("cancer-associated stroma", "colorectal adenocarcinoma epithelium"),
        ),
        "Which tissue is shown?",
    ),
    "chestmnist": Flag("X-ray", (*_CHEST.split("|"), "emphysema", "fibrosis", "pleural", "hernia"), diseases=True),
    "dermamnist": Flag(
        "dermoscopy",
        (
            *("actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma"),
            *("benign keratosis-like lesions", "dermatofibroma", "melanoma", "melanocytic nevi", "vascular lesions"),
        ),
        "Which lesion of the skin is shown?",
        diseases=True,
    ),
    "octmnist": Flag(
        "OCT",
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
        "What does the retina show?",
        diseases=True,
        normal=3,
    ),
    "pneumoniamnist": Flag("X-ray", ("normal", "pneumonia"), "What does the chest show?", diseases=True, normal=0),
    "retinamnist": Flag(
        "fundus photography",
        GRADES,
        "Which grade has the diabetic retinopathy, from 0 for none to 4?",
        diseases=True,
        normal=0,
    ),
    "breastmnist": Flag(
        "ultrasound", ("malignant", "normal, benign"), "Is the breast malignant, or normal or benign?", diseases=True
    ),
    "bloodmnist": Flag(
        "microscopy",
        (
            *("basophil", "eosinophil", "erythroblast"),
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
            *("lymphocyte", "monocyte", "neutrophil", "platelet"),
        ),
        "Which blood cell is shown?",
    ),
    "tissuemnist": Flag(
        "microscopy",
        (
            *("Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule", "Glomerular endothelial cells"),
            *("Interstitial endothelial cells", "Leukocytes", "Podocytes", "Proximal Tubule Segments"),
            "Thick Ascending Limb",
        ),
        "Which cell of the kidney is shown?",
    ),
    **dict.fromkeys(("organamnist", "organcmnist", "organsmnist"), _ORGAN),
}
#: A class that names no finding, and does not say either that there is none.
NEITHER = "normal, benign"


def found(folder: Folder) -> list[Path]:
    """The files of arrays."""
    return [path for path in folder.named("*mnist.npz", "*mnist_*.npz") if _flag(path)]


def _flag(path: Path) -> tuple[str, int] | None:
    """The set, and the width and height of its images."""
    told = re.fullmatch(r"(\w+?mnist)(?:_(64|128|224))?", path.stem.lower())
    return (told[1], int(told[2] or 28)) if told and told[1] in FLAGS else None


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of each set that is there, in its largest size."""
    largest: dict[str, tuple[int, Path]] = {}
    for path in filter(folder.asked, found(folder)):
        name, size = _flag(path) or ("", 0)
        if name in largest:
            folder.note("sets in several sizes: the largest is read", name)
        largest[name] = max(largest.get(name, (0, path)), (size, path))
    for name, (_, path) in largest.items():
        file = folder.relative(path)
        with _unpacking(file):
            refuse_pointer(path)
            arrays = zipfile.ZipFile(path)
        with arrays:
            for split in SPLITS:
                yield from _split(folder, name, file, arrays, split)


@contextmanager
def _unpacking(file: str) -> Iterator[None]:
    """Tells with ``IngestError`` whatever goes wrong in reading a file that is damaged or none of arrays."""
    try:
        yield
    except IngestError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OverflowError, OSError) as error:
        raise IngestError(f"{file}: {error}") from error


def _split(folder: Folder, name: str, file: str, arrays: zipfile.ZipFile, split: Split) -> Iterator[Record | Rejected]:
    labels = _labels(file, arrays, f"{split}_labels.npy", FLAGS[name])
    with _unpacking(file):
        packed = _member(file, arrays, f"{split}_images.npy")
    with packed:
        with _unpacking(file):
            shape, dtype = _header(packed)
        if dtype != np.uint8 or len(shape) not in (3, 4) or shape[3:] not in ((), (3,)):
            raise IngestError(f"{file}: {split}_images are not 8-bit pictures, but {dtype} of {listed(shape)}")
        if shape[0] != len(labels):
            raise IngestError(f"{file}: {split} has {shape[0]} images and {len(labels)} labels")
        with _unpacking(file):
            pixels.Limits().check_frame(f"{split}_images", shape[2], shape[1])
        size = int(np.prod(shape[1:]))
        for n, label in enumerate(labels):
            with _unpacking(file):
                content = packed.read(size)
            if len(content) < size:
                yield Rejected(file, n + 1, f"{split}_images ends here, before its {shape[0]} images", shape[0] - n)
                return
            called = f"{file}#{split}-{n:06}"
            try:
                picture = np.frombuffer(content, np.uint8).reshape(shape[1:])
                yield _record(folder, name, called, picture, label, split)
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(called, None, str(error))


def _record(folder: Folder, name: str, called: str, picture: np.ndarray, label: np.ndarray, split: Split) -> Record:
    flag = FLAGS[name]
    findings, questions, completeness = _said(flag, label)
    image = folder.open(folder.make(called, picture), file=called)
    modality = folder.options.modality or flag.modality
    record = folder.record(image, findings, completeness, False, questions=questions, split=split, modality=modality)
    if name == "dermamnist" and folder.options.licence is None:
        return replace(record, source=replace(record.source, licence="CC BY-NC 4.0"))
    return record


def _said(flag: Flag, label: np.ndarray) -> tuple[list[Finding], tuple[Question, ...], Completeness]:
    """What a label says of its image. One that is text out of a report, as ChestMNIST's, or that names tissue, does not
    say that there is nothing else."""
    if not flag.question:
        if not set(label.tolist()) <= {0, 1}:
            raise AnnotationError(f"labels are 0 or 1, not {label.tolist()}")
        return [Finding(name) for name, there in zip(flag.names, label, strict=True) if there], (), "unknown"
    number = int(label[0])
    if not 0 <= number < len(flag.names):
        raise AnnotationError(f"class {number} is none of 0 to {len(flag.names) - 1}")
    answer = flag.names[number]
    questions = (Question(flag.question, answer, "closed", choices=flag.names, language="en"),)
    if number == flag.normal:
        return [], questions, "exhaustive"
    if not flag.diseases or answer == NEITHER:
        return [], questions, "unknown"
    if flag.names == GRADES:
        return [Finding("diabetic retinopathy", attributes={"grade": answer})], questions, "unknown"
    return [Finding(answer)], questions, "unknown"


def _labels(file: str, arrays: zipfile.ZipFile, name: str, flag: Flag) -> np.ndarray:
    """The labels of a split, (N, L)."""
    with _unpacking(file), _member(file, arrays, name) as packed:
        shape, dtype = _header(packed)
        if dtype.kind not in "biu" or len(shape) != 2 or shape[1] != (1 if flag.question else len(flag.names)):
            raise IngestError(f"{file}: {name} holds {dtype} of {listed(shape)}, no labels of this set")
        size = shape[0] * shape[1] * dtype.itemsize
        if size > MOST_LABELS:
            raise IngestError(f"{file}: {name} announces {size} bytes, more than any set has")
        content = packed.read(size)
        if len(content) < size:
            raise IngestError(f"{file}: {name} ends before its {shape[0]} labels")
        return np.frombuffer(content, dtype).reshape(shape)


def _member(file: str, arrays: zipfile.ZipFile, name: str) -> IO[bytes]:
    if name not in arrays.namelist():
        held = listed(other.removesuffix(".npy") for other in arrays.namelist())
        raise IngestError(f"{file}: {name.removesuffix('.npy')} is missing; it has {held or 'nothing'}")
    if arrays.getinfo(name).compress_type not in METHODS:
        raise IngestError(f"{file}: {name} is packed by a rare method: save it again")
    return arrays.open(name)


def _header(packed: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and type of an array, whose values follow; those of Python objects are refused."""
    version = npy.read_magic(packed)
    reading = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, by_columns, dtype = reading(packed)
    except (tokenize.TokenError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"no header of an array: {error}") from error
    if min(shape, default=0) < 0:
        raise ValueError(f"an array of {listed(shape)}")
    if dtype.hasobject:
        raise ValueError("an array of Python objects, which is never read")
    if by_columns and len(shape) > 1:
        raise ValueError("an array in the order of columns: save it again in the order of rows")
    return shape, dtype


FORMAT = Format(
    "medmnist",
    read,
    "arrays of MedMNIST's sets, such as pathmnist.npz",
    found,
    (".npz",),
    DataSet(
        "medmnist",
        "MedMNIST (2D)",
        "eight modalities",
        ("labels", "questions", "choices", "splits"),
        "unknown",
        "open",
        "CC BY 4.0",
        "https://zenodo.org/records/10519652",
        "Yang et al., MedMNIST v2 - A large-scale lightweight benchmark for 2D and 3D biomedical image "
        "classification, 2023, arXiv 2110.14795",
        (Download("**/*mnist{,_64,_128,_224}.npz", "one file for each set, of which the largest size is read"),),
        benchmark=True,
        notes=(
            "DermaMNIST is CC BY-NC 4.0, as its records say; none is for clinical use.",
            "ChestMNIST's images are those of NIH ChestX-ray14: `unveil check --against` tells which.",
            "Only images of a class that says so, such as normal, are known to be free of findings.",
            "The sets of volumes (3D) are not read.",
        ),
    ),
)
