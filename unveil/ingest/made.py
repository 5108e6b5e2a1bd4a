"""Images that lie in no file of their own, such as slices of a volume or cells of a table: written beside records."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from unveil.core import pixels
from unveil.core.files import whole

#: Folder beside the records.
MADE = "images"

#: How files of images begin, and what they are called.
_ENDINGS = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
    b"RIFF": ".webp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}


def write_made(out: Path, file: str, content: np.ndarray | bytes, again: bool = True) -> Path:
    """The path of an image that was written as PNG from an array (see ``pixels.write_png``), or as it is from the bytes
    of a file; unless ``again``, one that is there stays."""
    safe = re.sub(r"[^\w.-]+", "_", file.lower(), flags=re.ASCII).strip("._")[-80:]
    digest = hashlib.sha256(file.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    path = out / MADE / f"{safe}-{digest}{'.png' if isinstance(content, np.ndarray) else _ending(content)}"
    if again or not path.is_file():
        with whole(path) as partial:
            if isinstance(content, bytes):
                partial.write_bytes(content)
            else:
                pixels.write_png(content, partial)
    return path


def _ending(content: bytes) -> str:
    """Of the bytes of a file; whether it is an image is seen when it is opened."""
    return next((ending for start, ending in _ENDINGS.items() if content.startswith(start)), ".img")
