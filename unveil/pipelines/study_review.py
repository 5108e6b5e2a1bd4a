"""``unveil study review``: are errors of annotation found sooner in the order of their use, and what is it worth?

For each seed errors are planted into the training images of synthetic patients, whose truth is known. Two models, each
of half of the training patients, answer questions about the other half, so that none has learnt what it doubts. By
their opinions ``review.queue`` orders the images; a reviewer who sees everything goes through them. Counted is how many
errors are among the first decisions, in this order, in that of each signal alone, and at random; and how good a model
is that is trained after the first tenth was corrected. Nothing is chosen on the test split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from unveil.core import console, digests, joined, jsonl, provenance
from unveil.core.answers import name_of
from unveil.core.records import Dialogue, Record, rebased
from unveil.core.untrusted import read_json
from unveil.curate import mau
from unveil.evaluate import score
from unveil.ingest import ingest
from unveil.review import queue
from unveil.review.suggestions import read_opinions
from unveil.synthetic.label_errors import LABEL_ERRORS, LabelError, planted

Row = TypeVar("Row", Record, Dialogue)
#: Share of the training images with findings that have an error, and share of the training images that is corrected.
WRONG, CORRECTED = 0.2, 0.1
#: Decisions that errors are counted in.
DECISIONS = 100
METRICS = {
    "accuracy": "category accuracy",
    "iou": "mean IoU",
    "f1_50_named": "found and named (F1)",
    "question_accuracy": "all questions",
}
#: Between which the tables stand in a document.
MARKS = ("<!-- review: begin -->", "<!-- review: end -->")
#: What a model is trained on.
ARMS = {
    "uncorrected": "with the errors",
    "random": "a tenth at random corrected",
    "queue": "the first tenth of the queue corrected",
    "corrected": "without errors",
}

COMPARED = (
    ("queue", "random"),
    ("queue", "uncorrected"),
    ("random", "uncorrected"),
    ("corrected", "uncorrected"),
)


@dataclass(frozen=True)
class ReviewTrial:
    """One seed's run: where, with how many patients, and which model."""

    folder: Path
    seed: int
    patients: int
    model: str
    restart: bool = False

    @property
    def records(self) -> Path:
        return self.folder / "data" / "records.jsonl"


def run(trial: ReviewTrial) -> dict[str, Any]:
    """What one seed found; what is there already is not made again."""
    drawn = ingest.Config(
        format="synthetic", out=trial.folder / "data", patients=trial.patients, seed=trial.seed, restart=trial.restart
    )
    provenance.stage("ingest", drawn, [], ingest.main)
    truth = list(jsonl.read_jsonl(trial.records, Record))
    training = [record for record in truth if record.split == "train"]
    spoilt, errors = planted(training, WRONG, trial.seed)
    orders = _orders(trial, truth, spoilt)
    budget = round(CORRECTED * len(training))
    true = {record.id: record for record in training}
    _asked(trial, trial.folder / "true", truth)
    for arm in ARMS:
        seen = {"uncorrected": set(), "corrected": set(true)}.get(arm) or set(orders.get(arm, [])[:budget])
        _arm(trial, arm, truth, [true[record.id] if record.id in seen else record for record in spoilt])
    return {
        "images": len(training),
        "errors": dict(Counter(errors.values())),
        "budget": budget,
        "found": {name: _found(order, errors, DECISIONS) for name, order in orders.items()},
        "found_by_kind": {name: _by_kind(order[:budget], errors) for name, order in orders.items()},
        "scores": _scored(trial),
    }


def _found(order: Sequence[str], errors: Mapping[str, LabelError], decisions: int) -> float:
    """Errors among the first decisions, as if there were a hundred of them."""
    first = order[:decisions]
    return 100 * sum(name in errors for name in first) / len(first) if first else float("nan")


def _by_kind(first: Sequence[str], errors: Mapping[str, LabelError]) -> dict[str, float]:
    """The share of each kind of error that is among the first items."""
    counts = Counter(errors.values())
    found = Counter(errors[name] for name in first if name in errors)
    return {kind: found[kind] / counts[kind] for kind in LABEL_ERRORS if counts[kind]}


# ------------------------------------------------------------------------------------------------------------ orders


def _orders(trial: ReviewTrial, truth: Sequence[Record], spoilt: Sequence[Record]) -> dict[str, list[str]]:
    """The training images, by their ids, in the order of the queue, of each signal alone, and at random."""
    names = joined.vocabulary(spoilt)
    opinions = {name: of for half in (0, 1) for name, of in _opinions(trial, truth, spoilt, half).items()}
    rarity = queue.rarity(spoilt)
    signals: dict[int, dict[queue.Signal, float]] = {
        number: {
            **queue.signals_of(record, opinions.get(record.id, []), lambda label: name_of(label, names)),
            "rare finding": rarity(record),
        }
        for number, record in enumerate(spoilt)
    }
    orders = {
        "queue": queue.by_use(signals, 0.2, trial.seed),
        "random": queue.at_random(list(signals), trial.seed),
    }
    for signal in (*queue.TURNS, *queue.AFTERWARDS):
        if any(signal in of for of in signals.values()):
            alone = {n: {signal: of.get(signal, 0.0)} for n, of in signals.items()}
            orders[signal] = queue.by_use(alone, 0.0, trial.seed)
    return {name: [spoilt[queued.number].id for queued in order] for name, order in orders.items()}


def _opinions(trial: ReviewTrial, truth: Sequence[Record], spoilt: Sequence[Record], half: int) -> dict[str, Any]:
    """What a model says about one half of the training patients that has learnt from the other."""
    folder = trial.folder / f"half-{half}"
    of = {name: place % 2 for place, name in enumerate(_shuffled({r.cluster for r in spoilt}, trial.seed))}
    rows = [replace(r, split="test" if of[r.cluster] == half else "train") for r in spoilt]
    rows += [record for record in truth if record.split == "val"]
    _asked(trial, folder, rows)
    _trained(trial, folder)
    answers = _answered(trial, folder)
    asked = {d.id: d for d in jsonl.read_jsonl(folder / "dialogues.jsonl", Dialogue) if d.split == "test"}
    return read_opinions([answers], asked, {record.id: record for record in rows if record.split == "test"})


def _shuffled(names: set[str], seed: int) -> list[str]:
    rows = sorted(names)
    return [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]


# ------------------------------------------------------------------------------------------------------------ models


def _arm(trial: ReviewTrial, arm: str, truth: Sequence[Record], training: Sequence[Record]) -> None:
    """A model that is trained on these images and answers the test questions, which are the same for all: what is asked
    about an image hangs on the names of all."""
    folder, own, true = trial.folder / arm, trial.folder / arm / "questions", trial.folder / "true"
    _asked(trial, own, [*training, *(record for record in truth if record.split != "train")])
    _put(folder / "records.jsonl", _moved(own / "records.jsonl", Record, folder))
    learnt = [d for d in _moved(own / "dialogues.jsonl", Dialogue, folder) if d.split == "train"]
    asked = [d for d in _moved(true / "dialogues.jsonl", Dialogue, folder) if d.split != "train"]
    _put(folder / "dialogues.jsonl", [*learnt, *asked])
    _trained(trial, folder)
    _answered(trial, folder)


def _moved(file: Path, kind: type[Row], folder: Path) -> list[Row]:
    """The rows of a file as they stand in a file of this name in another folder."""
    return [rebased(row, file, folder / file.name) for row in jsonl.read_jsonl(file, kind)]


def _asked(trial: ReviewTrial, folder: Path, rows: Sequence[Record]) -> None:
    """Writes records and the questions about them."""
    file = folder / "records.jsonl"
    _put(file, [rebased(record, trial.records, file) for record in rows])
    asked = mau.Config(records=file, out=folder / "dialogues.jsonl", seed=trial.seed, restart=trial.restart)
    provenance.stage("curate mau", asked, [file], mau.main)


def _put(file: Path, rows: Sequence[Row]) -> None:
    """Writes rows, unless they are there: what was made of them is then made of the same file."""
    if not file.is_file() or list(jsonl.read_jsonl(file, type(rows[0]))) != list(rows):
        jsonl.write_jsonl(file, rows)


def _trained(trial: ReviewTrial, folder: Path) -> None:
    """Fine-tunes as the main job does."""
    from unveil.pipelines import run, variants
    from unveil.train import sft

    usual = run.Config(model=trial.model, seed=trial.seed, restart=trial.restart)
    learning = replace(run.learning_of(usual, folder), records=folder / "records.jsonl")
    learning = replace(learning, kinds=variants.kinds(learning.dialogues))
    inputs = [folder / "records.jsonl", learning.dialogues, *digests.of_model(learning.model)]
    provenance.stage("train sft", learning, inputs, sft.main)


def _answered(trial: ReviewTrial, folder: Path) -> Path:
    """The model's answers to the questions of its test split."""
    from unveil.evaluate import predict

    asked = predict.Config(
        model=str(folder / "sft"),
        dialogues=folder / "dialogues.jsonl",
        out=folder / "predictions.jsonl",
        name=folder.name,
        restart=trial.restart,
    )
    provenance.stage("predict", asked, [asked.dialogues, *digests.of_model(asked.model)], predict.main)
    return asked.out


def _scored(trial: ReviewTrial) -> dict[str, dict[str, float]]:
    """The metrics of each arm on the same test questions, whose answers are true."""
    whole = trial.folder / "corrected"
    asked = score.Config(
        records=whole / "records.jsonl",
        dialogues=whole / "dialogues.jsonl",
        predictions={arm: trial.folder / arm / "predictions.jsonl" for arm in ARMS},
        out=trial.folder,
        against=("uncorrected", "random"),
        seed=trial.seed,
        restart=True,
    )
    models = read_json(score.main(asked), lenient=True)["models"]
    return {arm: {m: models[arm]["metrics"][m]["value"] for m in METRICS} for arm in ARMS}


# ------------------------------------------------------------------------------------------------------------- study


def _score_of(metric: str) -> Callable[[Mapping[str, Any], str], float]:
    return lambda found, arm: float(found["scores"][arm][metric])


def told(found: Sequence[Mapping[str, Any]], mean: Callable[[Sequence[float]], Any]) -> dict[str, Any]:
    """What study.json says: means over seeds, differences within each seed; ``mean`` is the study's."""

    def apart(one: str, other: str, of: Callable[[Mapping[str, Any], str], float]) -> dict[str, Any]:
        difference = mean([of(f, one) - of(f, other) for f in found])
        return {**vars(difference), "verdict": difference.verdict}

    orders = [name for name in found[0]["found"] if all(name in f["found"] for f in found)]
    return {
        "metrics": METRICS,
        "arms": ARMS,
        "images": [f["images"] for f in found],
        "errors": [f["errors"] for f in found],
        "found": {
            name: {
                "errors": vars(mean([f["found"][name] for f in found])),
                "more_than_random": apart(name, "random", lambda f, of: f["found"][of]),
                "by_kind": {
                    kind: vars(mean([f["found_by_kind"][name].get(kind, 0.0) for f in found])) for kind in LABEL_ERRORS
                },
            }
            for name in orders
        },
        "scores": {arm: {m: vars(mean([f["scores"][arm][m] for f in found])) for m in METRICS} for arm in ARMS},
        "differences": [
            {"better": one, "than": other, "metrics": {m: apart(one, other, _score_of(m)) for m in METRICS}}
            for one, other in COMPARED
        ],
        "per_seed": list(found),
    }


def run_all(out: Path, seeds: Sequence[int], patients: int, model: str, restart: bool) -> list[dict[str, Any]]:
    """All seeds one after the other."""
    found = []
    with console.progress("study review", len(seeds)) as advance:
        for seed in seeds:
            found.append(run(ReviewTrial(out / f"seed-{seed}", seed, patients, model, restart)))
            advance()
    return found
