"""A sealed set of drawn pictures: some without any letters, some that carry an invented person's data.

    python pictures_fresh.py FOLDER

writes FOLDER/images/*.png and FOLDER/images.jsonl. Each picture has a generator of its own, seeded by its kind's name
and its number, so that a kind's pictures stay the same when another kind is added or changed.
"""

import json
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.gate_corpus.fresh import (
    bones,
    contrast,
    ct,
    identifying,
    marks,
    optical,
    resonance,
    rows,
    thorax,
    ultrasound,
)
from scripts.gate_corpus.fresh.drawing import Picture

SEED = 60_417
LETTERLESS, IDENTIFYING = "letterless", "identifying"
# A kind with variants has a row for each, and its numbers run on from row to row.
Function = Callable[[np.random.Generator], Picture]
Kind = tuple[str, str, int, Function]
KINDS: tuple[Kind, ...] = (
    ("chest_radiograph", LETTERLESS, 8, thorax.chest_radiograph),
    ("chest_devices", LETTERLESS, 8, thorax.chest_devices),
    ("limb_radiograph", LETTERLESS, 3, partial(bones.limb_radiograph, knee=1, hand=0)),
    ("limb_radiograph", LETTERLESS, 3, partial(bones.limb_radiograph, knee=0, hand=1)),
    ("limb_radiograph", LETTERLESS, 2, partial(bones.limb_radiograph, knee=0, hand=0)),
    ("bone_hardware", LETTERLESS, 6, partial(bones.bone_hardware, hip=0)),
    ("bone_hardware", LETTERLESS, 2, partial(bones.bone_hardware, hip=1)),
    ("spine_lateral", LETTERLESS, 5, partial(rows.spine_lateral, of_neck=0)),
    ("spine_lateral", LETTERLESS, 3, partial(rows.spine_lateral, of_neck=1)),
    ("dental_panoramic", LETTERLESS, 8, rows.dental_panoramic),
    ("mammogram", LETTERLESS, 8, contrast.mammogram),
    ("fluoroscopy", LETTERLESS, 5, partial(contrast.fluoroscopy, subtracted=0)),
    ("fluoroscopy", LETTERLESS, 3, partial(contrast.fluoroscopy, subtracted=1)),
    ("ct_head", LETTERLESS, 6, partial(ct.ct_head, bone_window=0)),
    ("ct_head", LETTERLESS, 2, partial(ct.ct_head, bone_window=1)),
    ("ct_body", LETTERLESS, 4, partial(ct.ct_body, chest=1)),
    ("ct_body", LETTERLESS, 4, partial(ct.ct_body, chest=0)),
    ("mri", LETTERLESS, 5, partial(resonance.mri, of_brain=1)),
    ("mri", LETTERLESS, 3, partial(resonance.mri, of_brain=0)),
    ("pet", LETTERLESS, 5, partial(resonance.pet, whole_body=1)),
    ("pet", LETTERLESS, 3, partial(resonance.pet, whole_body=0)),
    ("ultrasound_sector", LETTERLESS, 6, partial(ultrasound.ultrasound_sector, of_heart=0)),
    ("ultrasound_sector", LETTERLESS, 2, partial(ultrasound.ultrasound_sector, of_heart=1)),
    ("ultrasound_linear", LETTERLESS, 8, ultrasound.ultrasound_linear),
    ("endoscopy", LETTERLESS, 8, optical.endoscopy),
    ("dermoscopy", LETTERLESS, 8, optical.dermoscopy),
    ("eye", LETTERLESS, 4, partial(optical.eye, fundus=1)),
    ("eye", LETTERLESS, 4, partial(optical.eye, fundus=0)),
    ("microscopy", LETTERLESS, 4, partial(optical.microscopy, tissue=1)),
    ("microscopy", LETTERLESS, 4, partial(optical.microscopy, tissue=0)),
    ("ecg", LETTERLESS, 8, marks.ecg),
    ("marks", LETTERLESS, 7, partial(marks.marks, test_object=0)),
    ("marks", LETTERLESS, 1, partial(marks.marks, test_object=1)),
    ("console_corners", IDENTIFYING, 10, identifying.console_corners),
    ("film_sticker", IDENTIFYING, 10, identifying.film_sticker),
    ("turned", IDENTIFYING, 10, identifying.turned),
    ("slanted", IDENTIFYING, 10, identifying.slanted),
    ("dots_and_lead", IDENTIFYING, 5, partial(identifying.dots_and_lead, dots=1)),
    ("dots_and_lead", IDENTIFYING, 5, partial(identifying.dots_and_lead, dots=0)),
    ("by_hand", IDENTIFYING, 10, identifying.by_hand),
    ("outlined", IDENTIFYING, 10, identifying.outlined),
    ("see_through", IDENTIFYING, 10, identifying.see_through),
    ("small_in_big", IDENTIFYING, 10, identifying.small_in_big),
    ("inverted", IDENTIFYING, 10, identifying.inverted),
    ("codes", IDENTIFYING, 5, partial(identifying.codes, qr=1)),
    ("codes", IDENTIFYING, 5, partial(identifying.codes, qr=0)),
    ("after_jpeg", IDENTIFYING, 10, identifying.after_jpeg),
    ("in_colour", IDENTIFYING, 10, identifying.in_colour),
)


def drawn(name: str, index: int, function: Function) -> Picture:
    """The picture of a kind and a number."""
    picture = function(np.random.default_rng([SEED, zlib.crc32(name.encode()), index]))
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not min(picture.shape[:2]) >= 200:
        raise ValueError(f"{name} {index}: {picture.dtype} {picture.shape}")
    if max(picture.shape[:2]) > 1024:
        raise ValueError(f"{name} {index} is too large: {picture.shape}")
    return picture


def main(folder: str | Path) -> None:
    """All pictures and their list under a folder."""
    images = Path(folder) / "images"
    images.mkdir(parents=True, exist_ok=True)
    listed = []
    numbers: Counter[str] = Counter()
    for name, group, count, function in KINDS:
        for _ in range(count):
            index = numbers[name]
            numbers[name] += 1
            identity = f"{name}-{index:02}"
            file = f"images/{identity}.png"
            Image.fromarray(drawn(name, index, function)).save(Path(folder) / file, "PNG", compress_level=6)
            row = {"id": identity, "file": file, "kind": name, "identifying": group == IDENTIFYING, "group": group}
            listed.append(json.dumps(row) + "\n")
    (Path(folder) / "images.jsonl").write_text("".join(listed))


if __name__ == "__main__":
    main(sys.argv[1])
