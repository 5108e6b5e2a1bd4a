"""What is sent to servers on trial: a schema of one field, and questions full of what must not leave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image, PngImagePlugin

from tests.conftest import draw
from unveil.core.box_formats import mark
from unveil.core.records import Record, Source
from unveil.core.sampling import Sampling
from unveil.experts.requests import Request, RequestImage, Strict, Turn


class Verdict(Strict):
    abnormal: bool


def canaries(folder: Path) -> list[Request]:
    """Two questions about an image whose name, metadata and record are full of what must not leave."""
    path = folder / "CANARY-FOLDER" / "CANARY-FILE.png"
    path.parent.mkdir()
    about = PngImagePlugin.PngInfo()
    about.add_text("Patient", "CANARY-TEXT")
    exif = Image.Exif()
    exif[0x010E] = "CANARY-EXIF"
    Image.open(draw(path, (64, 64), 1)).save(path, pnginfo=about, exif=exif)
    source = Source("CANARY-SET", licence="CC0-1.0", access="open", file="CANARY-FILE.png")
    record = Record("CANARY-ID", str(path), 64, 64, patient="CANARY-PATIENT", study="CANARY-STUDY", source=source)
    record = replace(record, report="CANARY-REPORT", group="CANARY-GROUP")
    texts = ("Is anything abnormal in this image?", f"What is at {mark((1, 2, 30, 40))}?")
    known = {"picture": RequestImage(path), "record": record, "sampling": Sampling(max_tokens=4)}
    return [Request(f"CANARY-ID/{n}", "CANARY-TASK", (Turn("user", t),), **known) for n, t in enumerate(texts)]  # type: ignore[arg-type]
