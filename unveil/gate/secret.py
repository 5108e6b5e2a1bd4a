"""The key, in whatever form a server repeats it."""

from __future__ import annotations

import base64
import re
from functools import lru_cache

#: A shorter key is a word for a server that asks for none: to mask it would mask what a reply says.
LEAST = 8


def masked(text: str, key: str) -> str:
    """The text without the key: as it is, with characters percent-encoded, or in base64, on its own or within more."""
    return _forms(key).sub("(key)", text) if len(key) >= LEAST else text


@lru_cache(maxsize=16)
def _forms(key: str) -> re.Pattern[str]:
    plain = "".join(rf"(?:{re.escape(c)}|%(?i:{ord(c):02x}))" for c in key)
    return re.compile("|".join([plain, *map(re.escape, _in_base64(key.encode()))]))


def _in_base64(key: bytes) -> set[str]:
    """What base64 makes of the key, by how many bytes stand before it: the characters that depend on nothing else."""
    found = set()
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(key)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(bytes(before) + key).decode()[first:last])
    return found
