"""Questions and answers: what is said to a model, and how what it says is read.

Rendering and parsing of one thing stand side by side, and metric and reward use the same parser. Boxes stand in the
neutral markup of ``syntax``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from unveil.geometry import Box
from unveil.records import Finding, Kind
from unveil.syntax import MARKUP, View, mark

# ---------------------------------------------------------------------------------------------- text from outside

_CONTROL = re.compile(
    r"<\|[^|<>]*\|>|\[/?INST\]|<</?SYS>>|</?(?:image\w*|img\w*|video\w*|box|ref|quad|s|bos|eos|unk|pad|loc\d+|seg\d+|b\d+"
    r"|(?:start|end)_of_\w+)\b[^<>]*>",
    re.I,
)
# without a width, but not of the categories below: joiners, fillers, variation selectors
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def clean(text: str) -> str:
    """Text from outside (a report, a question, a label) as data: no control tokens, no invisible characters.

    Chat-template and image tokens are removed in any case and also when split by zero-width characters.
    """
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs"))
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    while (shorter := _CONTROL.sub(" ", text)) != text:
        text = shorter
    return re.sub(r"[ \t]+", " ", text).strip()


def clean_answer(text: str) -> str:
    """As ``clean``, for an answer in neutral markup, whose boxes are kept."""
    boxes: list[str] = []

    def out(found: re.Match[str]) -> str:
        boxes.append(found[0])
        return f"\u27e6{len(boxes) - 1}\u27e7"

    inside = clean(MARKUP.pattern.sub(out, text.replace("\u27e6", "").replace("\u27e7", "")))
    return re.sub("\u27e6(\\d+)\u27e7", lambda found: boxes[int(found[1])], inside)


def normal(text: str) -> str:
    """A name for comparison: lower case, single spaces, also for underscore and hyphen, no punctuation at the ends."""
    return re.sub(r"[\s_-]+", " ", text).strip(" .,;:()[]\"'").lower()


# ------------------------------------------------------------------------------------------ questions about findings

#: Question wordings by kind. The first one is always used for validation and test.
QUESTIONS: dict[Kind, tuple[str, ...]] = {
    "detection": (
        "Is anything abnormal in this image?",
        "Does this image show an abnormality?",
        "Do you see anything abnormal?",
    ),
    "localisation": ("Where is the {}?", "Point at the {}.", "Locate the {}."),
    "recognition": ("What is in this region: {}?", "What does the region {} show?", "Name the finding at {}."),
    "diagnosis": (
        "Give the diagnosis: detection, localisation, recognition.",
        "Examine the image in three steps: detection, localisation, recognition.",
        "Detect, localise and name what is abnormal.",
    ),
}


def asked_about(kind: Kind, question: str) -> str | None:
    """What a question of this kind, in one of the wordings above, is about ("" for a whole image); None if it is none.

    The inverse of filling in a wording.
    """
    for form in QUESTIONS.get(kind, ()):
        before, _, after = form.partition("{}")
        text = question.strip()
        if "{}" not in form and text == form:
            return ""
        if "{}" in form and text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after):
            return text[len(before) : len(text) - len(after)]
    return None


#: Added to the question for models that have not been taught the answer's form yet (``models.Profile.hint``).
HINTS: dict[Kind, str] = {
    "detection": "Answer yes or no.",
    "localisation": "Answer with one bounding box for each, such as {box}, or with: None.",
    "recognition": "Answer with its name only.",
    "diagnosis": (
        "Answer in three lines. Detection: abnormal or normal. Localisation: one bounding box for each abnormality, "
        "such as {box}, separated by semicolons. Recognition: their names in the same order, separated by semicolons."
    ),
    "closed": "Answer with a single word or phrase.",
    "open": "Answer briefly.",
}

#: Attributes that answers give as the reason for a name; a record may know more.
REASONS = ("shape", "edge")
NOTHING = "Nothing abnormal."


def place(finding: Finding) -> str:
    """`` in the right lung``, as far as it is known, else nothing."""
    words = [finding.attributes.get(k, "") for k in ("side", "body_part")]
    return f" in the {' '.join(filter(None, words))}" if words[1] else ""


def reason(finding: Finding) -> str:
    """`` (round, sharp edge)``: why it is what it is, as far as it is known."""
    words = [finding.attributes[k] for k in REASONS if finding.attributes.get(k)]
    return f" ({', '.join(words)})" if words else ""


def write_detection(findings: Sequence[Finding]) -> str:
    return "Yes." if findings else "No."


def write_localisation(findings: Sequence[Finding], label: str) -> str:
    """Where the findings of one label are, given all of the image's boxed findings of that label."""
    if not findings:
        return f"There is no {label}."
    return "; ".join(mark(f.box) + place(f) for f in findings if f.box) + "."


def write_recognition(finding: Finding | None) -> str:
    return NOTHING if finding is None else f"{finding.label}{reason(finding)}."


def write_diagnosis(findings: Sequence[Finding]) -> str:
    """The three steps of UMed-LVLM (arXiv 2501.01377, section on MAU): detection, localisation, recognition."""
    if not findings:
        return "Detection: normal.\nLocalisation: none.\nRecognition: nothing abnormal."
    where = "; ".join(mark(f.box) + place(f) for f in findings if f.box)
    what = "; ".join(f.label + reason(f) for f in findings)
    return f"Detection: abnormal.\nLocalisation: {where}.\nRecognition: {what}."


# -------------------------------------------------------------------------------------------------- reading an answer


@dataclass(frozen=True)
class Parsed:
    """What an answer says. ``status`` is "unparsable" when nothing that was asked for can be read from it.

    ``findings`` pairs name and box in the order given; either is None where the answer gave only the other.
    """

    status: Literal["ok", "unparsable"]
    abnormal: bool | None = None
    findings: tuple[tuple[str | None, Box | None], ...] = ()
    malformed: int = 0

    @property
    def boxes(self) -> list[Box]:
        return [b for _, b in self.findings if b is not None]

    @property
    def labels(self) -> list[str]:
        return [n for n, _ in self.findings if n is not None]


def yes_no(text: str) -> bool | None:
    """True for yes, False for no, None if neither or both stand in the text as words ("abnormal" is neither)."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    return None if ("yes" in words) == ("no" in words) else "yes" in words


def name_of(text: str, vocabulary: Sequence[str]) -> str:
    """The name that a piece of answer gives: the longest known name that stands in it, else the words themselves."""
    text = normal(re.sub(r"\(.*?\)", " ", text))
    known = [name for name in map(normal, vocabulary) if re.search(rf"\b{re.escape(name)}\b", text)]
    return max(known, key=len) if known else text


_SECTION = re.compile(r"(detection|locali[sz]ation|recognition)\s*:\s*", re.I)
_CLAUSE = re.compile(r"[.;:!?](?!\d)|\b(?:but|however|although)\b")
_DENIAL = re.compile(r"\b(?:no|not|without|neither|nor|absence of|free of|negative for)\b")
_JSON_LABEL = re.compile(r'"label"\s*:\s*("(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")')
_NONE = re.compile(r"\b(?:no|none|nothing|not|normal)\b", re.I)


def parse(kind: Kind, text: str, view: View, vocabulary: Sequence[str] = ()) -> Parsed:
    """Reads a model's answer to a question of ``kind``.

    ``vocabulary`` holds the names of the data set; an answer may give them inside a longer phrase. Text that gives
    nothing of what was asked is "unparsable", which is an outcome of its own and not a wrong answer.
    """
    return _PARSERS[kind](text, view, vocabulary)


def _parse_detection(text: str, view: View, vocabulary: Sequence[str]) -> Parsed:
    answer = yes_no(text)
    return Parsed("unparsable" if answer is None else "ok", answer)


def _parse_localisation(text: str, view: View, vocabulary: Sequence[str]) -> Parsed:
    boxes, malformed = view.read(text)
    if boxes or malformed:
        return Parsed("ok" if boxes else "unparsable", True, tuple((None, b) for b in boxes), malformed)
    return Parsed("ok", False) if _NONE.search(text) else Parsed("unparsable")


def _parse_recognition(text: str, view: View, vocabulary: Sequence[str]) -> Parsed:
    first = re.split(r"[.\n;]", text, maxsplit=1)[0]
    if normal(first) == normal(NOTHING):
        return Parsed("ok", False)
    name = name_of(first, vocabulary)
    return Parsed("ok", True, ((name, None),)) if name else Parsed("unparsable")


def _parse_diagnosis(text: str, view: View, vocabulary: Sequence[str]) -> Parsed:
    pieces = _SECTION.split(text)
    sections = {h.lower().replace("z", "s"): body for h, body in zip(pieces[1::2], pieces[2::2], strict=True)}
    if not sections:
        return _parse_free(text, view, vocabulary)
    verdict = _verdict(sections.get("detection", ""))
    boxes = view.read_all(sections.get("localisation", ""))
    names = _names(sections.get("recognition", ""), vocabulary)
    pairs, malformed = _pairs(names, boxes), boxes.count(None)
    if verdict is None and not pairs:
        return Parsed("unparsable", malformed=malformed)
    return Parsed("ok", bool(pairs) if verdict is None else verdict, pairs, malformed)


def places_end(text: str) -> int | None:
    """From where in a diagnosis on no box counts any more: the heading behind its places; None if all of it counts."""
    headings = list(_SECTION.finditer(text))
    of_places = [i for i, heading in enumerate(headings) if heading[1].lower().startswith("local")]
    if not of_places or of_places[-1] + 1 == len(headings):
        return None
    return headings[of_places[-1] + 1].start()


def _verdict(text: str) -> bool | None:
    words = set(re.findall(r"[a-z]+", text.lower()))
    positive, negative = bool(words & {"abnormal", "yes"}), bool(words & {"normal", "no"})
    return None if positive == negative else positive


def _names(text: str, vocabulary: Sequence[str]) -> list[str]:
    text = re.sub(r"\(.*?\)", " ", text).split("\n")[0]
    names = [name_of(piece, vocabulary) for piece in text.split(";")]
    return [n for n in names if n and n not in ("nothing abnormal", "none", "no abnormality", "normal")]


def _pairs(names: Sequence[str], boxes: Sequence[Box | None]) -> tuple[tuple[str | None, Box | None], ...]:
    """Names and boxes in the order given; what is neither (a malformed box without a name) is left out."""
    return tuple(pair for pair in zip_longest(names, boxes) if pair != (None, None))


def _names_in_prose(text: str, vocabulary: Sequence[str]) -> list[str]:
    """Known names in order, each once, the longest of several in one place; none after a denial in its clause."""
    known = sorted({n for n in map(normal, vocabulary) if n}, key=len, reverse=True)
    found = []
    for clause in _CLAUSE.split(re.sub(r"[\s_-]+", " ", text.lower())):
        denial = _DENIAL.search(clause)
        asserted = clause[: denial.start()] if denial else clause
        if known:
            found += re.findall(rf"\b(?:{'|'.join(map(re.escape, known))})\b", asserted)
    return list(dict.fromkeys(found))


def _parse_free(text: str, view: View, vocabulary: Sequence[str]) -> Parsed:
    """An answer without the three steps: grounding JSON, or known names and boxes in prose."""
    boxes = view.read_all(text)
    malformed = boxes.count(None)
    labels = [json.loads(found[1], strict=False) for found in _JSON_LABEL.finditer(text)]
    names = [name_of(label, vocabulary) for label in labels] or _names_in_prose(text, vocabulary)
    if pairs := _pairs(names, boxes):
        return Parsed("ok", True, pairs, malformed)
    verdict = _verdict(text)
    return Parsed("unparsable" if verdict is None else "ok", verdict, malformed=malformed)


def _parse_words(text: str, view: View, vocabulary: Sequence[str]) -> Parsed:
    return Parsed("ok" if text.strip() else "unparsable")


_PARSERS: dict[Kind, Callable[[str, View, Sequence[str]], Parsed]] = {
    "detection": _parse_detection,
    "localisation": _parse_localisation,
    "recognition": _parse_recognition,
    "diagnosis": _parse_diagnosis,
    "closed": _parse_words,
    "open": _parse_words,
}
