"""Chest ImaGenome: scene graphs of chest radiographs, which tie sentences of the report to boxes of anatomy.

Every image has boxes of some thirty places in the body, such as the left lung. They are no findings: a finding is what
a sentence says to be there (``anatomicalfinding|yes|…`` and ``disease|yes|…``), in the place that it is tied to, with
the sentence as its phrase. One sentence is often tied to several places that lie within one another, such as the lung
and its lower zone. Boxes count in the original image (``original_x1``; ``x1`` counts in a square of 224); some lead
over its edge and are cut there. Images are those of MIMIC-CXR-JPG, below the data folder or in that of ``--images``.

The layout is known from others' code, not verified at its source. Of the gold set only the images are known here: they
are the test split, as nobody is to learn from their patients; its own boxes and sentences are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unveil.core import geometry, pixels
from unveil.core.geometry import Box
from unveil.core.records import Finding, Record, Split
from unveil.core.untrusted import listed, quoted
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, number, parse_all
from unveil.ingest.rows import rows
from unveil.ingest.sets import mimic

ENDING = "_SceneGraph.json"
#: What an attribute is of that names something that is seen.
SEEN = ("anatomicalfinding", "disease")
CORNERS = ("original_x1", "original_y1", "original_x2", "original_y2")
SPLITS: dict[str, Split] = {"train.csv": "train", "valid.csv": "val", "test.csv": "test", "images_to_avoid.csv": "test"}

#: The box of a place by its name, or why there is none.
Places = dict[str, Box | AnnotationError]


def found(folder: Folder) -> list[Path]:
    """The scene graphs."""
    return folder.named(f"*{ENDING}")


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """The image of every scene graph that is here; how many are not is noted."""
    splits = _splits(folder)
    graphs, absent = list(filter(folder.asked, found(folder))), 0
    for path in graphs:
        dicom = path.name[: -len(ENDING)]
        if not mimic.is_here(folder, dicom):
            absent += 1
            continue
        try:
            yield from _record(folder, path, dicom, splits.get(dicom))
        except (AnnotationError, IngestError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), None, str(error))
    if absent == len(graphs):
        raise IngestError(f"none of the images of {absent} scene graphs is here; {folder.looked}")
    if absent:
        folder.note(f"the images of {absent} of {len(graphs)} scene graphs are not here: left out")


def _splits(folder: Folder) -> dict[str, Split]:
    """The split of each image by its DICOM id; the gold set's, which is to be avoided elsewhere, is test, and so is
    what MIMIC's own table, where it is here, has in its test split."""
    splits: dict[str, Split] = {}
    for name, split in SPLITS.items():
        for path in folder.named(name):
            if path.parent.name == "splits":
                splits.update((cells["dicom_id"], split) for _, cells in rows(folder, path, ("dicom_id",)))
    if not splits:
        folder.note("silver_dataset/splits is not here: no split is known")
    tested = {dicom for dicom, split in mimic.splits(folder).items() if split == "test"}
    for dicom in sorted(tested & {dicom for dicom, split in splits.items() if split != "test"}):
        folder.note("images that MIMIC tests and Chest ImaGenome does not: MIMIC's test split counts", dicom)
    return splits | dict.fromkeys(tested, "test")


def _record(folder: Folder, path: Path, dicom: str, split: Split | None) -> Iterator[Record | Rejected]:
    graph, file = folder.json(path), folder.relative(path)
    lists = ("objects", "attributes")
    if not isinstance(graph, dict) or not all(isinstance(graph.get(name), list) for name in lists):
        there = listed(graph) if isinstance(graph, dict) else quoted(graph)
        raise AnnotationError(f"a scene graph has lists of objects and attributes; this one has {there or 'nothing'}")
    patient, study = (str(graph[name]) if graph.get(name) else None for name in ("patient_id", "study_id"))
    image = folder.open(folder.find(mimic.place(dicom, patient, study) if patient and study else dicom, path.parent))
    places = _places(folder, graph["objects"], image)
    said, bad = [], []
    for row, entry in enumerate(graph["attributes"], 1):
        try:
            said += [(row, one) for one in _said(entry)]
        except AnnotationError as error:
            bad.append(Rejected(file, row, str(error)))
    findings, wrong = parse_all(said, lambda one: _finding(*one, places), file)
    yield from (*bad, *wrong)
    of_path = mimic.whose(image.file)
    yield folder.record(
        *(image, findings, "partial", bool(bad or wrong)),
        patient=patient or of_path[0], study=study or of_path[1], sex=str(graph.get("gender") or ""), split=split,
        language="en",
    )  # fmt: skip


def _places(folder: Folder, objects: list[Any], image: Image) -> Places:
    """The boxes of anatomy; one that is no good matters where a sentence is tied to it."""
    places: Places = {}
    for entry in objects:
        if not isinstance(entry, dict) or not isinstance(entry.get("bbox_name"), str):
            continue
        name = entry["bbox_name"]
        try:
            x1, y1, x2, y2 = (number(entry.get(corner), corner) for corner in CORNERS)
            inside = geometry.clip((x1, y1, x2, y2), image.width, image.height)
            places[name] = geometry.checked(inside, image.width, image.height)
            if inside != (x1, y1, x2, y2):
                folder.note("boxes of anatomy that lead over the edge of their image are cut there", image.file)
        except (AnnotationError, geometry.BoxError) as error:
            places[name] = AnnotationError(f"the box of {name}: {error}")
    return places


def _said(entry: Any) -> Iterator[tuple[str, str, str]]:
    """Place, name and sentence of all that is said to be there. Lists of sentences and of what they say go together."""
    place = entry.get("bbox_name") if isinstance(entry, dict) else None
    phrases, told = (entry.get("phrases"), entry.get("attributes")) if isinstance(entry, dict) else (None, None)
    if not isinstance(place, str) or not isinstance(phrases, list) or not isinstance(told, list):
        raise AnnotationError(f"an object with bbox_name, phrases and attributes is needed, not {quoted(entry)}")
    if len(phrases) != len(told):
        raise AnnotationError(f"{len(phrases)} phrases and {len(told)} lists of attributes of {quoted(place)}")
    for phrase, words in zip(phrases, told, strict=True):
        if not isinstance(words, list):
            raise AnnotationError(f"the attributes of {quoted(place)} are lists of words, not {quoted(words)}")
        for word in words:
            kind, _, rest = str(word).partition("|")
            polarity, _, name = rest.partition("|")
            if kind in SEEN and polarity == "yes" and name:
                yield place, name, " ".join(str(phrase).split())


def _finding(place: str, name: str, phrase: str, places: Places) -> Finding:
    box = places.get(place, AnnotationError(f"the place {quoted(place)} has no box"))
    if isinstance(box, AnnotationError):
        raise box
    side, _, part = place.partition(" ")
    sided = side in ("left", "right") and bool(part)
    words = {"body_part": part, "side": side} if sided else {"body_part": place}
    return Finding(name, box, attributes=words, phrase=phrase or None)


FORMAT = Format(
    "chest-imagenome",
    read,
    "scene graphs (scene_graph/*_SceneGraph.json)",
    found,
    (".json",),
    DataSet(
        "chest-imagenome",
        "Chest ImaGenome",
        "X-ray",
        ("labels", "boxes", "phrases", "patients", "splits"),
        "partial",
        "credentialed",
        None,
        "https://physionet.org/content/chest-imagenome/",
        "Wu et al., Chest ImaGenome Dataset for Clinical Reasoning, 2021, arXiv 2108.00316",
        (
            Download("**/scene_graph/*_SceneGraph.json", "scene graphs (unpack silver_dataset/scene_graph.zip)"),
            Download("**/splits/*.csv", "the split, and the images of the gold set", needed=False),
            Download("**/files/p1*/p*/s*/*.jpg", "the images, from MIMIC-CXR-JPG (or --images)"),
        ),
        benchmark=True,
        notes=(
            "A finding's box is that of the place in the body which the sentence is tied to, not of the lesion.",
            "Programs drew the silver set from reports. The gold set's images are test here; its boxes are not read.",
            "Images are those of MIMIC-CXR: train on no patient of its test split.",
        ),
    ),
)
