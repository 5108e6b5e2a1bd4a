"""Questions and answers: what is said to a model, and how what it says is read.

Rendering and parsing of one thing stand side by side, and metric and reward use the same parser. Boxes stand in the
neutral markup of ``box_formats``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from unveil.core.aligned import Aligned, Span, joined
from unveil.core.assertions import Claim, Clause, claims, conclusion, content, read, verdict
from unveil.core.box_formats import MARKUP, BoxFormat, View, mark
from unveil.core.chinese import said_again, said_first
from unveil.core.choices import read_choice
from unveil.core.dialects import answer_text, heard
from unveil.core.geometry import Box
from unveil.core.grounding import (
    affirmed,
    boxes_of,
    first_lines,
    grounded,
    in_order,
    labels,
    listed,
    of_boxes,
    of_pairs,
    once,
    unknown,
    where,
    without_boxes,
)
from unveil.core.names import Names, normal, spelled
from unveil.core.negation import STANDS_ALONE, TO_SUBJECT
from unveil.core.records import Finding, Kind

# ---------------------------------------------------------------------------------------------- text from outside

_CONTROL = re.compile(
    r"<\|[^|<>]*\|>|\[/?INST\]|<</?SYS>>|</?(?:image\w*|img\w*|video\w*|box|ref|quad|s|bos|eos|unk|pad|loc\d+|seg\d+|b\d+"
    r"|tool_\w+|function_?\w*"
    r"|(?:start|end)_of_\w+)\b[^<>]*>",
    re.I,
)
#: Look-alikes of the signs that control tokens are made of: full width, small, mathematical, typographic.
_ALIKE = str.maketrans(
    {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | dict.fromkeys(map(ord, "\u2039\u2329\u27e8\u3008\ufe64\u276e\u29fc"), "<")
    | dict.fromkeys(map(ord, "\u203a\u232a\u27e9\u3009\ufe65\u276f\u29fd"), ">")
    | dict.fromkeys(map(ord, "\u00a6\u2223\u2502\u2503\u2758\u2759\u275a\u01c0\uffe8"), "|")
    | dict.fromkeys(map(ord, "\u2215\u2044"), "/")
)
# without a width, but not of the categories below: joiners, fillers, variation selectors
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def clean(text: str) -> str:
    """Text from outside (a report, a question, a label) as data: no control tokens, no invisible characters.

    Chat-template and image tokens are removed in any case and also when split by zero-width characters or written with
    look-alikes of their signs, such as full-width ones. All other text stays as it is written.
    """
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs"))
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    while tokens := [found.span() for found in _CONTROL.finditer(text.translate(_ALIKE))]:
        ends = [0, *(end for _, end in tokens)]
        text = " ".join(text[end:start] for end, (start, _) in zip(ends, [*tokens, (len(text), 0)], strict=True))
    return re.sub(r"[ \t]+", " ", text).strip()


def clean_answer(text: str) -> str:
    """As ``clean``, for an answer in neutral markup, whose boxes are kept."""
    boxes: list[str] = []

    def out(found: re.Match[str]) -> str:
        boxes.append(found[0])
        return f"\u27e6{len(boxes) - 1}\u27e7"

    inside = clean(MARKUP.pattern.sub(out, text.replace("\u27e6", "").replace("\u27e7", "")))
    return re.sub("\u27e6(\\d+)\u27e7", lambda found: boxes[int(found[1])], inside)


# -------------------------------------------------------------------------------------------------- writing an answer

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


def write_grounding(findings: Sequence[Finding]) -> str:
    """Where a phrase is seen, given all of the image's findings of that phrase; the places as in other answers from
    left to right, top to bottom, and each once."""
    return "; ".join(dict.fromkeys(map(mark, sorted(f.box for f in findings if f.box)))) + "."


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


@dataclass  # to be frozen would cost a million of them four times as long
class Parsed:
    """What an answer says. ``status`` is "unparsable" when nothing that was asked for can be read from it.

    ``findings`` pairs name and box in the order given; either is None where the answer gave only the other. The rest
    is where it says so in its text: ``named_at`` each name as often as it gives it, ``boxes_at`` all of its boxes,
    malformed ones too, ``findings_at`` where the name (at first) and the box of each finding stand, and ``places_end``
    the heading behind the places of a diagnosis, None where none follows. ``choice`` is the chosen option, from 0 on.
    """

    status: Literal["ok", "unparsable"]
    abnormal: bool | None = None
    findings: tuple[tuple[str | None, Box | None], ...] = ()
    malformed: int = 0
    named_at: tuple[tuple[str, Span], ...] = field(default=(), compare=False)
    boxes_at: tuple[Span, ...] = field(default=(), compare=False)
    findings_at: tuple[tuple[Span | None, Span | None], ...] = field(default=(), compare=False)
    places_end: int | None = field(default=None, compare=False)
    choice: int | None = None

    @property
    def boxes(self) -> list[Box]:
        return [b for _, b in self.findings if b is not None]

    @property
    def labels(self) -> list[str]:
        return [n for n, _ in self.findings if n is not None]

    def places_of(self, name: str) -> list[Span]:
        """Where the words that give a name stand."""
        return [span for said, span in self.named_at if said == name]


def parse(
    kind: Kind,
    text: str,
    view: View,
    vocabulary: Sequence[str] = (),
    target: str | None = None,
    choices: Sequence[str] = (),
) -> Parsed:
    """Reads a model's answer to a question of ``kind``.

    ``vocabulary`` holds the names of the data set. An answer may give them inside a longer phrase; a name that it
    denies it does not give. ``target`` is the label that a localisation question asks for: to deny another one is no
    answer to that. ``choices`` are the options, in their order. Text that gives nothing of what was asked, or
    contradicts itself, is "unparsable", which is an outcome of its own and not a wrong answer.
    """
    if kind == "choice":
        chosen = read_choice(answer_text(text, view.box_format), choices)
        return Parsed("unparsable" if chosen is None else "ok", choice=chosen)
    if kind in ("closed", "open", "report"):
        return Parsed("ok" if answer_text(text, view.box_format).strip() else "unparsable")
    if kind in ("detection", "recognition"):
        return _parse_words(kind, text, view.box_format, _names(tuple(vocabulary)))
    whole = heard(text, kind, view.box_format)
    if kind == "diagnosis":
        return _parse_diagnosis(whole, view, _names(tuple(vocabulary)))
    return _parse_places(whole, view, vocabulary, target if kind == "localisation" else None)


@lru_cache(maxsize=256)
def _names(vocabulary: tuple[str, ...]) -> Names:
    """A label that in itself says that nothing is there ("Normal", "No finding") is no name of a finding."""
    return Names([name for name in vocabulary if not says_nothing(name)])


@lru_cache(maxsize=1 << 16)
def says_nothing(label: str) -> bool:
    """Whether a label denies all and names nothing."""
    said = claims(read(normal(label), Names(())))
    return verdict(said) is False and all(claim.sweeping for claim in said)


def name_of(label: str, vocabulary: Sequence[str]) -> str:
    """A label in the form in which answers are read: itself if it is known, else the longest known name in it."""
    return _name_of(label, tuple(vocabulary))


@lru_cache(maxsize=1 << 14)  # a data set has few labels, and each answer is set beside some of them
def _name_of(label: str, vocabulary: tuple[str, ...]) -> str:
    names = _names(vocabulary)
    inside = [] if normal(label) in names.known else affirmed(claims(read(label, names)))
    return max((said.name for said in inside), key=len, default=normal(label))


def refuses(text: str, label: str, vocabulary: Sequence[str]) -> bool:
    """Whether an answer says that a label is nowhere in the image, by a name that holds it or in general."""
    names = _names(tuple(vocabulary))
    if normal(label) not in names.known:
        names = _names((*vocabulary, label))
    clauses = [clause for sentence in read(text, names) for clause in sentence.clauses]
    about = [claim for clause in clauses for claim in clause.claims if _is_about(claim, clause, text, label, names)]
    return verdict(about) is False


_ORGANS = {"lungs", "fields", "chest"}  # "The lungs are clear." leaves nothing out
_DEGREES = {"definite", "obvious", "significant", "acute", "new", "focal", "visible", "apparent", "clear", "evident"}
_BEFORE = re.compile(r"([^\W\d_][\w-]*+)\s++\Z")


def _is_about(claim: Claim, clause: Clause, text: str, label: str, names: Names) -> bool:
    """Whether a claim is one about a label: of its name, of a name that stands in it, or of all of the image."""
    own = set(re.findall(r"[^\W_]+", normal(label)))
    if claim.name is None:
        words = content(text[clause.start : clause.end], names)
        return claim.affirmed or claim.sweeping or (bool(words) and (words <= _ORGANS or words == own))
    if claim.name == normal(label):
        return True
    before = _BEFORE.search(text[max(clause.start, claim.start - 40) : claim.start])
    narrowed = before and content(before[1], names) - own - _DEGREES - {"or", "and", "of", "for"}
    return not narrowed and spelled(names.known[claim.name]).search(label) is not None


_WHOLE = r"(?![\w]|-\w|\.\s*\d)"  # "no. 3" is a number
_ANSWER = re.compile(
    rf"(?<![\w-])(?:yes{_WHOLE}|no{_WHOLE}(?:{STANDS_ALONE}|{TO_SUBJECT}))|\A\W*(?:true|false|y|n)\W*\Z", re.I
)
_NO = re.compile(rf"(?<![\w-])no{_WHOLE}", re.I)


@lru_cache(maxsize=1 << 12)
def yes_or_no_alone(text: str) -> bool | None:
    """True for an answer that is yes and nothing else, False for no, None for any other."""
    alone = re.sub(r"\W", "", text).casefold()
    return {"yes": True, "no": False}.get(alone, said_first(alone))


@lru_cache(maxsize=1 << 12)
def yes_no(text: str) -> bool | None:
    """True for yes, False for no, None if neither is said, or both ("abnormal" is neither).

    A no that does not stand alone counts where there is no yes: "Yes, there is no effusion.".
    """
    if (said_in_chinese := said_first(text)) is not None:
        return said_in_chinese
    words = _ANSWER.findall(text) or _NO.findall(text)
    said = {re.sub(r"\W", "", word).lower() in ("yes", "y", "true") for word in words}
    return said.pop() if len(said) == 1 else None


def says_yes(question: str, text: str, vocabulary: Sequence[str] = ()) -> bool | None:
    """Whether an answer to a yes-or-no question says yes; None if it says neither, or both.

    Without such a word an answer says yes where it claims what the question asks for ("Is the image
    normal?" "There is no abnormality."), and no where it denies that. A question that denies something which is no
    known name ("Is the nodule not calcified?") is answered by such a word only.
    """
    if _ANSWER.search(text) or said_first(text) is not None:
        return yes_no(text)
    said = said_again(question, text)
    return _agrees(question, text, tuple(vocabulary)) if said is None else said


@lru_cache(maxsize=1 << 12)
def _agrees(question: str, text: str, vocabulary: tuple[str, ...]) -> bool | None:
    names = _names(vocabulary)
    sentences, words = read(question.replace("?", "."), names), content(question, names)
    asked = claims(sentences)
    if any(one.denies for one in sentences) and all(claim.name and claim.affirmed for claim in asked):
        return None
    things = {normal(word): True for word in words} | {claim.name: claim.affirmed for claim in asked if claim.name}
    said = {claim.name: claim.affirmed for claim in claims(read(text, Names(sorted(things)))) if claim.name}
    wanted, given = verdict(asked), verdict(claims(read(text, names)))
    if any(claim.name is None for claim in asked):  # whether something is normal, or abnormal
        if given is not None and (words <= said.keys() or not content(text, names)):
            return (given and all(said.values())) is wanted
    elif things and things.keys() <= said.keys():
        return all(said[thing] is wanted for thing, wanted in things.items())
    elif wanted and all(refuses(text, claim.name, vocabulary) for claim in asked if claim.name):
        return False  # "There is no effusion." of a pleural one; "There is not.", "Normal."
    return None


@lru_cache(maxsize=1 << 12)  # most answers of few words come again
def _parse_words(kind: Kind, text: str, box_format: BoxFormat, names: Names) -> Parsed:
    whole = heard(text, kind, box_format)
    return (_parse_detection if kind == "detection" else _parse_recognition)(whole, box_format, names)


def _parse_detection(text: Aligned, box_format: BoxFormat, names: Names) -> Parsed:
    abnormal = conclusion(read(without_boxes(text, box_format).text, names))
    return Parsed("unparsable" if abnormal is None else "ok", abnormal)


def _parse_places(text: Aligned, view: View, vocabulary: Sequence[str], target: str | None) -> Parsed:
    if boxes := boxes_of(text, view):
        pairs = in_order([], boxes)
        return Parsed("ok" if pairs else "unparsable", True, **of_boxes(boxes), **of_pairs(pairs, text))
    if target is None:
        denied = conclusion(read(text.text, _names(tuple(vocabulary)))) is False
    else:
        denied = refuses(text.text, name_of(target, vocabulary), vocabulary)
    return Parsed("ok", False) if denied else Parsed("unparsable")


def _parse_recognition(text: Aligned, box_format: BoxFormat, names: Names) -> Parsed:
    given = joined("; ", (label for _, label in labels(text)))
    text = given if given.text else without_boxes(text, box_format)
    sentences = read(text.text, names)
    abnormal, found = conclusion(sentences), claims(sentences)
    if abnormal is False:
        return Parsed("ok", False)
    said = affirmed(found) if abnormal else []
    if not said:
        said = unknown(text.text, sentences if verdict(found) is False else sentences[:1])
    pairs = in_order(said, [])
    at = where(pairs, text)
    return Parsed("ok" if said else "unparsable", True if said else None, **of_pairs(pairs, text), named_at=at)


_SECTION = re.compile(r"(detection|locali[sz]ation|recognition)[\s*_]{0,4}:[\s*_]*", re.I)


def _parse_diagnosis(text: Aligned, view: View, names: Names) -> Parsed:
    found = names.find(text.text) if names.with_colon else []  # no other one reaches over a heading
    named = {at for start, end, _ in found for at in range(start, end)}
    headings = [h for h in _SECTION.finditer(text.text) if not {h.start(), h.end() - 1} <= named]
    if not headings:
        return _parse_free(text, view, names)
    ends = [*(heading.start() for heading in headings[1:]), len(text.text)]
    steps = [heading[1].lower().replace("z", "s") for heading in headings]
    sections = {step: text.part(h.end(), end) for step, h, end in zip(steps, headings, ends, strict=True)}
    nothing = text.part(0, 0)
    what = first_lines(sections.get("recognition", nothing))
    boxes = boxes_of(sections.get("localisation", nothing), view)
    pairs = in_order(listed(what.text, names, len(boxes)), boxes)
    seen = read(sections.get("detection", nothing).text, names)
    abnormal = conclusion(seen)
    if abnormal is None:
        abnormal = True if pairs else conclusion([*seen, *read(what.text, names)])
    behind = dict(zip(steps, ends, strict=True)).get("localisation", len(text.text))
    return Parsed(
        "unparsable" if abnormal is None else "ok",
        abnormal,
        **of_boxes(boxes),
        **of_pairs(pairs, what),
        named_at=where(pairs, what),
        places_end=text.starts[behind] if behind < len(text.text) else None,
    )


def _parse_free(text: Aligned, view: View, names: Names) -> Parsed:
    """An answer without the three steps."""
    said = grounded(text, view, names)
    pairs = once(said)
    abnormal = True if pairs else conclusion(read(without_boxes(text, view.box_format).text, names))
    return Parsed(
        "unparsable" if abnormal is None else "ok",
        abnormal,
        **of_boxes(boxes_of(text, view)),
        **of_pairs(pairs, text),
        named_at=where(said, text),
    )
