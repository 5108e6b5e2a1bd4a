"""Names and boxes that an answer gives, where it says them, and which of them belong together.

Models write them as grounding JSON (``{"bbox_2d": [...], "label": "nodule"}``), in tags of their own
(``<ref>nodule</ref><box>[[...]]</box>``), or next to each other in prose. Spans are those of the text that a function
is given.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import Any, NamedTuple

from unveil.core.aligned import Aligned, Span, joined
from unveil.core.assertions import Claim, Sentence, claims, read, unread, verdict
from unveil.core.box_formats import BoxFormat, View, boxes_in, written
from unveil.core.geometry import Box
from unveil.core.names import Names, normal


class Mention(NamedTuple):
    """A name that is claimed to be there, and where its words stand."""

    name: str
    spans: tuple[Span, ...]


class PlacedBox(NamedTuple):
    """A box that an answer gives, None if it is malformed, and where it stands in the answer."""

    box: Box | None
    span: Span


Pair = tuple[Mention | None, PlacedBox | None]

# --------------------------------------------------------------------------------------------------------------- names


def affirmed(found: Iterable[Claim]) -> list[Mention]:
    """The names that are claimed to be there, each once, with all places where they are."""
    spans: dict[str, list[Span]] = {}
    for claim in found:
        if claim.name and claim.affirmed:
            spans.setdefault(claim.name, []).append((claim.start, claim.end))
    return [Mention(name, tuple(at)) for name, at in spans.items()]


def listed(text: str, names: Names, boxes: int = 0) -> list[Mention | None]:
    """The names of a list in order, one or more in each of its parts.

    A part that says nothing ("?") is None: the others keep their place. One that denies something names nothing, and is
    None only where there are as many ``boxes`` then; and where there are as many as parts between commas, these count.
    """
    parts = _parts(text, names)
    ways = [[name for part in parts for name in part], [name for part in parts for name in part or [None]]]
    if boxes and boxes not in map(len, ways):
        apart = Aligned.of(text).sub(_AND, lambda sign: "; ")
        ways.append([moved(name, apart) for part in _parts(apart.text, names) for name in part or [None]])
    return next((way for way in ways if len(way) == boxes), ways[0])


def moved(said: Mention | None, text: Aligned) -> Mention | None:
    """A name with its spans in the text that ``text`` was made from."""
    return said and Mention(said.name, tuple(text.span(*span) for span in said.spans))


_AND = re.compile(r"(?:,(?:\s*and(?!\w))?|(?<=\s)and(?!\w))(?![^()]{0,200}\))")


def _parts(text: str, names: Names) -> list[list[Mention | None]]:
    """The names in each part of a list that is not empty; none where it denies."""
    found: list[list[Mention | None]] = []
    part: list[Sentence] = []
    for sentence in read(text, names):
        part.append(sentence)
        if sentence.sign in (";", "\n", ""):
            named: list[Mention | None] = [*(affirmed(claims(part)) or unknown(text, part))]
            silent = not named and not claims(part) and not any(one.denies for one in part)
            if text[part[0].start : part[-1].end].strip():
                found.append([None] if silent else named)
            part = []
    return found


_LEAD = re.compile(r"\A\s*+(?:(?:[-*\u2022]|\d{1,2}[.)])\s)?\s*+(?:an?\s)?", re.I)
_BULLET = re.compile(r"\A\s*+(?:[-*\u2022]|\d{1,2}[.)])\s")


def first_lines(text: Aligned) -> Aligned:
    """The first line of a text, or all lines of the list that it begins."""
    lines = [text.part(*line.span()) for line in _LINE.finditer(text.text) if line[0].strip()]
    return joined("\n", [*lines[:1], *(line for line in lines[1:] if _BULLET.match(line.text))])


_LINE = re.compile(r"[^\n]+")


def unknown(text: str, sentences: Sequence[Sentence]) -> list[Mention]:
    """The name that sentences of a text give in words that the vocabulary lacks: these words, without a bracket's.

    Where all that is known is denied, the clauses of which nothing is known name something; none do that in doubt.
    """
    said = verdict(claims(sentences))
    if any(one.silent for one in sentences) or (claims(sentences) and said is None):
        return []
    parts = [(sentences[0].start, sentences[-1].end)]
    if said is False:
        parts = [(one.start, one.end) for one in unread(sentences)]
    names = [normal(_LEAD.sub("", re.sub(r"\([^()]*+\)", " ", text[start:end]), count=1)) for start, end in parts]
    return [Mention(name, (part,)) for name, part in zip(names, parts, strict=True) if re.search(r"\w", name)]


# --------------------------------------------------------------------------------------------------------------- pairs


def in_order(names: Sequence[Mention | None], boxes: Sequence[PlacedBox | None]) -> tuple[Pair, ...]:
    """Names and boxes in the order given; what is neither (a malformed box without a name) is left out."""
    return tuple(pair for pair in zip_longest(names, boxes) if pair[0] or _box(pair))


def _box(pair: Pair) -> Box | None:
    return pair[1].box if pair[1] else None


def of_boxes(boxes: Sequence[PlacedBox]) -> dict[str, Any]:
    """What is told of all boxes of an answer (``answers.Parsed``)."""
    return {"malformed": sum(one.box is None for one in boxes), "boxes_at": tuple(one.span for one in boxes)}


def of_pairs(pairs: Sequence[Pair], text: Aligned) -> dict[str, Any]:
    """What is told of its findings, whose names stand in ``text``, which is made from it."""
    names = (moved(pair[0], text) for pair in pairs)
    boxes = (pair[1].span if pair[1] and pair[1].box else None for pair in pairs)
    return {
        "findings": tuple((pair[0] and pair[0].name, _box(pair)) for pair in pairs),
        "findings_at": tuple((said and said.spans[0], box) for said, box in zip(names, boxes, strict=True)),
    }


def where(pairs: Sequence[Pair], text: Aligned) -> tuple[tuple[str, Span], ...]:
    """Where the names of a text stand in the one that it was made from, from left to right, each place once."""
    at = {(said.name, span) for name, _ in pairs if (said := moved(name, text)) for span in said.spans}
    return tuple(sorted(at, key=lambda one: one[::-1]))


def boxes_of(text: Aligned, view: View) -> list[PlacedBox]:
    """All boxes of a text, and where they stand in the one that it was made from."""
    return [drawn for _, drawn in _drawn(text, view)]


def _drawn(text: Aligned, view: View) -> list[tuple[int, PlacedBox]]:
    """The same, and where each begins in the text itself."""
    found = [one for place in written(text.text, view.box_format) for one in place]
    return [(one.start, PlacedBox(view.box(one), text.span(one.start, one.end))) for one in found]


def without_boxes(text: Aligned, box_format: BoxFormat) -> Aligned:
    """The text with blanks for its boxes: their brackets and commas are none of its sentences'."""
    letters = list(text.text)
    for start, end in boxes_in(text.text, box_format):
        letters[start:end] = " " * (end - start)
    return Aligned("".join(letters), text.starts, text.ends)


_LABEL = re.compile(
    r"[\"'](?:label|name|class|category|finding)[\"']\s*+:\s*+"
    r"(?:(\"(?>(?:[^\"\\]|\\[\"\\/bfnrt]|\\u[0-9a-fA-F]{4})*)\")|'([^'\\]*+)')",
    re.I,
)
_OBJECT = re.compile(r"\{[^{}]*+(?:\}|\Z)")
_TAGGED = re.compile(
    r"<ref>([^<]{0,200}+)</ref>|<\|(?:object_ref_start|ref)\|>([^<]{0,200}+)<\|(?:object_ref_end|/ref)\|>"
)


def labels(text: Aligned) -> list[tuple[int, Aligned]]:
    """The labels of JSON, also of JSON that is cut or stands in prose, and where their keys begin."""
    return [(one.start(), _value(text, one)) for one in _LABEL.finditer(text.text)]


def _value(text: Aligned, found: re.Match[str]) -> Aligned:
    if not found[1]:
        return text.part(*found.span(2))
    start, end = found.span(1)
    return text.rewritten(start + 1, end - 1, json.loads(found[1], strict=False))


_NO_BOX = re.compile(
    r"[\"'](?:bbox|bbox_2d|box|box_2d|boxes|bounding_box)[\"']\s*+:\s*+\[\s*+(?:\[\s*+\]\s*+)?\]", re.I
)


def without_empty(text: Aligned) -> Aligned:
    """A text whose JSON objects with a label and an empty list of boxes are the denials that they mean."""

    if not _NO_BOX.search(text.text):
        return text

    def said(found: re.Match[str]) -> str:
        label = labels(Aligned.of(found[0]))
        return f"no {label[0][1].text};" if label and _NO_BOX.search(found[0]) else found[0]

    return text.sub(_OBJECT, said)


def grounded(whole: Aligned, view: View, names: Names) -> list[Pair]:
    """What an answer of free form names and where, in its order; either is None where only the other is given.

    A name may stand there twice, with a place and without (``once``).
    """
    text, boxes = whole.text, list[_Item](_drawn(whole, view))
    if said := labels(Aligned.of(text)):
        items = [claim for start, label in said for claim in _labelled(label, start, names)]
        groups = _by_object(text, sorted([*items, *boxes], key=itemgetter(0)))
    else:
        groups = _by_sentence(text, read(without_boxes(Aligned.of(text), view.box_format).text, names), boxes, names)
    return [pair for group in groups for pair in _neighbours(group)]


def once(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs in which a name without a place stands once, and only if it has none elsewhere."""
    kept: list[Pair] = []
    known = {pair[0] and pair[0].name for pair in pairs if _box(pair)}
    for pair in pairs:
        name = pair[0] and pair[0].name
        if _box(pair) or name not in known:
            kept.append(pair)
            known.add(name)
    return kept


_Item = tuple[int, Claim | PlacedBox]


def _labelled(label: Aligned, start: int, names: Names) -> list[_Item]:
    """The names of a label, else the label itself, denied; all of them stand where the label begins."""
    found = [moved(said, label) for said in listed(label.text, names)]
    said = [Claim(one.name, True, *span) for one in found if one for span in one.spans]
    return [(start, claim) for claim in said or [Claim(normal(label.text), False, start, start)]]


def _by_sentence(text: str, sentences: Sequence[Sentence], boxes: list[_Item], names: Names) -> list[list[_Item]]:
    """Names and boxes of prose; a sentence that has both in the other order than those before it begins a new group.

    What is denied has the boxes of its own words, and no others: they are left out with it.
    """
    said = [(claim.start, claim) for claim in claims(sentences) if claim.name]
    items: list[_Item] = [(start, claim) for start, claim in said if claim.affirmed]
    starts = {start for start, _ in said}
    for tag in _TAGGED.finditer(text):
        if starts.isdisjoint(range(*tag.span())):  # no known name
            inside = tag.span(1) if tag[1] else tag.span(2) if tag[2] else (0, 0)
            items += _labelled(Aligned.of(text).part(*inside), tag.start(), names)
    denied = [span for sentence in sentences for span in _denied(text, sentence)]
    items += [box for box in boxes if not any(start <= box[0] < end for start, end in denied)]
    items.sort(key=itemgetter(0))
    groups: list[list[_Item]] = [[]]
    ends = [sentence.end for sentence in sentences]
    for _, one in groupby(items, key=lambda item: bisect_right(ends, item[0])):
        group = list(one)
        kinds = [isinstance(said, Claim) for _, said in group]
        if groups[-1] and len(set(kinds)) == 2 and kinds[0] is not isinstance(groups[-1][0][1], Claim):
            groups.append([])
        groups[-1] += group
    return groups


def _denied(text: str, sentence: Sentence) -> list[tuple[int, int]]:
    """From where to where a sentence only denies names; a clause that says nothing ("at [...]") goes with the last.

    Behind a name it may go on about that one: "a nodule, not a cyst, at [...]".
    """
    spans, denied, named = [], False, False
    for clause in sentence.clauses:
        if clause.claims or clause.unread:
            affirms = any(claim.affirmed for claim in clause.claims)
            denied, named = any(claim.name for claim in clause.claims) and not affirms, named or affirms
        if denied:
            aside = text.find(",", clause.claims[-1].start, clause.end) if named and clause.claims else -1
            spans.append((clause.start, aside if aside >= 0 else clause.end))
    return spans


def _by_object(text: str, items: list[_Item]) -> list[list[_Item]]:
    """Names and boxes of one JSON object together, and all others."""
    spans = [found.span() for found in _OBJECT.finditer(text)]
    starts = [start for start, _ in spans]
    groups: dict[int, list[_Item]] = {}
    for item in items:
        at = bisect_right(starts, item[0]) - 1
        groups.setdefault(at if at >= 0 and item[0] < spans[at][1] else -1, []).append(item)
    rest = groups.pop(-1, [])
    whole: list[list[_Item]] = []
    for group in groups.values():
        if len({isinstance(said, Claim) for _, said in group}) == 2:
            whole.append(group)
        else:
            rest += group
    return sorted([*whole, sorted(rest, key=itemgetter(0))] if rest else whole, key=lambda group: group[0][0])


def _neighbours(items: Sequence[_Item]) -> list[Pair]:
    """Where the first box stands before the first name, boxes belong to the names behind them, else to those before."""
    runs = [[said for _, said in run] for _, run in groupby(items, key=lambda item: isinstance(item[1], Claim))]
    first = bool(items) and not isinstance(items[0][1], Claim)
    pairs: list[Pair] = []
    for one, next_one in zip_longest(runs[::2], runs[1::2], fillvalue=()):
        both = [*one, *next_one]
        named = [said for said in both if isinstance(said, Claim)]
        pairs += _side_by_side(named, [said for said in both if not isinstance(said, Claim)], first)
    return pairs


def _side_by_side(named: Sequence[Claim], boxes: Sequence[PlacedBox], first: bool) -> Sequence[Pair]:
    """One name has all boxes of its run; of more names than boxes the nearest have them; what is denied has none."""
    said = affirmed(named)
    if named and not said:
        return ()
    if len(said) == 1:
        said *= max(1, len(boxes))
    spare: list[PlacedBox | None] = [None] * (len(said) - len(boxes))
    return in_order(said, [*boxes, *spare] if first else [*spare, *boxes])
