"""What a benchmark is: which questions about which images, how they are worded, how answers are read and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unveil.core.grading import Case
from unveil.core.records import Kind, Prediction, Record

#: Words below questions whose answer is short, as LLaVA-1.5 (Liu et al. 2023, arXiv 2310.03744) and most evaluations
#: since have them.
SHORT = "Answer the question using a single word or phrase."
#: The same in Chinese.
SHORT_ZH = "请用一个词或短语回答。"


@dataclass(frozen=True)
class Further:
    """Figures that only one benchmark has, as JSON values."""

    ours: Mapping[str, Any]
    """By names of ``results.TITLES``."""
    published: Mapping[str, Any]
    """As its own code has them."""


@dataclass(frozen=True)
class Benchmark:
    """One row of the table of benchmarks. Citation, licence and access are those of its data sets' own rows."""

    name: str
    """What ``unveil benchmark`` calls it."""
    title: str
    """As people write it."""
    sets: tuple[str, ...]
    """The data sets, as ``--format`` calls them."""
    kinds: tuple[Kind, ...]
    """Which kinds of questions are asked."""
    metrics: tuple[str, ...]
    """What is told, by the names of ``metrics.METRICS``."""
    wording: str
    """How questions are worded, in words."""
    parser: str
    """How answers are read, in words."""
    split: str
    """Which images are asked about, in words."""
    size: int | None = None
    """How many questions the published test split has, where that is one number."""
    language: str | None = None
    """The ISO 639-1 code of its questions, where a set has several."""
    suffix: str = ""
    """Words below each closed or open question."""
    published: tuple[str, ...] = ()
    """Figures as others publish them that stand beside ours, by their names in the section ``as_published``."""
    report: bool = False
    """Whether reports are asked for, of one image a study; BLEU and METEOR are then told too."""
    further: Callable[[Sequence[tuple[Case, Prediction]], int, int], Further] | None = None
    """Figures of its own from answers beside the truth, a number of resamples and their seed."""
    group: Callable[[Record], str] | None = None
    """What images are grouped by; the plain mean of the first metric over the groups is told too."""
    group_title: str = ""
    """What the groups are, in words."""
    whole: bool = False
    """Whether all questions about the images of the test split are asked, those of other splits too."""
    beside: str = ""
    """Another protocol on the same data, by its name, whose figures stand on the same page."""
    protocol: str = ""
    """Who has laid the protocol down, where that is another paper than the data set's."""
    notes: tuple[str, ...] = ()
    """What a reader should know before the figures are believed, a sentence each."""


def by_source(record: Record) -> str:
    """The data set of an image."""
    return record.source.dataset


def by_part(record: Record) -> str:
    """The part of a set in which an image's file lies: its uppermost folder, or the file of arrays or rows."""
    first = (record.source.file or record.id).partition("#")[0].split("/")[0]
    return first.rsplit(".", 1)[0]
