"""Synthetic images of synthetic patients with exactly known abnormalities, for teaching and testing without any data.

Every pixel and every word follows from one seed. A patient has one modality, an anatomy that his images share, and one
or two kinds of abnormality that he tends to have; some of his images show none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from unveil.core import digests, pixels
from unveil.core.geometry import box_of_mask, encode_mask
from unveil.core.records import Finding, Question, Record, Source
from unveil.core.workers import pool
from unveil.synthetic import ct, endoscopy, ultrasound, xray
from unveil.synthetic.canvas import Abnormality, SyntheticImage

MODALITIES: dict[str, ModuleType] = {m.MODALITY: m for m in (xray, ct, endoscopy, ultrasound)}
#: Names of all abnormalities that are drawn, over all modalities.
ABNORMALITIES = tuple(sorted({label for m in MODALITIES.values() for label in m.ABNORMALITIES}))

VERSION = "1"


@dataclass(frozen=True)
class Patient:
    """One synthetic patient: what is drawn of him follows from ``seed`` and ``number`` alone."""

    seed: int
    number: int
    size: int = 256

    @property
    def id(self) -> str:
        return f"P{self.seed}-{self.number:05d}"


def plan(rng: np.random.Generator, kinds: Sequence[str]) -> list[list[str]]:
    """What each of a patient's two to four images shows: none, one or two abnormalities of his own kinds."""
    own = rng.choice(list(kinds), size=2, replace=False)
    counts = rng.choice(3, size=rng.integers(2, 5), p=(0.3, 0.45, 0.25))
    return [[str(k) for k in rng.choice(own, size=n, replace=n > 1)] for n in counts]


def draw_patient(patient: Patient) -> Iterator[tuple[SyntheticImage, str]]:
    """The patient's images with their modality, in order."""
    rng = np.random.default_rng([patient.seed, patient.number])
    modality = str(rng.choice(list(MODALITIES)))
    module = MODALITIES[modality]
    anatomy = module.draw_anatomy(rng)
    for labels in plan(rng, module.ABNORMALITIES):
        yield module.draw(anatomy, labels, rng, patient.size), modality


def draw_one(patient: Patient) -> tuple[SyntheticImage, str]:
    """An image of a patient with one abnormality, and its modality; modalities take turns from patient to patient."""
    rng = np.random.default_rng([patient.seed, patient.number, 2])
    modality = list(MODALITIES)[patient.number % len(MODALITIES)]
    module = MODALITIES[modality]
    label = str(rng.choice(list(module.ABNORMALITIES)))
    return module.draw(module.draw_anatomy(rng), [label], rng, patient.size), modality


def finding(abnormality: Abnormality) -> Finding:
    """A drawn abnormality as a record's finding, with its mask."""
    place = {"body_part": abnormality.body_part} | ({"side": abnormality.side} if abnormality.side else {})
    return Finding(
        abnormality.label, box_of_mask(abnormality.mask), encode_mask(abnormality.mask), place | abnormality.attributes
    )


def report(modality: str, findings: Sequence[Finding]) -> str:
    """A short report in sentences, true of what was drawn."""
    if not findings:
        return f"{modality}. No abnormality is seen."
    sentences = []
    for f in findings:
        where = " ".join(filter(None, (f.attributes.get("side"), f.attributes["body_part"])))
        sentences.append(f"{f.label.capitalize()} in the {where}: {f.attributes['shape']}, {f.attributes['edge']}.")
    return f"{modality}. {' '.join(sentences)}"


def questions(modality: str, findings: Sequence[Finding], rng: np.random.Generator) -> tuple[Question, ...]:
    """Two questions of the kind that come with an image, with their true answers."""
    present = {f.label for f in findings}
    absent = [k for k in MODALITIES[modality].ABNORMALITIES if k not in present]
    asked = [str(rng.choice(absent)), *([str(rng.choice(sorted(present)))] if present else [])]
    known = [
        Question("What kind of image is this?", modality, "open"),
        Question("How many abnormalities are there?", str(len(findings)), "closed"),
        *(Question(f"Is there a {k}?", "Yes" if k in present else "No", "closed") for k in asked),
    ]
    return tuple(known[i] for i in sorted(rng.choice(len(known), 2, replace=False)))


def patient_records(patient: Patient, folder: Path) -> list[Record]:
    """Draws a patient's images into ``folder`` as PNG and returns their records."""
    return write_patient(patient, list(draw_patient(patient)), folder)


def write_patient(patient: Patient, pictures: Sequence[tuple[SyntheticImage, str]], folder: Path) -> list[Record]:
    """Writes a patient's synthetic images into ``folder`` as PNG and returns their records."""
    words = np.random.default_rng([patient.seed, patient.number, 1])
    records = []
    for i, (picture, modality) in enumerate(pictures):
        name = f"{patient.id}-{i}"
        path = folder / f"{name}.png"
        pixels.write_png(picture.pixels, path)
        findings = tuple(finding(d) for d in picture.findings)
        records.append(
            Record(
                id=name,
                image=f"{folder.name}/{path.name}",
                width=patient.size,
                height=patient.size,
                modality=modality,
                patient=patient.id,
                study=patient.id,
                findings=findings,
                completeness="exhaustive",
                report=report(modality, findings),
                questions=questions(modality, findings, words),
                source=Source("synthetic", VERSION, "Apache-2.0", "open", file=path.name, sha256=digests.sha256(path)),
            )
        )
    return records


def synthetic_records(out: Path, patients: int, seed: int = 0, size: int = 256, workers: int = 2) -> Iterator[Record]:
    """Draws ``patients`` patients into ``out/images``; yields their records in order, whatever the workers' number."""
    if patients < 1:
        raise ValueError(f"at least one patient is needed, not {patients}")
    folder = out / "images"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [Patient(seed, n, size) for n in range(patients)]
    with pool(workers) as drawing:
        for records in drawing.map(patient_records, todo, [folder] * len(todo), chunksize=8):
            yield from records
