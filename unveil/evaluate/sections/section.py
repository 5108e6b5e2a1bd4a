"""What a section of scores and page is: it keeps a little of each answer, and makes figures of what it has kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from unveil.core.grading import Case
from unveil.core.radeval import Metric
from unveil.core.records import KINDS, Dialogue, Kind, Prediction, Record, Shown
from unveil.evaluate.sensitivity import Looked
from unveil.evaluate.sums import Added

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Scoring:
    """What all sections are told beside the answers."""

    records: Sequence[Record]
    dialogues: Sequence[Dialogue]
    """Those that were asked."""
    pairs: Sequence[tuple[str, str]]
    """The models that are compared: the first less the second."""
    resamples: int
    seed: int
    looked: Mapping[str, Mapping[Shown, Looked]] = field(default_factory=dict)
    """By model and by what was shown, what became of answers to images that were taken away."""
    radeval: Sequence[Metric] = ()
    """Metrics of reports that the package RadEval is asked for."""
    part: bool = False
    """Whether the questions are only those of the split that every model has answered."""
    tables: Mapping[str, Added] = field(default_factory=dict)
    """What each model's answers add to the ratios of all metrics, in the order of the dialogues."""


@dataclass(frozen=True)
class Answers(Generic[Kept]):
    """What was kept of answers, by model."""

    asked: Mapping[str, Sequence[Kept]]
    """Of those that are scored."""
    validation: Mapping[str, Sequence[Kept]]
    """Of those of the validation split, on which thresholds and calibration may be chosen; empty where none are given,
    or not for a model."""


@dataclass(frozen=True)
class Section(Generic[Kept]):
    """A section: a part of scores.json, and of the report's page beneath a heading of its own.

    Many answers are scored, so ``keep`` takes no more of one than the figures need.
    """

    name: str
    """Its key under "sections" in scores.json, and its id on the page."""
    title: str
    """Its heading on the page."""
    keep: Callable[[Case, Prediction], Kept | None]
    """What of an answer the figures need; None where it takes no part."""
    summarise: Callable[[Answers[Kept], Scoring], dict[str, Any] | None]
    """The figures, as JSON values, from what was kept of each model's answers; None where there are none to tell."""
    template: str
    """The file beside this one that shows them: Jinja, told ``section`` (the figures) beside all that the page is."""
    pictures: Callable[[dict[str, Any], Mapping[str, Record], Mapping[str, Dialogue], Path], Any] | None = None
    """From the figures, records, dialogues by id and the records' file what the template is told as
    ``section.pictures``, where it shows some."""
    shown: Callable[[dict[str, Any]], None] | None = None
    """Shows the most important ones in the terminal, where it does."""
    kinds: Sequence[Kind] = KINDS
    """The kinds of questions whose answers it is shown."""
    truth_alone: bool = False
    """Whether what its figures read of what it keeps is true of the question, whoever answers: it is then shown the
    answers of the first model only."""
