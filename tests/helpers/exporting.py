"""Records with small images on the disk, exported by the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.helpers.annotated import draw
from unveil import cli
from unveil.core import geometry
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue, Finding, Prediction, Record, Source

OPEN = Source("ward", "1", "CC BY 4.0", "open")
#: An L of 3 + 2 pixels in an image of 40 x 20, from (4, 2) to (7, 5).
L_HW = np.zeros((20, 40), bool)
L_HW[2:5, 4] = L_HW[4, 4:7] = True
L = Finding("nodule", (4.0, 2.0, 7.0, 5.0), geometry.encode_mask(L_HW), phrase="A nodule on the left.", readers=("A",))
BOX = Finding("größere Masse", (30.25, 5.5, 40.0, 20.0), attributes={"side": "left"})


def record(root: Path, file: str, *findings: Finding, **more: Any) -> Record:
    """A record of an image of 40 x 20 pixels, which is drawn in ``root`` unless it is there."""
    path = root / "images" / file
    if not path.exists():
        draw(path)
    about: dict[str, Any] = {"completeness": "exhaustive", "source": OPEN} | more
    about["source"] = replace(about["source"], file=about["source"].file or file)
    return Record(f"ward/{file}", f"images/{file}", 40, 20, findings=findings, **about)


def turned(root: Path, file: str) -> None:
    """An image stored as 20 x 40 and shown as 40 x 20: EXIF orientation 6, a quarter turn clockwise."""
    exif = Image.Exif()
    exif[0x0112] = 6
    (root / "images" / file).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(800, dtype=np.uint8).reshape(40, 20)).save(root / "images" / file, exif=exif)


def export(root: Path, rows: Sequence[Record], form: str, *words: object, out: str = "out") -> int:
    """The exit code of ``unveil export records``."""
    write_jsonl(root / "records.jsonl", rows)
    asked = ["--records", root / "records.jsonl", "--form", form, "--out", root / out, *words]
    return cli.main(["export", "records", *map(str, asked)])


def answered(root: Path, rows: Sequence[Record], asked: Sequence[Dialogue], answers: Sequence[Prediction]) -> list[str]:
    """Writes records, dialogues and predictions, and returns the options that name them."""
    words = []
    for name, kind in (("records", rows), ("dialogues", asked), ("predictions", answers)):
        write_jsonl(root / f"{name}.jsonl", kind)
        words += [f"--{name}", str(root / f"{name}.jsonl")]
    return words
