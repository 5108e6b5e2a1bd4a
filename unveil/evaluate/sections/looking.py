"""Does it look at the image? What models answer with the image taken away, beside what they answer with it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import combinations
from typing import Any, get_args

from unveil.core import console
from unveil.core.grading import Case
from unveil.core.records import Prediction, Shown
from unveil.evaluate.estimates import written
from unveil.evaluate.looking_figures import Figures
from unveil.evaluate.looking_pictures import cards, kept
from unveil.evaluate.metrics import METRICS
from unveil.evaluate.sections.section import Answers, Scoring, Section
from unveil.evaluate.sensitivity import SHARES, Counts, Looked

#: What the terminal shows.
SHOWN_SHARES = ("changed", "due_right")
#: In this order.
CONDITIONS: tuple[Shown, ...] = tuple(one for one in get_args(Shown) if one != "own")


def _keep(_: Case, __: Prediction) -> None:
    """Nothing: what this section tells comes from files of its own (``sensitivity``)."""


def summarise(_: Answers[None], scoring: Scoring) -> dict[str, Any] | None:
    """By model and condition the metrics with and without the image, and what changes; between models the same."""
    found = scoring.looked
    if not any(found.values()):
        return None
    tables: dict[Hashable, Counts] = {
        (model, shown, side): getattr(one, side)
        for model, of in found.items()
        for shown, one in of.items()
        for side in ("own", "altered", "on_lesions")
    }
    figures = Figures(tables, scoring.resamples, scoring.seed)
    return {
        "conditions": [shown for shown in CONDITIONS if any(shown in of for of in found.values())],
        "models": {
            model: {shown: _condition(figures, model, shown, of[shown]) for shown in CONDITIONS if shown in of}
            for model, of in found.items()
        },
        "lesion": {model: told for model, of in found.items() if (told := _of_lesion(figures, model, of))},
        "differences": _differences(figures, found),
        "examples": kept(found, CONDITIONS),
    }


def _condition(figures: Figures, model: str, shown: Shown, one: Looked) -> dict[str, Any]:
    own, altered = (model, shown, "own"), (model, shown, "altered")
    metrics = {
        m: {
            "own": figures.value(m, own),
            "altered": figures.value(m, altered),
            "drop": figures.figure(m, {own: 1, altered: -1}),
        }
        for m in METRICS
        if figures.value(m, own) is not None
    }
    shares = {share: figures.figure(share, {altered: 1}) for share in SHARES}
    return {"questions": one.questions, "images": one.images, "metrics": metrics, **shares}


def _of_lesion(figures: Figures, model: str, of: Mapping[Shown, Looked]) -> dict[str, Any]:
    """What hiding the lesion costs more than hiding as much elsewhere, and what the lesion alone is worth."""
    told = {}
    hidden, elsewhere = ((model, shown, "altered") for shown in ("lesion-hidden", "elsewhere-hidden"))
    if "lesion-hidden" in of and "elsewhere-hidden" in of:
        told["more_than_elsewhere"] = _each(figures, {elsewhere: 1, hidden: -1})
        told["changed_more_than_elsewhere"] = figures.figure("changed", {hidden: 1, elsewhere: -1})
    if "lesion-only" in of and "blank" in of:
        told["gain_of_lesion"] = _each(
            figures, {(model, "lesion-only", "altered"): 1, (model, "blank", "on_lesions"): -1}
        )
    return told


def _each(figures: Figures, terms: Mapping[Hashable, int]) -> dict[str, Any]:
    """A difference of every metric that has a value in all tables."""
    return {m: figures.figure(m, terms) for m in METRICS if all(figures.value(m, key) is not None for key in terms)}


def _differences(figures: Figures, found: Mapping[str, Mapping[Shown, Looked]]) -> dict[str, Any]:
    """By the later and the earlier model's name: how much more the later one loses, and how much more it changes."""
    out: dict[str, Any] = {}
    for a, b in combinations(found, 2):
        both = [shown for shown in CONDITIONS if shown in found[a] and shown in found[b]]
        out.setdefault(b, {})[a] = {shown: _apart(figures, a, b, shown) for shown in both}
    return out


def _apart(figures: Figures, a: str, b: str, shown: Shown) -> dict[str, Any]:
    terms: dict[Hashable, int] = {
        (b, shown, "own"): 1,
        (b, shown, "altered"): -1,
        (a, shown, "own"): -1,
        (a, shown, "altered"): 1,
    }
    shares: dict[Hashable, int] = {(b, shown, "altered"): 1, (a, shown, "altered"): -1}
    return {"drop": _each(figures, terms), **{share: figures.figure(share, shares) for share in SHARES}}


def _show(section: dict[str, Any]) -> None:
    """A row for each model and condition: what it costs all questions, and what changes."""
    rows = []
    for model, of in section["models"].items():
        for shown, one in of.items():
            metric = next((m for m in ("question_accuracy", "accuracy") if m in one["metrics"]), None)
            drop = one["metrics"][metric]["drop"] if metric else None
            cells = [written(drop, signed=True, n=True), *(written(one[share], n=True) for share in SHOWN_SHARES)]
            rows.append([f"{model}, {shown}", *cells])
    titles = ["", "accuracy lost", "answers changed", "right where due"]
    console.table("Does it look at the image? Value and 95 % interval", titles, rows)


LOOKING: Section[None] = Section(
    name="looking",
    title="Does it look at the image?",
    keep=_keep,
    summarise=summarise,
    template="looking.html.j2",
    pictures=cards,
    shown=_show,
    kinds=(),
)
