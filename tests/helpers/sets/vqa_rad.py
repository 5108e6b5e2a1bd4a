"""A small folder in VQA-RAD's published layout; the type of its answers and the spaces are as they were reported."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.annotated import draw

#: Image, question, answer, answer type and phrase type; the last two images are in both splits.
QUESTIONS = [
    ("synpic1.jpg", "Is there a nodule? ", "Yes ", "CLOSED ", "freeform"),
    ("synpic1.jpg", "How many?", 2, "OPEN", "para"),
    ("synpic2.jpg", "Is the heart enlarged?", "no", "CLOSED", "freeform"),
    ("synpic3.jpg", "Which side?", "Left", "CLOSED", "freeform"),
    ("synpic4.jpg", "Is there air?", "yes", "CLOSED", "freeform"),
    ("synpic5.jpg", "What plane is this?", " axial", "OPEN", "freeform"),
    ("synpic5.jpg", "Is this axial?", "yes", "CLOSED", "test_freeform"),
    ("synpic6.jpg", "What size, in cm?", 1.5, "OPEN", "para"),
    ("synpic6.jpg", "Is it larger than 1 cm?", "Yes", "CLOSED", "test_para"),
]


def rows() -> list[dict[str, object]]:
    return [
        {
            "qid": n,
            "image_name": image,
            "image_organ": "CHEST",
            "question": question,
            "answer": answer,
            "answer_type": kind,
            "question_type": "PRES",
            "phrase_type": phrase,
        }
        for n, (image, question, answer, kind, phrase) in enumerate(QUESTIONS)
    ]


def write(folder: Path) -> None:
    for n in range(1, 7):
        draw(folder / "VQA_RAD Image Folder" / f"synpic{n}.jpg", 64, 48, seed=n)
    (folder / "VQA_RAD Dataset Public.json").write_text(json.dumps(rows()))
