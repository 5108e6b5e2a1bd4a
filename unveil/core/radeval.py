"""Clinical metrics of reports by the package RadEval (arXiv 2509.18030): RadGraph F1, CheXbert, GREEN, RaTEScore.

RadEval is asked for the score of each report, so that intervals are drawn over patients. Its models are downloaded by
it on first use. A report of which a model reads nothing gets the metric's ``edge``, 0 or 0.5, whether it is right or
not: how many stand there is told beside each score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Protocol

from unveil.core.faults import goes_through

#: What RadEval is asked for.
Metric = Literal["radgraph", "f1chexbert", "ratescore", "green"]


class RadEvalError(ValueError):
    """RadEval is not there, failed, or gave something else than a score for each report."""


class Evaluator(Protocol):
    """RadEval's object: references and answers to scores of each by the name of the score."""

    def __call__(self, refs: list[str], hyps: list[str]) -> Mapping[str, Sequence[float]]: ...


@dataclass(frozen=True)
class RadEvalScore:
    """One of a metric's scores: its key in RadEval's reply, and what it is where nothing was read (None: no such)."""

    key: str
    edge: float | None


#: The scores of each report by metric. Of CheXbert these are shares of labels that agree; its F1 is one of a corpus.
SCORES: dict[Metric, tuple[RadEvalScore, ...]] = {
    "radgraph": (
        RadEvalScore("radgraph_simple", 0.0),
        RadEvalScore("radgraph_partial", 0.0),
        RadEvalScore("radgraph_complete", 0.0),
    ),
    "f1chexbert": (RadEvalScore("f1chexbert_sample_acc_5", None), RadEvalScore("f1chexbert_sample_acc_all", None)),
    "ratescore": (RadEvalScore("ratescore", 0.5),),
    "green": (RadEvalScore("green", 0.0),),
}
#: Those whose text RadEval's model must see in small letters: its two published versions differ in that.
LOWERED: tuple[Metric, ...] = ("radgraph",)


@lru_cache
def evaluator(metric: Metric, per_sample: bool = True) -> Evaluator:
    """RadEval with one metric; raises ``RadEvalError`` where it is not installed or its models cannot be had."""
    try:
        from radeval import RadEval
    except ImportError as error:
        raise RadEvalError(f"{metric} needs the package RadEval: pip install 'unveil[radeval]' ({error})") from error
    try:
        made: Evaluator = RadEval(metrics=[metric], per_sample=per_sample, show_progress=False)
    except Exception as error:  # whatever a download or a model raises is told with the metric's name
        if goes_through(error):
            raise
        raise RadEvalError(f"{metric}: RadEval cannot load its models: {type(error).__name__}: {error}") from error
    return made


def scores(metric: Metric, references: Sequence[str], answers: Sequence[str]) -> dict[str, list[float]]:
    """The scores of each answer by name, in order; raises ``RadEvalError`` where RadEval gives something else.

    An empty answer scores 0 without being asked about: RadEval's own would be the ``edge``, and for RaTEScore 0.5.
    """
    if metric not in SCORES:
        raise RadEvalError(f"{metric!r}: RadEval is asked for {', '.join(SCORES)}")
    asked = [i for i, text in enumerate(answers) if text.strip()]
    found = {score.key: [0.0] * len(answers) for score in SCORES[metric]}
    if asked:
        reply = _asked(metric, [references[i] for i in asked], [answers[i] for i in asked])
        for key, values in found.items():
            for i, value in zip(asked, _values(metric, key, reply, len(asked)), strict=True):
                values[i] = value
    return found


def corpus(metric: Metric, references: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """RadEval's figures of the whole corpus, such as CheXbert's micro and macro F1; empty answers are among them."""
    reply = _asked(metric, references, answers, per_sample=False)
    return {key: float(value) for key, value in reply.items()}


def _asked(metric: Metric, references: Sequence[str], answers: Sequence[str], per_sample: bool = True) -> Any:
    lowered = [[text.lower() if metric in LOWERED else text for text in texts] for texts in (references, answers)]
    asked = evaluator(metric, per_sample)
    try:
        return asked(refs=lowered[0], hyps=lowered[1])
    except Exception as error:  # whatever a model of others raises is told with the metric's name
        if goes_through(error):
            raise
        raise RadEvalError(f"{metric}: RadEval failed: {type(error).__name__}: {error}") from error


def _values(metric: Metric, key: str, reply: Mapping[str, Sequence[float]], count: int) -> list[float]:
    if key not in reply:
        raise RadEvalError(f"{metric}: RadEval gave {', '.join(map(str, reply))}, not {key}; is it another version?")
    values = [float(value) for value in reply[key]]
    if len(values) != count or not all(map(math.isfinite, values)):
        raise RadEvalError(f"{metric}: RadEval gave {len(values)} values of {key} for {count} reports, or no number")
    return values
