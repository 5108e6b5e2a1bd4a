"""A small folder in LLaVA-Med's layout; what ``domain`` holds is unverified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.helpers.annotated import draw


def turns(n: int) -> list[dict[str, str]]:
    return [
        {"from": "human", "value": f"What is shown in figure {n}?\n<image>"},
        {"from": "gpt", "value": f"A mass of {n} cm."},
        {"from": "human", "value": "Is it large?"},
        {"from": "gpt", "value": "Yes."},
    ]


def rows(key: str = "conversatons") -> list[dict[str, Any]]:
    kinds = ("chest_xray", "mri", "histology", "gross", "ct_scan")
    return [
        {
            "id": f"2512{n}_F{n}",
            "image": f"2512{n}_F{n}.jpg",
            "domain": {kind: kind == kinds[n % 5] for kind in kinds},
            key: turns(n),
        }
        for n in range(7)
    ]


def write(folder: Path) -> None:
    for n in range(7):
        draw(folder / "images" / f"2512{n}_F{n}.jpg", 60, 48, seed=n)
    (folder / "llava_med_instruct_10k.json").write_text(json.dumps(rows()))
