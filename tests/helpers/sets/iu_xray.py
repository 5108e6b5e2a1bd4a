"""A small folder in the layout of R2Gen's IU X-Ray: two images a study, an entry of ``annotation.json`` each."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.annotated import draw

#: Studies by split. Their names are made up.
STUDIES = {"train": ("CXR1_1_IM-0001", "CXR2_1_IM-0002"), "val": ("CXR3_1_IM-0003",), "test": ("CXR4_IM-0004-2001",)}


def report(study: str) -> str:
    return f"The heart is normal in size. No focal consolidation. Study {study} of XXXX."


def write(folder: Path) -> None:
    """``images/STUDY/0.png`` and ``1.png``, and the reports by split."""
    content: dict[str, list[dict[str, object]]] = {}
    for split, studies in STUDIES.items():
        for study in studies:
            for view in (0, 1):
                seed = len(study) + sum(map(ord, study)) + view
                draw(folder / "images" / study / f"{view}.png", 56, 48 + 8 * view, seed=seed)
            images = [f"{study}/{view}.png" for view in (0, 1)]
            entry: dict[str, object] = {"id": study, "report": report(study), "image_path": images, "split": split}
            content.setdefault(split, []).append(entry)
    (folder / "annotation.json").write_text(json.dumps(content))
