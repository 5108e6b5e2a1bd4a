"""Ways to write an identifier so that the eye or a decoder still reads it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote

_LOOKALIKES = str.maketrans("aceopxyABCEHKMOPTX", "асеорхуАВСЕНКМОРТХ")


def _after(mark: str) -> Callable[[str], str]:
    """The mark after every second character."""
    return lambda text: "".join(c + (mark if i % 2 else "") for i, c in enumerate(text[:-1])) + text[-1]


def _middle(mark: str) -> Callable[[str], str]:
    """The mark in place of the first space, or in the middle."""
    return lambda text: text.replace(" ", mark, 1) if " " in text else _inside(mark)(text)


def _inside(mark: str) -> Callable[[str], str]:
    """The mark in the middle."""
    return lambda text: text[: len(text) // 2] + mark + text[len(text) // 2 :]


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else "\u3000" if c == " " else c for c in text)


DISGUISES: dict[str, Callable[[str], str]] = {
    "zero": _after("\u200b"),
    "soft": _inside("\u00ad"),
    "joiner": _inside("\u2060"),
    "rtl": _inside("\u200f"),
    "nobreak": lambda text: text.replace(" ", "\u00a0"),
    "thin": lambda text: text.replace(" ", "\u202f"),
    "wide": _wide,
    "spaced": lambda text: " ".join(text),
    "dotted": lambda text: ".".join(text),
    "en": lambda text: text.replace("-", "–"),
    "nonbreaking": lambda text: text.replace("-", "\u2011"),
    "minus": lambda text: text.replace("-", "−"),
    "cyrillic": lambda text: text.translate(_LOOKALIKES),
    "under": lambda text: text.replace(" ", "_").replace("-", "_"),
    "decimal": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "hexadecimal": lambda text: "".join(f"&#x{ord(c):x};" for c in text),
    "percent": lambda text: quote(text, safe="") if quote(text, safe="") != text else text.replace("-", "%2D"),
    "line": _middle("\n"),
    "hyphenated": _middle("-\n"),
    "bold": lambda text: text[:2] + "**" + text[2:] + "**",
    "italic": lambda text: text.replace(" ", " *", 1).replace("-", "-*", 1) + "*",
    "combining": _after("\u0301"),
    "stroke": _after("\u0336"),
    "escaped": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "tab": lambda text: text.replace(" ", "\t").replace("-", "-\t"),
    "wider": lambda text: text.replace(" ", "   "),
    "reversed": lambda text: text[::-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "token": _inside("<|im_end|>"),
    "brackets": lambda text: text.replace(" ", "][").join("[]"),
    "leet": lambda text: text.translate(str.maketrans("aeio", "4310")),
}
