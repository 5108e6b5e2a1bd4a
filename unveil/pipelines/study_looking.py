"""``unveil study looking``: do methods differ in how much a model looks at the image, even if accuracy shows nothing?

Beside each seed's run its models answer the test questions with the image taken away in each way (``predict --image``),
all at the settings of the run, and ``score --sensitivity`` sets that beside their own answers. As in other studies a
figure is the mean over seeds, and a difference is taken within each seed first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.core import console, digests, provenance, run_folder
from unveil.core.records import Shown
from unveil.core.untrusted import read_json
from unveil.evaluate import score
from unveil.evaluate.sections.looking import CONDITIONS

Claims = tuple[tuple[str, str, str], ...]
LOOKING: Claims = (
    ("dpo", "sft", "preferring the truth to the model's own mistakes makes it look more"),
    ("mmedpo", "sft", "MMedPO makes it look more"),
    ("mmedpo", "dpo", "hidden lesions and clinical weights make it look more than DPO"),
    ("aar", "sft", "rewards make it look more"),
    ("aar", "aar-without-vrr", "the vision relevance reward makes it look more (VRR)"),
)
METRICS = {"question_accuracy": "all questions", "accuracy": "category accuracy", "iou": "mean IoU"}


@dataclass(frozen=True)
class LookMeasure:
    """A figure of the section ``looking`` of scores.json: of a model and of one seed."""

    title: str
    of: Callable[[Mapping[str, Any], str], Any]
    """The figure (its ``value``) from the section and the model's name."""


def _drop(shown: Shown, metric: str) -> Callable[[Mapping[str, Any], str], Any]:
    return lambda section, model: section["models"][model][shown]["metrics"].get(metric, {}).get("drop")


def _share(shown: Shown, share: str) -> Callable[[Mapping[str, Any], str], Any]:
    return lambda section, model: section["models"][model][shown][share]


def _lesion(what: str, metric: str) -> Callable[[Mapping[str, Any], str], Any]:
    return lambda section, model: section["lesion"][model][what].get(metric)


#: What is claimed of: more of it is a closer look.
MEASURES = {
    **{
        f"hidden_{m}": LookMeasure(f"{title}: lost with the lesion hidden", _drop("lesion-hidden", m))
        for m, title in METRICS.items()
    },
    **{
        f"beyond_{m}": LookMeasure(
            f"{title}: lost beyond what hiding as much elsewhere costs", _lesion("more_than_elsewhere", m)
        )
        for m, title in METRICS.items()
    },
    **{
        f"only_{m}": LookMeasure(f"{title}: gained by the lesion alone over blank", _lesion("gain_of_lesion", m))
        for m, title in METRICS.items()
    },
    "hidden_right": LookMeasure("right that nothing is there, lesion hidden", _share("lesion-hidden", "due_right")),
    "other_changed": LookMeasure("changes where it should, another patient", _share("other-patient", "due_changed")),
    "other_right": LookMeasure("right about another patient", _share("other-patient", "due_right")),
}
#: What stands beside: what the image as a whole is worth, and what changes that should not.
BESIDE = {
    **{
        f"{shown}_{m}": LookMeasure(f"{title}: lost with {shown}", _drop(shown, m))
        for shown in ("blank", "noise", "shuffled", "other-patient")
        for m, title in METRICS.items()
    },
    "elsewhere_changed": LookMeasure(
        "changes where it should not, elsewhere hidden", _share("elsewhere-hidden", "undue_changed")
    ),
}


def looked(folder: Path, models: Sequence[str], restart: bool = False) -> dict[str, dict[str, float]]:
    """Each model's measures of one run, by its ``folder``; what is there already is not made again."""
    beside = folder.with_name(f"{folder.name}-looking")
    with console.progress(beside.name, len(models) * len(CONDITIONS)) as advance:
        for model in models:
            for shown in CONDITIONS:
                _predict(folder, beside, model, shown, restart)
                advance()
    scores = _scored(folder, beside, models)
    return values(read_json(scores, lenient=True)["sections"]["looking"], models)


def values(section: Mapping[str, Any], models: Sequence[str]) -> dict[str, dict[str, float]]:
    """The measures of each model that have a value, by name."""
    out: dict[str, dict[str, float]] = {}
    for model in models:
        found = {name: one.of(section, model) for name, one in (MEASURES | BESIDE).items()}
        out[model] = {name: f["value"] for name, f in found.items() if f is not None and f["value"] is not None}
    return out


def _file(beside: Path, model: str, shown: Shown) -> Path:
    return beside / model / f"{shown}.jsonl"


def _predict(folder: Path, beside: Path, model: str, shown: Shown, restart: bool) -> None:
    from unveil.evaluate import predict

    asked = predict.Config(
        model=str(folder / model),
        dialogues=folder / "dialogues.jsonl",
        records=run_folder.records_of(folder),
        out=_file(beside, model, shown),
        name=model,
        image=shown,
        restart=restart,
    )
    inputs = [asked.dialogues, run_folder.records_of(folder), *digests.of_model(asked.model)]
    provenance.stage("predict", asked, inputs, predict.main)


def _scored(folder: Path, beside: Path, models: Sequence[str]) -> Path:
    asked = score.Config(
        records=run_folder.records_of(folder),
        dialogues=folder / "dialogues.jsonl",
        predictions={name: folder / name / "predictions.jsonl" for name in models},
        sensitivity={name: tuple(_file(beside, name, shown) for shown in CONDITIONS) for name in models},
        out=beside,
        against=("sft",),
        restart=True,
    )
    return score.main(asked)


def told(
    found: Sequence[Mapping[str, Mapping[str, float]]], models: Sequence[str], mean: Callable[..., Any]
) -> dict[str, Any]:
    """What study.json says: measures as means over seeds, and the claims; ``mean`` is the study's.

    A measure that a seed does not have of a model is left out there.
    """
    both = MEASURES | BESIDE
    return {
        "measures": {name: one.title for name, one in both.items()},
        "values": {
            model: {n: vars(mean([f[model][n] for f in found])) for n in both if all(n in f[model] for f in found)}
            for model in models
        },
        "claims": [_claim(found, *claim, mean) for claim in LOOKING if {claim[0], claim[1]} <= set(models)],
        "per_seed": list(found),
    }


def _claim(
    found: Sequence[Mapping[str, Mapping[str, float]]], better: str, than: str, says: str, mean: Callable[..., Any]
) -> dict[str, Any]:
    rows = {}
    for name in MEASURES:
        if all(name in f[better] and name in f[than] for f in found):
            apart = mean([f[better][name] - f[than][name] for f in found])
            rows[name] = {**vars(apart), "verdict": apart.verdict}
    return {"claim": says, "better": better, "than": than, "differences": rows}
