"""Boxes with confidence: average precision, FROC, F1 by IoU, grounding, and how well confidences hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from unveil.core import console, phrases
from unveil.core.confidence import ConfidenceError, confidences
from unveil.core.geometry import Box
from unveil.core.grading import Case, ScoreError
from unveil.core.records import Kind, Prediction
from unveil.evaluate.box_calibration import calibration
from unveil.evaluate.box_figures import Boxes, curve_resamples, figures
from unveil.evaluate.box_permutations import p_values
from unveil.evaluate.detections import BoxAnswer
from unveil.evaluate.estimates import Difference, Estimate, plain, written
from unveil.evaluate.permutations import holm
from unveil.evaluate.sections.section import Answers, Scoring, Section

#: The kinds of questions that ask for places, and what each is called.
KINDS: dict[Kind, str] = {
    "diagnosis": "Diagnosis",
    "localisation": "The place for a name",
    "grounding": "The place for a phrase",
}
PHRASE = "(phrase)"
"""The one name of all boxes where a phrase is asked for."""
#: What must be known of a data set before its figures are read.
CAVEATS = {
    "deeplesion": "DeepLesion marks only some of the lesions of an image, and its boxes reach 5 pixels beyond them.",
    "ms-cxr": "In MS-CXR a phrase may have several boxes: mean IoU pairs them one to one, Acc@0.5 needs one of them.",
    "vindr-cxr": "In VinDr-CXR readers differ on where boxes lie: no model can be asked for more than their agreement.",
}


def keep(case: Case, prediction: Prediction) -> BoxAnswer | None:
    """An answer's boxes beside the true ones; raises ``ScoreError`` where its tokens are not its own."""
    if case.dialogue.kind not in KINDS:
        return None
    true, names, asked = _truth(case)
    try:
        sure = confidences(prediction.answer, case.parsed, prediction.tokens)
    except ConfidenceError as error:
        raise ScoreError(f"{case.dialogue.id}: {error}; predict again") from error
    return BoxAnswer(
        case.dialogue.id,
        case.record.id,
        case.dialogue.kind,
        case.record.cluster,
        float(case.record.width * case.record.height),
        case.exhaustive,
        case.readable,
        case.parsed.malformed,
        tuple(case.parsed.boxes),
        tuple((name or "") if asked is None else asked for name, box in case.parsed.findings if box),
        tuple(one.score if one else None for one in sure),
        true,
        names,
        case.outcome.iou,
    )


def _truth(case: Case) -> tuple[tuple[Box, ...] | None, tuple[str, ...], str | None]:
    """True boxes (None where one is not known), their names, and the name that is asked for where there is one."""
    if case.dialogue.kind == "grounding":
        places = phrases.boxes(case.places)
        return (tuple(places), (PHRASE,) * len(places), PHRASE) if places else (None, (), PHRASE)
    asked = case.name(case.dialogue.target or "") if case.dialogue.kind == "localisation" else None
    found = [(name or "", box) for name, box in case.truth.findings if asked in (None, name)]
    if not all(box for _, box in found):
        return None, (), asked
    return tuple(box for _, box in found if box), tuple(name for name, _ in found), asked


def summarise(answers: Answers[BoxAnswer], scoring: Scoring) -> dict[str, Any] | None:
    """The figures of each kind of question by model, differences, and what must be known of the data."""
    kinds = {}
    for kind, title in KINDS.items():
        of = {model: [a for a in rows if a.kind == kind] for model, rows in answers.asked.items()}
        held = {model: [a for a in rows if a.kind == kind] for model, rows in answers.validation.items()}
        if any(of.values()):
            kinds[kind] = {"title": title, **_kind(of, held, scoring)}
    if not kinds:
        return None
    asked = {d.record for d in scoring.dialogues if d.kind in KINDS}
    sources = {r.source.dataset for r in scoring.records if r.id in asked}
    return {"kinds": kinds, "caveats": [told for name, told in CAVEATS.items() if name in sources]}


def _kind(
    answers: Mapping[str, Sequence[BoxAnswer]], validation: Mapping[str, Sequence[BoxAnswer]], scoring: Scoring
) -> dict[str, Any]:
    clusters = sorted({a.cluster for rows in answers.values() for a in rows})
    models = {model: Boxes(rows, clusters) for model, rows in answers.items()}
    known, apart = figures(models, scoring.pairs, scoring.resamples, scoring.seed)
    first = next(iter(models.values()))
    placed, proven = len(first.placed.answers), len(first.proven.answers)
    found = {}
    for model, of in models.items():
        rows = _rows(known[model])
        found[model] = {
            **_said(of),
            "figures": {name: value for name, value in rows.items() if ":" not in name},
            "names": {name: rows[f"ap50:{name}"] for name in of.true_names if f"ap50:{name}" in rows},
            "froc_at": [rows[f"froc:{i}"] for i in range(7) if f"froc:{i}" in rows],
            "curves": None if of.reason else of.curves(),
            "calibration": calibration(of, validation.get(model, ()), scoring.resamples, scoring.seed),
        }
    return {
        "answers": len(first.answers),
        "images": len({a.image for a in first.answers}),
        "left_out": {"no place known": len(first.answers) - placed, "not exhaustive": placed - proven},
        "empty": sum(not a.true for a in first.proven.answers),
        "true": dict(sorted(Counter(name for a in first.placed.answers for name in a.true_names).items())),
        "note": _fewer(models.values(), scoring.resamples),
        "models": found,
        "differences": {
            b: {a: _tested(of, models[a], models[b], scoring) for a, of in row.items()} for b, row in apart.items()
        },
    }


def _tested(found: Mapping[str, Difference], first: Boxes, second: Boxes, scoring: Scoring) -> dict[str, Any]:
    """Differences of two models with their p; they are one family."""
    known = [name for name, one in found.items() if one.value is not None]
    p = p_values(first, second, known, scoring.resamples, scoring.seed)
    among = holm(p)
    return _rows({name: replace(one, p=p.get(name), p_holm=among.get(name)) for name, one in found.items()})


def _rows(found: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: plain(value) for name, value in found.items()}


def _said(of: Boxes) -> dict[str, Any]:
    """What a model's answers hold, in numbers."""
    true = set(of.true_names)
    strange = Counter(
        name or "(no name)" for a in of.proven.answers for name in a.names if name not in true and of.named
    )
    return {
        "boxes": sum(len(a.boxes) for a in of.answers),
        "malformed": sum(a.malformed for a in of.answers),
        "unparsable": sum(not a.readable for a in of.answers),
        "reason": of.reason,
        "only_said": dict(sorted(strange.items())),
    }


def _fewer(models: Collection[Boxes], resamples: int) -> str:
    """That curves have fewer resamples than other figures; empty where they have all, or there is no curve."""
    fewer = curve_resamples(models, resamples)
    if fewer == resamples or all(of.reason for of in models):
        return ""
    told = f"intervals of AP and FROC come from {fewer} of the {resamples} resamples, since there are many boxes"
    return f"{told}; their ends are less sure than others"


#: Figures that the terminal shows, and what of them for each kind.
SHOWN = {
    "ap50": "mAP at IoU 0.5",
    "ap": "mAP, IoU 0.5 to 0.95",
    "froc": "FROC, mean sensitivity",
    "f1_named_50": "F1 at IoU 0.5, names too",
    "f1_50": "F1 at IoU 0.5",
    "acc50": "Acc@0.5 of the surest box",
    "pointing": "pointing game",
}


def shown(section: dict[str, Any]) -> None:
    """A short table for each kind; without confidences the reason stands below."""
    for of in section["kinds"].values():
        models = of["models"]
        told = {k for model in models.values() for k, v in model["figures"].items() if v["value"] is not None}
        rows = [
            [title, _counted(cells), *map(written, cells)]
            for figure, title in SHOWN.items()
            if figure in told
            for cells in [[model["figures"].get(figure) for model in models.values()]]
        ]
        if rows:
            console.table(f"Boxes · {of['title']}: value and 95 % interval", ["", "n", *models], rows)
        if of["note"]:
            console.say(f"{of['title']}: {of['note']}")
        for name, model in models.items():
            if model["reason"]:
                console.say(f"{name}: no AP and no FROC, since {model['reason']}")


def _counted(cells: Sequence[dict[str, Any] | None]) -> str:
    """On how many answers a figure rests: the same for all models where all can be ranked."""
    return " to ".join(map(str, sorted({cell["n"] for cell in cells if cell})))


BOXES: Section[BoxAnswer] = Section("boxes", "Boxes", keep, summarise, "boxes.html.j2", shown=shown, kinds=tuple(KINDS))
