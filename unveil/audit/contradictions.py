"""Whether the answers of a pair deserve their places: equal sides, right answers called worse, contradictions.

Each pair is counted under the first of these that holds: its sides are identical; they differ in nothing that means
anything; the better answer stands inside the worse one; both say the same when they are parsed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from unveil.audit.checks import SAME_BOX, AuditInput, Check, counted, same_boxes, tokens, unboxed
from unveil.core.answers import Parsed, parse
from unveil.core.box_formats import MARKUP, View
from unveil.core.geometry import ious
from unveil.core.jsonl import to_json
from unveil.core.records import Pair
from unveil.core.reported import in_english, reported
from unveil.core.wordings import asked_about

_CLAUSE = re.compile(r"[.;:!?](?!\d)|\b(?:but|however|although)\b")
_DENIAL = re.compile(r"\b(?:no|not|without|neither|nor|absence of|free of|negative for)$")
_REASON = re.compile(r"\((.*?)\)")
_SIDES = {"left", "right", "bilateral", "upper", "lower", "middle", "anterior", "posterior", "medial", "lateral"}
_VIEW = View(MARKUP, (10**6, 10**6), (10**6, 10**6))  # larger than any image: boxes are compared, not placed
PARSED = ("detection", "localisation", "recognition", "diagnosis", "grounding", "report", "choice")


def labels(material: AuditInput) -> list[Check]:
    """The checks of single answers, then those of pairs against one another."""
    alike = [pair for pair in material.pairs if not material.other(pair)]
    names = sorted({f.label for r in (material.records or {}).values() for f in r.findings})
    kinds: dict[str, list[str]] = {kind: [] for kind in ("identical", "near_identical", "gold", "same")}
    for pair in alike:
        if kind := fault(pair, names):
            kinds[kind].append(pair.id)
    parsed = [pair for pair in alike if _parsed(pair, names)]
    return [
        counted(
            "identical",
            "Identical sides",
            "The text and the picture of both sides are the same: nothing can be learnt from such pairs.",
            kinds["identical"],
            alike,
            material,
            "error",
        ),
        counted(
            "near_identical",
            "Nearly identical sides",
            f"The sides differ only in case, punctuation or white space, or by boxes with an IoU above {SAME_BOX}.",
            kinds["near_identical"],
            alike,
            material,
        ),
        counted(
            "gold_in_rejected",
            "Right answer inside the worse one",
            "The better answer stands word by word inside the worse one.",
            kinds["gold"],
            alike,
            material,
        ),
        counted(
            "same_meaning",
            "Both sides say the same",
            "Both sides give the same verdict, names and boxes when they are read as the scores read them.",
            kinds["same"],
            parsed,
            material,
        ),
        counted(
            "duplicate",
            "Repeated pairs",
            "The same picture, question and answers stand further up in the file.",
            duplicates(material),
            material.pairs,
            material,
        ),
        counted(
            "contradictory",
            "Contradicting pairs",
            "For the same picture and question another pair calls the better answer worse.",
            contradictory(alike, material),
            alike,
            material,
        ),
    ]


def fault(pair: Pair, names: Sequence[str] = ()) -> str | None:
    """What is wrong with a pair whose two sides look at one picture: the first that holds, if any."""
    if not pair.chosen.strip() or not pair.rejected.strip():
        return None  # refused as it stands
    if pair.chosen == pair.rejected:
        return "identical"
    (chosen, here), (rejected, there) = unboxed(pair.chosen), unboxed(pair.rejected)
    if tokens(chosen) == tokens(rejected) and same_boxes(here, there):
        return "near_identical"
    if stands_in(pair.chosen, pair.rejected):
        return "gold"
    return "same" if _parsed(pair, names) and same_meaning(pair, names) else None


def stands_in(answer: str, text: str) -> bool:
    """Whether an answer stands in a text as words that are not denied there; its boxes too, if it has any.

    An answer of one clause is looked for in single clauses, so that "no" counts where it denies the answer only.
    """
    (words, here), (around, there) = unboxed(answer), unboxed(text)
    if not all(any(ious([a], [b])[0, 0] > SAME_BOX for b in there) for a in here):
        return False
    inner = " ".join(tokens(words))
    several = len([clause for clause in _CLAUSE.split(words.casefold()) if tokens(clause)]) > 1
    for clause in [around] if several else _CLAUSE.split(around.casefold()):
        before, found, _ = f" {' '.join(tokens(clause))} ".partition(f" {inner} ")
        if inner and found and not _denied(before):
            return True
    return False


def _denied(before: str) -> bool:
    """Whether a denial stands among the last words before something ("no sign of a")."""
    last = before.split()[-4:]
    return any(_DENIAL.search(" ".join(last[: i + 1])) for i in range(len(last)))


def _parsed(pair: Pair, names: Sequence[str]) -> bool:
    """Whether the parser can tell what the sides say: words beside a yes are read only where names are known."""
    return pair.kind in PARSED and (pair.kind != "detection" or bool(names))


def same_meaning(pair: Pair, names: Sequence[str]) -> bool:
    """Same verdict, names and boxes for the parser, and the same in what it leaves out: side, reason, numbers."""
    if pair.kind == "report":
        return _same_report(pair.chosen, pair.rejected, tuple(names))
    target = pair.target or asked_about(pair.kind, pair.question)
    one, other = (parse(pair.kind, text, _VIEW, names, target, pair.choices) for text in (pair.chosen, pair.rejected))
    if "unparsable" in (one.status, other.status) or one.malformed or other.malformed:
        return False
    if pair.kind == "choice":
        return one.choice == other.choice
    if pair.kind != "detection" and one.abnormal and not one.findings:
        return False
    return _same_findings(one, other) and _details(pair.chosen, names) == _details(pair.rejected, names)


def _same_report(chosen: str, rejected: str, names: tuple[str, ...]) -> bool:
    """Whether two reports in English name something, and find and deny the same, with the same sides and numbers."""
    one, other = reported(chosen, names), reported(rejected, names)
    same = (one.found, one.denied) == (other.found, other.denied) and bool(one.mentions)
    return same and in_english(None, chosen) and _details(chosen, names) == _details(rejected, names)


def _same_findings(one: Parsed, other: Parsed) -> bool:
    same_names = one.abnormal == other.abnormal and [n for n, _ in one.findings] == [n for n, _ in other.findings]
    return same_names and same_boxes(one.boxes, other.boxes)


def _details(text: str, names: Sequence[str]) -> tuple[set[str], list[str]]:
    """Sides, numbers and known names in a text, and reasons in parentheses: they can make an answer worse as well."""
    words = tokens(unboxed(text)[0])
    said = f" {' '.join(words)} "
    known = {name for name in names if f" {' '.join(tokens(name))} " in said}
    return {w for w in words if w in _SIDES or w[0].isdigit()} | known, [
        " ".join(tokens(r)) for r in _REASON.findall(text)
    ]


def duplicates(material: AuditInput) -> list[str]:
    """Ids of pairs that stood there before, under whatever id and weight, and on whatever files of these pictures."""
    seen: Counter[str] = Counter()
    again = []
    for pair in material.pairs:
        own, worse = material.content(pair), material.content(pair, worse=True)
        bare = replace(pair, id="", record="", split=None, writer="", weight=1.0, image=own, rejected_image=worse)
        key = json.dumps(to_json(bare))
        again += [pair.id] if seen[key] else []
        seen[key] += 1
    return again


def contradictory(pairs: Sequence[Pair], material: AuditInput) -> list[str]:
    """Ids of pairs that stand in the file the other way round too."""
    ways = [
        (pair.id, material.content(pair), pair.question, _side(pair.chosen), _side(pair.rejected)) for pair in pairs
    ]
    held = {way[1:] for way in ways if way[3] != way[4]}
    return [name for name, content, question, chosen, rejected in ways if (content, question, rejected, chosen) in held]


def _side(text: str) -> tuple[str, str]:
    words, boxes = unboxed(text)
    return " ".join(tokens(words)), str(boxes)
