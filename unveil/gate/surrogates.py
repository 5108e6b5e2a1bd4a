"""What stands in a text in place of what identified somebody: the same for the same name, and nobody can turn it
back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from unveil.gate.finding import Found
from unveil.gate.known import folded

_DIGITS = 8  # hexadecimal: two of 10,000 names share one with a probability of about one per cent


@dataclass(frozen=True)
class Surrogates:
    """Surrogates under a secret key: a name in any case and with any separators has one, another key gives another."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise ValueError("a key of at least 16 bytes: whoever guesses a shorter one can find the names")

    def of(self, text: str, kind: str) -> str:
        """The surrogate of one original: ``[name 3f2a91c0]``."""
        digest = hmac.new(self.key, (folded(text) or text).encode("utf-8", "backslashreplace"), hashlib.sha256)
        return f"[{kind} {digest.hexdigest()[:_DIGITS]}]"

    def redact(self, text: str, found: Iterable[Found]) -> str:
        """The text with each place found replaced; nothing of the originals is left of it."""
        parts: list[str] = []
        done = 0
        for place in sorted(found, key=lambda place: (place.start, place.end)):
            if place.end <= done:
                continue
            start = max(place.start, done)
            parts += text[done:start], self.of(text[start : place.end], place.kind)
            done = place.end
        return "".join([*parts, text[done:]])
