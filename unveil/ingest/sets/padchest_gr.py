"""PadChest-GR: reports of chest radiographs as single sentences in English and Spanish, each with its boxes.

A sentence that says what is abnormal is a phrase to ground; its boxes were drawn by one reader or by two, each of whom
is kept. A sentence of several labels is a finding by each of these names at each place. Sentences that deny something
have no box and stand in the report alone. Boxes are xyxy in shares of width and height; images are PNG of 16 bits.

From third parties, not verified at its source: the keys of the JSON file, and the columns of ``master_table.csv``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unveil.core import geometry, pixels
from unveil.core.records import Finding, Record
from unveil.core.untrusted import listed, quoted
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.consensus import agreed, rule_of
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, list_of, number, parse_all
from unveil.ingest.rows import rows

#: Who drew the boxes under which key.
READERS = {"boxes": "reader 1", "extra_boxes": "reader 2"}
#: What the table tells of each study: patient and split, sex and age.
About = Mapping[str, Mapping[str, Any]]


def found(folder: Folder) -> list[Path]:
    """The file of the sentences."""
    return folder.named("grounded_reports*.json")


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image with its sentences."""
    about = _about(folder)
    rule = rule_of(folder.options.readers, READERS.values())
    for path in filter(folder.asked, found(folder)):
        content = folder.json(path)
        if not isinstance(content, list):
            raise IngestError(f"{folder.relative(path)}: a list of studies is needed, not {quoted(content)}")
        for row, entry in enumerate(content, 1):
            try:
                yield from _record(folder, path, row, entry, about, rule)
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(folder.relative(path), row, str(error))


def _about(folder: Folder) -> About:
    about: dict[str, Mapping[str, Any]] = {}
    for path in folder.named("master_table.csv", "master_table.csv.gz"):
        for _, cells in rows(folder, path, ("StudyID", "PatientID")):
            about[cells["StudyID"]] = {
                "patient": cells["PatientID"] or None,
                "split": SPLIT_NAMES.get(cells.get("split", "").lower()),
                "sex": cells.get("PatientSex_DICOM"),
                "age": cells.get("PatientAge"),
            }
    if not about:
        folder.note("master_table.csv is not here: neither patients, their sex and age, nor splits are known")
    return about


def _record(
    folder: Folder, path: Path, row: int, entry: Any, about: About, rule: str
) -> Iterator[Record | Rejected | Incomplete]:
    sentences = entry.get("findings") if isinstance(entry, dict) else None
    if not isinstance(sentences, list) or not isinstance(entry.get("ImageID"), str):
        there = f"it has {listed(entry)}" if isinstance(entry, dict) else f"not {quoted(entry)}"
        raise AnnotationError(f"an object with StudyID, ImageID and findings is needed; {there}")
    image = folder.open(folder.find(entry["ImageID"], path.parent / "Padchest_GR_files", path.parent))
    file, found, bad = folder.relative(path), [], []
    for sentence in sentences:
        try:
            places = list(_places(sentence))
        except AnnotationError as error:
            bad.append(Rejected(file, row, str(error)))
            continue
        good, wrong = parse_all([(row, place) for place in places], lambda place: _finding(*place, image), file)
        found += good
        bad += wrong
    yield from bad
    readers = tuple(name for name in READERS.values() if any(name in finding.readers for finding in found))
    drawn, left = agreed([finding for finding in found if finding.box], readers, rule)
    findings = [*drawn, *(finding for finding in found if not finding.box)]  # which the report alone says
    study = str(entry.get("StudyID") or "") or None
    texts = [s["sentence_en"] for s in sentences if isinstance(s, dict) and isinstance(s.get("sentence_en"), str)]
    yield folder.record(
        *(image, findings, "unknown", bool(bad) or left),
        study=study, report=" ".join(texts) or None, language="en", readers=readers, **about.get(study or "", {}),
    )  # fmt: skip


def _places(sentence: Any) -> Iterator[tuple[dict[str, Any], str, str | None, Any]]:
    """The places of a sentence: itself, one of its labels, who drew the box, and the box, None where it has none."""
    if not isinstance(sentence, dict) or not isinstance(sentence.get("sentence_en"), str):
        raise AnnotationError(f"a sentence is an object with sentence_en and boxes, not {quoted(sentence)}")
    if not sentence.get("abnormal"):
        if sentence.get("boxes"):
            raise AnnotationError(f"a sentence that is not abnormal has boxes: {quoted(sentence['sentence_en'])}")
        return
    labels = sentence.get("labels")
    if not isinstance(labels, list) or not labels:
        raise AnnotationError(f"the sentence {quoted(sentence['sentence_en'])} has no labels")
    drawn: list[tuple[str | None, Any]] = [
        (who, box) for key, who in READERS.items() for box in list_of(sentence.get(key), key)
    ]
    for label in labels:
        for who, box in drawn or [(None, None)]:
            yield sentence, str(label), who, box


def _finding(sentence: dict[str, Any], label: str, reader: str | None, numbers: Any, image: Image) -> Finding:
    box = None
    if numbers is not None:
        if not isinstance(numbers, list) or len(numbers) != 4:
            raise AnnotationError(f"a box needs four numbers, not {quoted(numbers)}")
        x1, y1, x2, y2 = map(number, numbers)
        whole = (image.width, image.height)
        box = geometry.checked(geometry.scale((x1, y1, x2, y2), (1, 1), whole), *whole)
    spanish, places = sentence.get("sentence_es"), sentence.get("locations")
    return Finding(
        label,
        box,
        attributes={"location": ", ".join(map(str, places))} if isinstance(places, list) and places else {},
        phrase=sentence["sentence_en"],
        translations={"es": spanish} if isinstance(spanish, str) and spanish else {},
        readers=(reader,) if reader else (),
    )


FORMAT = Format(
    "padchest-gr",
    read,
    "grounded_reports_*.json beside Padchest_GR_files/",
    found,
    (".json",),
    DataSet(
        "padchest-gr",
        "PadChest-GR",
        "X-ray",
        ("labels", "boxes", "phrases", "reports", "patients", "splits", "readers"),
        "unknown",
        "dua",
        None,
        "https://bimcv.cipf.es/bimcv-projects/padchest-gr/",
        "Castro et al., PadChest-GR: A Bilingual Chest X-ray Dataset for Grounded Radiology Report Generation, 2024, "
        "arXiv 2411.05085",
        (
            Download("**/grounded_reports_*.json", "sentences with their boxes"),
            Download("**/master_table.csv", "patients and splits (unpack master_table.csv.zip)", needed=False),
            Download("**/Padchest_GR_files/**/*.png", "the images of 4,555 studies"),
        ),
        benchmark=True,
        notes=(
            "Up to two readers drew the boxes of a sentence: --readers says what counts; if not given, all of them do.",
            "Sentences that deny something have no box; no image counts as normal for having no other.",
        ),
    ),
)
