"""A text as it is searched: what looks the same to a reader is written the same, with a map back to the original.

What is undone: compatibility forms and accents, kinds of dashes, quotes and spaces, characters without a width,
digits of other scripts, Cyrillic and Greek letters in otherwise Latin words, HTML entities, percent-encoding, JSON's
escapes, tags and comments, markdown, underscores, letters spaced out, line breaks within a paragraph. ``hidden``
looks into Base64 and, where a word ends in its capital, at the text from right to left.

Not looked for: other codes (hex, ROT13, compressed data), words in look-alikes alone, letters of words in columns,
digits spaced out without any letter or separator beside them (they are a table's).
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote


@dataclass(frozen=True)
class Plain:
    """``text`` is searched; its character ``i`` stands for the original's characters ``starts[i]`` to ``ends[i]``."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of a place in ``text`` that is not empty."""
        return self.starts[start], max(self.ends[end - 1], self.starts[start])


def plain(text: str) -> Plain:
    """The text without its disguises."""
    now = Plain(text, range(len(text)), range(1, len(text) + 1))
    for hint, pattern, put in _STEPS:
        if hint is None or (any(sign in now.text for sign in hint) if hint else not now.text.isascii()):
            now = _replaced(now, pattern, put)
    return now


def hidden(plain_text: Plain) -> Iterator[tuple[int, int, str]]:
    """Texts within the text that nobody reads as they stand: from, to (in the plain text), and what they say."""
    for word in _BASE64.finditer(plain_text.text):
        if (inside := _decoded(word[0])) is not None:
            yield *word.span(), inside
    if _BACKWARDS.search(plain_text.text):
        for line in re.finditer(r"[^\n]+", plain_text.text):
            if _BACKWARDS.search(line[0]):
                yield *line.span(), line[0][::-1]


_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{12,}+={0,2}")
#: "htimS": no other word has its only capital at its end; and MRN, DOB, SSN.
_BACKWARDS = re.compile(r"(?<!\w)[a-z]{2,20}[A-Z](?!\w)|(?<![A-Za-z])(?:NRM|BOD|NSS|SHN)(?![A-Za-z])")


def _decoded(word: str) -> str | None:
    """What a word says in Base64 (with either of its alphabets), None where that is no text."""
    body = word.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    try:
        text = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text if all(c.isprintable() or c in "\n\t" for c in text) else None


def _replaced(before: Plain, pattern: re.Pattern[str], put: Callable[[re.Match[str]], str]) -> Plain:
    """Each match replaced; a replacement as long as the match stands for it letter by letter, else all for all."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for found in pattern.finditer(before.text):
        new, (start, end) = put(found), found.span()
        if new == found[0]:
            continue
        parts += before.text[done:start], new
        starts += before.starts[done:start]
        ends += before.ends[done:start]
        if len(new) == end - start:
            starts += before.starts[start:end]
            ends += before.ends[start:end]
        else:
            starts += [before.starts[start]] * len(new)
            ends += [max(before.ends[start:end])] * len(new)
        done = end
    if not parts:
        return before
    parts.append(before.text[done:])
    return Plain("".join(parts), [*starts, *before.starts[done:]], [*ends, *before.ends[done:]])


# -------------------------------------------------------------------------------------------------------- characters

#: Letters that have no decomposition, and signs that stand for one another.
_ALIKE = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "þ": "th", "ı": "i", "′": "'", "´": "'", "‘": "'", "’": "'", "‚": ",", "ʼ": "'"}
    | {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "⁄": "/", "∕": "/", "，": ",", "،": ",", "。": "。", "﹫": "@"}
)  # fmt: skip
#: Cyrillic and Greek letters, and the Latin ones that look like them.
_LOOK_ALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХавеѕіјкмнорстухѵԁԛԝһӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχ",
    "ABESIJKMHOPCTYXabesijkmhopctyxvdqwhlABEZHIKMNOPTYXaiknoptux",
)
_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0610-\u061a\u0640\u064b-\u0652\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_NO_WIDTH = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


@lru_cache(maxsize=1 << 14)
def _character(one: str) -> str:
    """A character as it is searched: one that is none (no width, a mark) is nothing."""
    kind = unicodedata.category(one)
    if kind in ("Cf", "Cc", "Cs", "Co") or _NO_WIDTH.match(one) or _MARKS.match(one):
        return "\n" if one in "\x85\u2028\u2029" else ""
    if kind == "Zs":
        return " "
    if kind == "Pd" or one in "\u2212\u2043\u02d7\u30fc\uff70":
        return "-" if one not in "\u30fc\uff70" else one
    if kind == "Nd":
        return str(unicodedata.digit(one))
    apart = unicodedata.normalize("NFKD", one)
    if apart[0].isascii():
        return _MARKS.sub("", apart).translate(_ALIKE)
    return unicodedata.normalize("NFKC", one).translate(_ALIKE)


def _characters(found: re.Match[str]) -> str:
    return _character(found[0])


def _latin(found: re.Match[str]) -> str:
    """A word in Latin letters that holds others' look-alikes, or a number's letters that all look Latin."""
    latin = found[0].translate(_LOOK_ALIKES)
    mixed = re.search("[A-Za-z]", found[0]) or (re.search(r"\d", found[0]) and latin.isascii())
    return latin if mixed else found[0]


# ------------------------------------------------------------------------------------------------------------- words


def _unescaped(found: re.Match[str]) -> str:
    return html.unescape(found[0])


def _unquoted(found: re.Match[str]) -> str:
    """Percent-encoding, unless it stands for no text: "50%20" may be that, "80%95" is none."""
    text = unquote(found[0], errors="replace")
    return found[0] if "\ufffd" in text or not all(c.isprintable() or c == "\n" for c in text) else text


def _json(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else " "


def _nothing(_: re.Match[str]) -> str:
    return ""


def _space(_: re.Match[str]) -> str:
    return " "


def _tag(found: re.Match[str]) -> str:
    """Of an element that is none of a page's what it is called and its attributes, as of a form: "<Age>" is "Age: "."""
    inside = found[0].strip("<>/ ")
    name = re.match(r"[A-Za-z][\w:.-]*", inside)
    if name is None or found[0].startswith(("</", "<!", "<|")) or name[0].lower() in _OF_PAGES:
        return " "
    return f" {inside} " if "=" in inside else f" {name[0].rpartition(':')[2]}: "


#: A path, an address, a file's name.
_WHOLE = re.compile(
    r"[@/\\]|\.(?:dcm|dicom|nii|gz|png|jpe?g|tiff?|pdf|docx?|csv|txt|zip|xlsx?|json|xml|mp4|avi|bmp|gif|nrrd|mha|hl7)\W*$",
    re.I,
)


def _spaces(found: re.Match[str]) -> str:
    """Underscores of a word; in a path or an address they are part of it."""
    return found[0] if _WHOLE.search(found[0]) else found[0].replace("_", " ")


def _joined(found: re.Match[str]) -> str:
    """Letters that were spaced out; a capital after a small letter, or a wider gap, begins another word."""
    if not re.search(r"[A-Za-z/.:@-]", found[0]):
        return found[0]
    text = re.sub(r" (?! )(?<!  )", "", found[0])
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z]{3})(?=\d{3})", " ", re.sub(r" +", " ", text))


def _without_hyphens(found: re.Match[str]) -> str:
    return found[0].replace("-", "")


def _hyphen(_: re.Match[str]) -> str:
    return "-"


_OF_PAGES = frozenset(
    [
        "p",
        "br",
        "hr",
        "b",
        "i",
        "u",
        "s",
        "em",
        "strong",
        "span",
        "sub",
        "sup",
        "div",
        "td",
        "tr",
        "th",
        "table",
        "tbody",
        "thead",
        "tfoot",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "pre",
        "code",
        "html",
        "body",
        "head",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "center",
        "font",
        "small",
        "big",
        "mark",
        "blockquote",
        "section",
        "article",
        "details",
        "summary",
        "think",
        "thinking",
        "answer",
        "image",
        "img",
        "box",
        "ref",
        "point",
        "obj",
        "report",
        "findings",
        "impression",
        "question",
        "user",
        "system",
        "assistant",
        "bos",
        "eos",
    ]
)
_STYLES = "(?:b|i|u|em|strong|span|sub|sup|s)"
#: In this order: signs of which one must stand in the text (empty: any beyond ASCII; None: always), pattern, and what
#: takes the match's place.
_STEPS: tuple[tuple[str | None, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    ("&", re.compile(r"&#?\w{2,10};"), _unescaped),
    ("%", re.compile(r"(?>(?:%[0-9A-Fa-f]{2})+)"), _unquoted),
    ("\\", re.compile(r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})|\\[nrt](?![a-z])"), _json),
    ("", re.compile(r"[^\x00-\x7f]"), _characters),
    ("\x00\x08\x0c\x1b\x7f", re.compile(r"[\x00-\x08\x0b-\x1f\x7f]"), _nothing),
    ("", re.compile(r"[A-Za-z0-9\u0370-\u03ff\u0400-\u052f]++"), _latin),
    # inside a word a tag of style or of a chat template is nothing, elsewhere a space; then comments
    ("<", re.compile(rf"(?<=\w)(?:<\|[^|<>]{{0,40}}+\|>|</?{_STYLES}\b[^<>]{{0,80}}+>)(?=\w)"), _nothing),
    ("<", re.compile(r"<!--|-->|<\|[^|<>]{0,40}+\|>|</?[A-Za-z][^<>\n]{0,200}+>"), _tag),
    ("*/#>", re.compile(r"/\*++|(?<!\*)\*++/|^[ \t]*+(?://|#{1,6}(?= )|>|--(?= ))|-->", re.M), _space),
    ("*~`", re.compile(r"\*\*+|~~+|`+|(?<=[A-Za-z])\*(?=[A-Za-z])"), _nothing),
    ("*", re.compile(r"\*"), _space),
    ("_", re.compile(r"\S++"), _spaces),
    (None, re.compile(r"(?<![\w'])[A-Za-z0-9](?>(?: {1,3}[A-Za-z0-9/.:@-](?![A-Za-z0-9'])){3,})"), _joined),
    ("-", re.compile(r"(?<![\w-])[A-Za-z](?>(?:-[A-Za-z]){3,})(?![\w-])"), _without_hyphens),
    # a line's end within a form is a space; before a line that is labelled, or empty, it stays
    ("\n", re.compile(r"(?<=\d)-\s*\n\s*(?=\d)"), _hyphen),
    ("\n", re.compile(r"[^\S\n]*+\n[^\S\n]*+(?=[^\s:])(?![A-Z][\w ]{1,30}+:)"), _space),
    (None, re.compile(r"[^\S\n]{2,}+|\t"), _space),
)  # fmt: skip
