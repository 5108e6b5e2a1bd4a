"""A small folder in the layout of MMMU's medical subjects: two of them; one question has two images, one is open, and
those of test have no answer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

OPTIONS = "['Fever', \"Crohn's disease\", 'Both', 'None']"


def picture(n: int) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(n).integers(0, 255, (48, 60), np.uint8)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": f"image_{n}.png"}


def row(name: str, n: int, answer: str = "B", second: bool = False, options: str = OPTIONS) -> dict[str, Any]:
    return {
        "id": f"{name}_{n}",
        "question": f"<image 1> What does {n} show?" + (" And <image 2>?" if second else ""),
        "options": options,
        "explanation": "",
        "image_1": picture(n),
        "image_2": picture(n + 50) if second else None,
        "img_type": "['Pathology']",
        "answer": answer,
        "topic_difficulty": "Easy",
        "question_type": "multiple-choice" if options != "[]" else "open",
        "subfield": name,
    }


def write(folder: Path) -> None:
    table(folder / "Clinical_Medicine" / "dev-00000-of-00001.parquet", [row("Clinical", n) for n in (1, 2)])
    rows = [row("Clinical", 3), row("Clinical", 4, "A"), row("Clinical", 5, second=True)]
    table(folder / "Clinical_Medicine" / "validation-00000-of-00001.parquet", rows)
    table(folder / "Clinical_Medicine" / "test-00000-of-00001.parquet", [row("Clinical", 6, "?")])
    rows = [row("Pharmacy", 7, "C"), row("Pharmacy", 8, "aspirin", options="[]")]
    table(folder / "Pharmacy" / "validation-00000-of-00001.parquet", rows)


def table(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [(name, image if name.startswith("image_") else pa.string()) for name in rows[0]]
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), path)
