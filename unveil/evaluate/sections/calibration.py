"""Calibration: whether a model's confidence tells when it is right, and what is gained where it answers only when sure.

Of yes-or-no questions and of multiple choice the confidence is that of the likeliest answer among those to choose from,
the softmax over their log-probabilities (``Prediction.options``), and what is judged is that answer, not the text;
among equally likely ones it is a guess. Of
names and open answers it is the geometric mean of the probabilities of the answer's tokens (``Prediction.tokens``), and
what is judged is the text. Thresholds and the isotonic calibration are chosen on the validation split alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unveil.core import console
from unveil.core.answers import yes_or_no_alone
from unveil.core.bootstrap import MANY
from unveil.core.choices import likeliest, read_choice
from unveil.core.grading import Case
from unveil.core.records import Kind, Prediction
from unveil.evaluate import selective
from unveil.evaluate.estimates import written
from unveil.evaluate.reliability import BINS, Confident
from unveil.evaluate.sections.section import Answers, Scoring, Section
from unveil.evaluate.selective import TARGETS

GROUPS = {
    "yes_no": "Yes-or-no questions",
    "choice": "Multiple choice",
    "free": "Names and open answers",
}
FREE: tuple[Kind, ...] = ("open", "recognition")


class Sureness(NamedTuple):
    """What the figures need of an answer. ``confidence`` is NaN where it is not known."""

    group: str
    cluster: str
    confidence: float
    right: float
    """0 or 1, or the chance of a guess among equally likely options.
    """
    brier: float = 0.0
    """Over all options: the sum of (p_k - y_k)^2, as Brier (1950) has it."""
    mass: float = 0.0
    """The probability that the model gives to the options together, before they are made to add up to 1."""
    true: int = 0
    """Which option is true."""


def keep(case: Case, prediction: Prediction) -> Sureness | None:
    """Its confidence and whether it is right; None where it is of another kind or has no verdict."""
    if case.dialogue.kind in FREE:
        if (right := case.outcome.right) is None:
            return None
        return Sureness("free", case.record.cluster, _of_tokens(prediction), float(right))
    true = _true(case)
    if true is None:
        return None
    group = "choice" if case.dialogue.kind == "choice" else "yes_no"
    if not prediction.options:
        return Sureness(group, case.record.cluster, math.nan, 0.0)
    odds = [math.exp(logp) for logp in prediction.options]
    most = max(prediction.options)
    weights = [math.exp(logp - most) for logp in prediction.options]
    total = sum(weights)
    shares = [weight / total for weight in weights]
    brier = sum((share - (i == true)) ** 2 for i, share in enumerate(shares))
    guesses = likeliest(prediction.options)
    chance = (true in guesses) / len(guesses)
    return Sureness(group, case.record.cluster, max(shares), chance, brier, sum(odds), true)


def _of_tokens(prediction: Prediction) -> float:
    """The geometric mean of the tokens' probabilities."""
    tokens = prediction.tokens
    return min(1.0, math.exp(sum(logp for _, logp in tokens) / len(tokens))) if tokens else math.nan


def _true(case: Case) -> int | None:
    """Which of the answers to choose from is the true one, yes before no; None where there is none that is known."""
    dialogue = case.dialogue
    if dialogue.kind == "choice":
        return read_choice(dialogue.answer, dialogue.choices)
    yes = yes_or_no_alone(dialogue.answer) if dialogue.kind == "closed" else None
    if dialogue.kind == "detection" and (case.record.findings or case.exhaustive):
        yes = bool(case.record.findings)
    return None if yes is None else 0 if yes else 1


def summarise(answers: Answers[Sureness], scoring: Scoring) -> dict[str, Any] | None:
    """The figures of each model by group; None where no question of these groups was asked."""
    models = {}
    for model, rows in answers.asked.items():
        held = answers.validation.get(model, ())
        parts = {
            group: ([r for r in rows if r.group == group], [r for r in held if r.group == group]) for group in GROUPS
        }
        models[model] = {group: _group(*part, scoring) for group, part in parts.items() if part[0]}
    if not any(models.values()):
        return None
    return {"bins": BINS, "norm": "l1", "least": MANY, "titles": GROUPS, "models": models}


def _group(asked: Sequence[Sureness], held: Sequence[Sureness], scoring: Scoring) -> dict[str, Any]:
    """One model's figures on one group of questions."""
    known, fitted = _known(asked), _known(held)
    about = {"questions": len(asked), "n": len(known)}
    if not known:
        return about | {"reason": "the predictions do not tell how sure the model was: predict again"}
    beside = {}
    if known[0].group != "free":
        beside = {"brier_options": np.array([r.brier for r in known]), "mass": np.array([r.mass for r in known])}
    if known[0].group == "yes_no":
        yes = sum(row.true == 0 for row in known)
        about |= {"yes": yes, "no": len(known) - yes}
    why = _why_not(len(held), len(fitted))
    chosen_on = None if why else _judged(fitted)
    return about | selective.figures(_judged(known), beside, chosen_on, why, scoring.resamples, scoring.seed)


def _known(rows: Sequence[Sureness]) -> list[Sureness]:
    return [row for row in rows if not math.isnan(row.confidence)]


def _judged(rows: Sequence[Sureness]) -> Confident:
    return selective.confident([(row.cluster, row.confidence, row.right) for row in rows])


def _why_not(held: int, known: int) -> str:
    """Why nothing can be chosen on the validation split; empty where something can."""
    if known >= MANY:
        return ""
    if not held:
        return "no answers of the validation split are given"
    told = "" if known == held else f" of {held} that tell how sure the model was"
    return f"{known} answers of the validation split{told}: {MANY} are needed"


def shown(figures: dict[str, Any]) -> None:
    """Calibration in the terminal: a line for each model and group."""
    rows, lacking = [], []
    for model, groups in figures["models"].items():
        for group, found in groups.items():
            if found["n"] < found["questions"]:
                number = f"{found['questions'] - found['n']} of {found['questions']} answers of {model}"
                lacking.append(f"calibration, {GROUPS[group].lower()}: {number} do not tell how sure it was: left out")
            if "reason" in found:
                continue
            last = found["selective"][-1]
            answered = "-" if "reason" in last else written(last["coverage"])
            right = "-" if "reason" in last else written(last["accuracy"])
            cells = [written(found["ece"]), written(found["brier"]), answered, right]
            rows.append([f"{model}: {GROUPS[group].lower()}", str(found["n"]), *cells])
    target = f"{TARGETS[-1]:.0%}"
    columns = ["", "n", "ECE", "Brier", f"answered where sure\n(for {target})", "of these right"]
    if rows:
        console.table("Calibration: value and 95 % interval", columns, rows)
    for told in lacking:
        console.say(told)


CALIBRATION = Section(
    name="calibration",
    title="How sure, and how right",
    keep=keep,
    summarise=summarise,
    template="calibration.html.j2",
    shown=shown,
    kinds=("detection", "closed", "choice", *FREE),
)
