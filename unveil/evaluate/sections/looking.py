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
    models = {
        model: {shown: _condition(figures, model, shown, of[shown]) for shown in CONDITIONS if shown in of}
        for model, of in found.items()
    }
    return {
        "conditions": [shown for shown in CONDITIONS if any(shown in of for of in found.values())],
        "models": models,
        "note": doubt(models),
        "lesion": {model: told for model, of in found.items() if (told := _of_lesion(figures, model, of))},
        "differences": _differences(figures, found),
        "examples": kept(found, CONDITIONS),
    }


def _condition(figures: Figures, model: str, shown: Shown, one: Looked) -> dict[str, Any]:
    own, altered = (model, shown, "own"), (model, shown, "altered")
    drops = figures.differences(_known(figures, own), {own: 1}, {altered: 1})
    metrics = {
        m: {"own": figures.value(m, own), "altered": figures.value(m, altered), "drop": drop}
        for m, drop in drops.items()
    }
    shares = {share: figures.share(share, altered) for share in SHARES}
    unsure = {"perhaps_one_person": one.perhaps_one_person} if shown == "other-patient" else {}
    return {"questions": one.questions, "images": one.images, **unsure, "metrics": metrics, **shares}


def _of_lesion(figures: Figures, model: str, of: Mapping[Shown, Looked]) -> dict[str, Any]:
    """What hiding the lesion costs more than hiding as much elsewhere, and what the lesion alone is worth."""
    told = {}
    hidden, elsewhere = ((model, shown, "altered") for shown in ("lesion-hidden", "elsewhere-hidden"))
    if "lesion-hidden" in of and "elsewhere-hidden" in of:
        told["more_than_elsewhere"] = figures.differences(
            _known(figures, elsewhere, hidden), {elsewhere: 1}, {hidden: 1}
        )
        told["changed_more_than_elsewhere"] = figures.differences(["changed"], {hidden: 1}, {elsewhere: 1})["changed"]
    if "lesion-only" in of and "blank" in of:
        only, blank = (model, "lesion-only", "altered"), (model, "blank", "on_lesions")
        told["gain_of_lesion"] = figures.differences(_known(figures, only, blank), {only: 1}, {blank: 1})
    return told


def _known(figures: Figures, *tables: Hashable) -> list[str]:
    """The metrics that have a value in all tables."""
    return [m for m in METRICS if all(figures.value(m, key) is not None for key in tables)]


def _differences(figures: Figures, found: Mapping[str, Mapping[Shown, Looked]]) -> dict[str, Any]:
    """By the later and the earlier model's name: how much more the later one loses, and how much more it changes."""
    out: dict[str, Any] = {}
    for a, b in combinations(found, 2):
        both = [shown for shown in CONDITIONS if shown in found[a] and shown in found[b]]
        out.setdefault(b, {})[a] = {shown: _apart(figures, a, b, shown) for shown in both}
    return out


def _apart(figures: Figures, a: str, b: str, shown: Shown) -> dict[str, Any]:
    second: dict[Hashable, int] = {(b, shown, "own"): 1, (b, shown, "altered"): -1}
    first: dict[Hashable, int] = {(a, shown, "own"): 1, (a, shown, "altered"): -1}
    drops = figures.differences(_known(figures, *second, *first), second, first)
    return {"drop": drops, **figures.differences(SHARES, {(b, shown, "altered"): 1}, {(a, shown, "altered"): 1})}


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
    if section["note"]:
        console.say(section["note"])


def doubt(models: Mapping[str, Mapping[Shown, Any]]) -> str:
    """That another patient's image may be one of the same person, where patients are not known; else empty."""
    found = [of["other-patient"] for of in models.values() if "other-patient" in of]
    sizes = [(one["perhaps_one_person"], one["images"]) for one in found if one["perhaps_one_person"]]
    counts = dict.fromkeys(f"{unsure} of {images} images" for unsure, images in sizes)
    told = "it is not known whose they are or whose was shown, so both may be one person's"
    return f"Other patient: of {' and '.join(counts)} {told}" if counts else ""


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
