"""Phrases of reports and how they are to be read: a table written by hand, most of it before the reader was.

Its columns: category, kind of question, vocabulary, what a localisation question or a yes-or-no question asks, the
answer (``\\n``: a new line), and its reading: the names that it gives, in order, else "normal" or "abnormal"; "yes" or
"no" of a question that came with the image; "?" where it says nothing of what was asked, or contradicts itself.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from unveil.core.answers import parse, says_yes
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.grading import grade
from unveil.core.records import Dialogue, Kind, Record

VOCABULARIES = {
    "chest": "nodule, mass, pleural effusion, effusion, pneumothorax, calcification, cardiomegaly, consolidation, "
    "opacity, atelectasis, cyst, fracture",
    "endoscopy": "polyp, ulcer, diverticulum, bleeding, adenoma, erosion",
    "skin": "melanoma, naevus, psoriasis, basal cell carcinoma, actinic keratosis, bulla",
    "fundus": "microaneurysm, haemorrhage, hard exudate, drusen, cotton wool spot, macular oedema",
    "ultrasound": "gallstone, cyst, hydronephrosis, thyroid nodule, nodule, metastasis, mass",
    "odd": "COVID-19, Nodule/Mass, mass (benign), mass (malignant), St. p. fracture, no. 3 tooth, T2 lesion, "
    "No plaque, plaque, Abnormal ECG, displaced fracture, non-displaced fracture, fracture, hernia",
}
VIEW = View(BOX_FORMATS["json-1000"], (100, 100), (100, 100))


def table() -> list[dict[str, str]]:
    with (Path(__file__).parent / "phrases.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def reading(kind: Kind, names: list[str], asked: str, text: str) -> str:
    if kind == "closed":
        return {True: "yes", False: "no", None: "?"}[says_yes(asked, text, names)]
    parsed = parse(kind, text, VIEW, names, asked or None)
    if kind == "localisation":  # whose name is asked for, the score knows
        dialogue = Dialogue("d", "r", "x.png", "test", kind, "Where is it?", "", asked)
        record = Record("r", "x.png", 100, 100, completeness="exhaustive")
        return "?" if grade(dialogue, record, text, VIEW, names).outcome.status != "ok" else "normal"
    if parsed.status != "ok":
        return "?"
    if kind == "detection" or not parsed.labels:
        return "abnormal" if parsed.abnormal else "normal"
    return " + ".join(parsed.labels)


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row['kind']}: {row['text']}"[:80])
def test_the_table(row):
    names = VOCABULARIES[row["vocabulary"]].split(", ")
    assert reading(row["kind"], names, row["asked"], row["text"].replace("\\n", "\n")) == row["reading"]
