"""A small folder in SLAKE's layout: eight images, the last two without boxes and masks.

That boxes are corner and extent, and which grey value is which name, are unverified; the reader takes neither for
granted.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

#: Width and height of each image; where its lung and, in some, its cancer lie, as corners.
SIZE = (60, 50)
LUNG, CANCER = (5, 5, 30, 45), (10, 15, 22, 25)
#: Grey values and what they mean, as in mask.txt.
GREYS = {"Lung Left": 100, "Lung Cancer": 150}
#: The splits of images by language: the fifth is in train in English and in test in Chinese, the sixth the reverse.
SPLITS = {
    "en": {1: "train", 2: "train", 3: "train", 4: "validate", 5: "train", 6: "test", 7: "test", 8: "train"},
    "zh": {1: "train", 2: "train", 3: "train", 4: "validate", 5: "test", 6: "train", 7: "test", 8: "train"},
}
TEXTS = {
    "en": [("Is the lung healthy?", "No", "CLOSED"), ("Which organ is it?", "Lung", "OPEN")],
    "zh": [("肺部健康吗?", "不健康", "CLOSED")],
}


def rows() -> dict[str, list[dict[str, object]]]:
    """The rows of each file; the first English one of train has no answer."""
    files: dict[str, list[dict[str, object]]] = {"train": [], "validate": [], "test": []}
    qid = 0
    for language, texts in TEXTS.items():
        for n, split in SPLITS[language].items():
            for question, answer, kind in texts:
                row = {
                    "img_id": n,
                    "img_name": f"xmlab{n}/source.jpg",
                    "question": question,
                    "answer": answer,
                    "q_lang": language,
                    "location": "Lung",
                    "modality": "CT",
                    "answer_type": kind,
                    "base_type": "vqa",
                    "content_type": "Abnormality",
                    "triple": ["vhead", "_", "_"],
                    "qid": qid,
                }
                files[split].append(row)
                qid += 1
    return files


def write(folder: Path, order: str = "xywh") -> None:
    for name, content in rows().items():
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (folder / "mask.txt").write_text("".join(f"{grey}:{name}\n" for name, grey in GREYS.items()))
    rng = np.random.default_rng(0)
    for n in SPLITS["en"]:
        case = folder / "imgs" / f"xmlab{n}"
        case.mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, SIZE[::-1], np.uint8)).save(case / "source.jpg")
        (case / "question.json").write_text("[]")
        if n < 7:
            places = {"Lung Left": LUNG} | ({"Lung Cancer": CANCER} if n % 2 else {})
            mask = np.zeros(SIZE[::-1], np.uint8)
            for name, (x1, y1, x2, y2) in places.items():
                mask[y1:y2, x1:x2] = GREYS[name]
            Image.fromarray(mask).save(case / "mask.png")
            written = [{name: _numbers(box, order)} for name, box in places.items()]
            (case / "detection.json").write_text(json.dumps(written))


def _numbers(box: tuple[int, int, int, int], order: str) -> list[int]:
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1] if order == "xywh" else [x1, y1, x2, y2]
