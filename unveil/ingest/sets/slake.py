"""SLAKE: questions in English and Chinese about radiology images, with boxes and masks of organs and lesions.

Each language was split by itself, so that an image may be in train in one and in test in the other: it is a record in
each. Boxes and masks are of organs and of lesions alike; only lesions are findings, since an organ is not abnormal
(``--anatomy`` takes both). What order the four numbers of a box have is told by no source that was found: the masks
tell it, and where they do not, no box is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unveil.core import geometry, image_files, pixels
from unveil.core.geometry import Box, BoxError
from unveil.core.records import Finding, Record
from unveil.core.untrusted import JsonError, parse_json, quoted
from unveil.ingest import mask_files
from unveil.ingest.asked import Album, AskedRow, Marked, begins, check_first, question, taken, text
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.conventions import ORDERS, Order
from unveil.ingest.folder import Folder
from unveil.ingest.lookup import ABSENT
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, boxed, number

NAMES = ("train.json", "validate.json", "validation.json", "test.json")
MASK = "mask.png"
NEEDED = ("img_name", "question", "answer", "q_lang")
#: The orders that are tried against the masks, and how well a box fits the extent of its mask at least.
TRIED: tuple[Order, ...] = ("xywh", "xyxy")
FITS = 0.5
#: The share of the boxes that one order alone fits which must fit the same one.
AGREED = 0.9
#: Words of which names of lesions have one; all other names are those of organs.
LESIONS = frozenset({
    "abscess", "atelectasis", "cancer", "cardiomegaly", "consolidation", "cyst", "edema", "effusion", "emphysema",
    "fibrosis", "fracture", "haemorrhage", "hemorrhage", "hernia", "infarction", "infiltration", "lesion", "lesions",
    "mass", "metastases", "metastasis", "nodule", "oedema", "opacity", "pneumonia", "pneumothorax", "stroke",
    "thickening", "tumor", "tumour",
})  # fmt: skip


def found(folder: Folder) -> list[Path]:
    """The files of the questions."""
    return [path for path in folder.named(*NAMES) if begins(path, "q_lang", "img_name")]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of which a question is asked, in whatever language."""
    album = Album(folder)
    beside = {path.parent for path in found(folder)}
    tables = [path for path in folder.named(*NAMES) if path.parent in beside]  # a spoilt one tells what it misses
    for path in filter(folder.asked, tables):

        def take(row: int, item: dict[str, Any], path: Path = path) -> None:
            file, name = folder.relative(path), text(item.get("img_name"))
            check_first(file, row, item, NEEDED)
            place = album.find(f"imgs/{name}", path.parent)
            if place.parent.name != name.rpartition("/")[0]:  # all are called source.jpg
                raise AnnotationError(f"{ABSENT} {quoted(name)}")
            cells = (item.get("question"), item.get("answer"), item.get("answer_type"), item.get("qid"))
            with album.about(place):
                asked = question(folder, file, *cells, language=text(item.get("q_lang")).lower() or None)
                known = {"modality": text(item.get("modality"))}
                album.add(place, AskedRow(file, row, asked, SPLIT_NAMES[path.stem.lower()], known))

        yield from taken(folder, path, take)
    yield from album.records("unknown", _Boxes(folder, list(album.rows)).marked)


@dataclass(frozen=True)
class _Entry:
    """One name and its four numbers in an image's detection.json."""

    row: int
    name: str
    numbers: tuple[float, float, float, float]


class _Boxes:
    """The boxes and masks beside the images."""

    def __init__(self, folder: Folder, images: Sequence[Path]) -> None:
        self.folder = folder
        self.greys = _greys(folder)
        self.beside = {path.parent: path for path in folder.named("detection.json")}
        self.order = folder.options.box_convention or self._told(images)

    def marked(self, image: Image, asked: Sequence[AskedRow]) -> Marked:
        """The lesions of an image, or with ``--anatomy`` all that is marked."""
        told = Marked(list(asked))
        path = self.beside.get(image.path.parent)
        if path is None:
            self.folder.note("images without detection.json: what is in them is not known", image.file)
            return told
        mask_HW = None
        try:
            mask_HW = self._mask(image.path)
            if mask_HW is not None and mask_HW.shape != (image.height, image.width):
                sizes = f"{mask_HW.shape[1]} x {mask_HW.shape[0]} pixels, the image {image.width} x {image.height}"
                raise AnnotationError(f"its mask has {sizes}")
        except (AnnotationError, pixels.ImageError) as error:
            mask_HW = None
            told.rejected.append(Rejected(self.folder.relative(image.path.with_name(MASK)), None, str(error)))
        for entry in self._entries(path):
            file = self.folder.relative(path)
            if isinstance(entry, Rejected):
                told.rejected.append(entry)
                continue
            if not (is_lesion(entry.name) or self.folder.options.anatomy):
                self.folder.note("boxes of organs are no findings (--anatomy takes them)", f"{entry.name} in {file}")
                continue
            if self.order is None:
                unknown = (
                    "boxes whose order no mask tells, left out: neither xywh nor xyxy (--box-convention says which)"
                )
                self.folder.note(unknown, f"{entry.name} in {file}")
                told.lost = True
                continue
            try:
                told.findings.append(self._finding(entry, self.order, image, mask_HW))
            except (AnnotationError, BoxError) as error:
                told.rejected.append(Rejected(file, entry.row, str(error)))
        return told

    def _finding(self, entry: _Entry, order: Order, image: Image, mask_HW: np.ndarray | None) -> Finding:
        a, b, c, d = entry.numbers
        finding = boxed(entry.name, ORDERS[order](a, b, c, d), image)
        inside = self._inside(entry.name, mask_HW)
        return finding if inside is None else mask_files.within(finding, inside)

    def _entries(self, path: Path) -> Iterator[_Entry | Rejected]:
        """A list of objects with one name and four numbers each."""
        file = self.folder.relative(path)
        try:
            content = parse_json(self.folder.text(path), lenient=True)
            if not isinstance(content, list):
                raise AnnotationError(f"a list of boxes by their names is needed, not {quoted(content)}")
        except (AnnotationError, JsonError) as error:
            yield Rejected(file, None, str(error))
            return
        for row, item in enumerate(content, 1):
            for name, numbers in item.items() if isinstance(item, dict) else ((None, None),):
                try:
                    yield _Entry(row, text(name), _four(numbers))
                except AnnotationError as error:
                    yield Rejected(file, row, f"{quoted(name)}: {error}")

    def _told(self, images: Sequence[Path]) -> Order | None:
        """The order in which the boxes fit the masks of the same names; None where these tell none."""
        votes: dict[Order, int] = dict.fromkeys(TRIED, 0)
        for image in images:
            try:
                path, mask_HW = self.beside.get(image.parent), self._mask(image)
            except pixels.ImageError:  # told when its image is
                continue
            for entry in self._entries(path) if path and mask_HW is not None else ():
                inside = None if isinstance(entry, Rejected) else self._inside(entry.name, mask_HW)
                if inside is None or isinstance(entry, Rejected) or not inside.any():
                    continue
                extent = _extent(inside)
                fitting = [order for order in TRIED if _fit(ORDERS[order](*entry.numbers), extent) >= FITS]
                if len(fitting) == 1:
                    votes[fitting[0]] += 1
        best = max(TRIED, key=lambda order: votes[order])
        if not sum(votes.values()):
            return None
        said = f"{votes[best]} of the {sum(votes.values())} boxes that only one order fits to their masks"
        if votes[best] < AGREED * sum(votes.values()):
            self.folder.note(f"the order of a box's numbers is not told: only {said} are {best}")
            return None
        self.folder.note(f"boxes were read as {best}, as {said} tell")
        return best

    def _mask(self, image: Path) -> np.ndarray | None:
        """The grey values of mask.png beside an image, (H, W); None where there is none. Raises ``ImageError``."""
        if not self.greys:
            return None
        try:
            path = self.folder.find(MASK, image.parent)
        except AnnotationError:
            return None
        if path.parent != image.parent:
            return None
        grey = image_files.read(path, windowed=False).array
        plane: np.ndarray = grey[..., 0] if grey.ndim == 3 else grey
        return plane

    def _inside(self, name: str, mask_HW: np.ndarray | None) -> np.ndarray | None:
        """Where a mask has the grey value of a name."""
        value = self.greys.get(name.casefold())
        if mask_HW is None or value is None:
            return None
        inside: np.ndarray = mask_HW == value
        return inside


def is_lesion(name: str) -> bool:
    """Whether a name of SLAKE's vocabulary is a lesion's, told by one of its words."""
    return not LESIONS.isdisjoint(re.findall("[a-z]+", name.casefold()))


def _four(numbers: Any) -> tuple[float, float, float, float]:
    if not isinstance(numbers, list) or len(numbers) != 4:
        raise AnnotationError(f"a box needs four numbers, not {quoted(numbers)}")
    a, b, c, d = (number(value, "the box") for value in numbers)
    return a, b, c, d


def _extent(inside_HW: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(inside_HW.any(axis=1)), np.flatnonzero(inside_HW.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _fit(box: Box, extent: Box) -> float:
    return float(geometry.ious([box], [extent])[0, 0]) if box[0] < box[2] and box[1] < box[3] else 0.0


def _greys(folder: Folder) -> Mapping[str, int]:
    """The grey value of each name in mask.txt, whose lines are ``value:name``."""
    greys: dict[str, int] = {}
    for path in folder.named("mask.txt"):
        try:
            lines = folder.text(path).splitlines()
        except AnnotationError as error:
            raise IngestError(f"{folder.relative(path)}: {error}") from error
        for line in lines:
            if told := re.fullmatch(r"\s*(\d{1,5})\s*:\s*(.+?)\s*", line):
                greys[told[2].casefold()] = int(told[1])
    return greys


FORMAT = Format(
    "slake",
    read,
    "train.json, validate.json and test.json with img_name and q_lang, beside imgs/",
    found,
    (".json", ".txt"),
    DataSet(
        "slake",
        "SLAKE",
        "CT, MR, X-ray",
        ("labels", "boxes", "masks", "questions", "splits"),
        "unknown",
        "open",
        "CC BY 4.0",
        "https://huggingface.co/datasets/BoKelvin/SLAKE",
        "Liu et al., SLAKE: A Semantically-Labeled Knowledge-Enhanced Dataset for Medical Visual Question Answering, "
        "2021, arXiv 2102.09542",
        (
            Download("**/{train,validate,validation,test}.json", "the questions in English and Chinese"),
            Download("**/imgs/*/source.jpg", "642 images"),
            Download("**/imgs/*/detection.json", "boxes of organs and lesions", needed=False),
            Download("**/imgs/*/mask.png", "their masks", needed=False),
            Download("**/mask.txt", "which grey value of a mask is what", needed=False),
        ),
        benchmark=True,
        notes=(
            "The two languages were split apart: images that English trains on are tested in Chinese, and the reverse; "
            "`unveil check` tells them, and `--splits none` deals whole images anew.",
            "61 of the 416 closed English test questions are answered by neither yes nor no.",
            "Boxes of organs are left out, since an organ is no abnormality; --anatomy takes them as findings.",
        ),
    ),
)
