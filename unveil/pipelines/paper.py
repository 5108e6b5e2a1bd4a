"""What a paper's evaluation is made of here: commands in order, and the table of figures that they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unveil.core import options
from unveil.evaluate.benchmarks import BENCHMARKS
from unveil.experts.options import AskedOptions

Figures = Mapping[str, Mapping[str, float]]
"""Rows of a paper's table, and in each its figures by column."""


@dataclass(frozen=True)
class TypedCommand:
    """A command of the chain, as it is typed after ``unveil``."""

    name: str
    """Of its log, and how others name it."""
    words: tuple[str, ...]
    """A word in braces, such as ``{rarest}``, is filled in when what comes before is done."""
    after: tuple[str, ...] = ()
    """Commands without which it cannot be run."""


@dataclass(frozen=True)
class FigureOf:
    """Where a figure of ours comes from: a benchmark's run and a part of what it says."""

    folder: str
    """The run's folder, below that of the study."""
    metric: str
    group: str | None = None
    """A group's figure; "mean" is the plain mean over groups."""
    labels: str = ""
    """Only images with one of these labels, as ``{rarest}`` has them."""
    published: bool = False
    """Whether the metric is one as others publish it, with its faults, and not ours."""


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper with ours beside."""

    title: str
    columns: tuple[str, ...]
    paper: Figures
    ours: Mapping[str, Mapping[str, FigureOf]]
    scale: float = 1.0
    """What ours are multiplied with to be in the paper's units."""


@dataclass(frozen=True)
class MetricColumns:
    """Columns of a table, the same metrics of each benchmark; both by their names in the paper."""

    benchmarks: Mapping[str, str]
    metrics: Mapping[str, str]
    published: bool = False
    """Whether the metrics are told as LLaVA-Med's evaluation has them, with its faults."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{title} {metric}" for title in self.benchmarks for metric in self.metrics)

    def row(self, *figures: float) -> Mapping[str, float]:
        """The paper's figures of a method, in the order of the columns."""
        return dict(zip(self.names, figures, strict=True))

    def table(self, title: str, paper: Figures, rows: Mapping[str, str]) -> PaperTable:
        """The table in per cent; ``rows`` names the folders of our models, as ``PaperRun.measured`` has them."""
        return PaperTable(title, self.names, paper, {row: self._ours(folder) for row, folder in rows.items()}, 100.0)

    def _ours(self, folder: str) -> Mapping[str, FigureOf]:
        return {
            f"{title} {column}": FigureOf(
                measured(benchmark, folder), self._told(benchmark, metric), published=self.published
            )
            for title, benchmark in self.benchmarks.items()
            for column, metric in self.metrics.items()
        }

    def _told(self, benchmark: str, metric: str) -> str:
        """The name of a metric in what a benchmark's run says."""
        if not self.published:
            return metric
        own = [name for name in BENCHMARKS[benchmark].published if name.startswith("llava_med_")]
        [name] = [name for name in own if name.endswith(f"_{metric}")]
        return name


#: What is told of questions with short answers.
ANSWERS = {"open": "open_recall", "closed": "closed"}


def named(folder: str) -> str:
    """How the command is called that makes a folder of the study."""
    return folder.replace("/", "-")


def measured(benchmark: str, folder: str) -> str:
    """The folder of a benchmark's run on the model of a folder."""
    return f"{benchmark}/{folder}-measured"


@dataclass(frozen=True)
class PaperRun:
    """What a user has said of a study."""

    out: Path
    model: str
    seed: int
    asked: AskedOptions = field(default_factory=AskedOptions)
    epochs: float | None = None
    limit: int | None = None
    restart: bool = False
    allow_benchmark_test: bool = False

    @property
    def seeded(self) -> tuple[str, ...]:
        return ("--seed", str(self.seed), *self.again)

    @property
    def few(self) -> tuple[str, ...]:
        """For what takes questions to sample answers to."""
        return () if self.limit is None else ("--limit", str(self.limit))

    @property
    def expert(self) -> tuple[str, ...]:
        """For what asks one."""
        return tuple(options.words(self.asked))

    @property
    def training(self) -> tuple[str, ...]:
        """For what trains."""
        words = [] if self.epochs is None else ["--epochs", f"{self.epochs:g}"]
        words += ["--allow-benchmark-test"] if self.allow_benchmark_test else []
        return (*words, *self.seeded)

    @property
    def again(self) -> tuple[str, ...]:
        return ("--restart",) if self.restart else ()

    def benchmark(self, name: str, data: Path, out: str, model: str, after: tuple[str, ...]) -> TypedCommand:
        """A model measured by a benchmark."""
        words = ["benchmark", name, "--data", str(data), "--model", model, "--out", str(self.out / out), *self.few]
        words += ["--allow-benchmark-test"] if self.allow_benchmark_test else []
        return TypedCommand(named(out), (*words, *self.seeded), after)

    def split(self, records: Path, name: str, after: tuple[str, ...] = ()) -> TypedCommand:
        """Records dealt so that no patient, copy or test image is in two splits."""
        out = self.out / name / "records.jsonl"
        words = ("check", "--records", str(records), "--resplit", str(out))
        return TypedCommand(named(name), (*words, *self.seeded), after)


@dataclass(frozen=True)
class Taught:
    """A data set that models are trained on, and its folder in that of the study."""

    name: str
    asked: PaperRun

    @property
    def own(self) -> Path:
        return self.asked.out / self.name

    @property
    def records(self) -> tuple[str, ...]:
        return ("--records", str(self.own / "split" / "records.jsonl"))

    @property
    def both(self) -> tuple[str, ...]:
        """Records and questions, as most commands take them."""
        return (*self.records, "--dialogues", str(self.own / "dialogues.jsonl"))

    def prepared(self, place: Path, form: str, *mau: str) -> list[TypedCommand]:
        """Reads the set, deals its splits and asks its questions; the last of them is called "questions"."""
        read = ("--data", str(place), "--format", form, "--out", str(self.own / "read"), *self.asked.again)
        asking = ("curate", "mau", *self.records, "--out", str(self.own / "dialogues.jsonl"), *mau, *self.asked.seeded)
        return [
            TypedCommand(f"{self.name}-read", ("ingest", *read)),
            self.asked.split(self.own / "read" / "records.jsonl", f"{self.name}/split", (f"{self.name}-read",)),
            TypedCommand(f"{self.name}-questions", asking, (f"{self.name}-split",)),
        ]

    def made(self, out: str, words: tuple[str, ...], after: str) -> TypedCommand:
        """A command that writes ``out`` into the set's folder when what is called ``after`` is done."""
        name = out.removesuffix(".jsonl")
        return TypedCommand(f"{self.name}-{name}", (*words, "--out", str(self.own / out)), (f"{self.name}-{after}",))


@dataclass(frozen=True)
class Paper:
    """A paper's evaluation."""

    name: str
    title: str
    sets: tuple[str, ...]
    """The data sets that it is made from."""
    commands: Callable[[Mapping[str, Path], Path, PaperRun], list[TypedCommand]]
    """From the folders of those that are there, and the folder that holds them."""
    tables: tuple[PaperTable, ...]
    cannot: tuple[str, ...]
    """What cannot be redone as it was, a sentence each."""
    fills: Mapping[str, Callable[[Path], tuple[str, ...]]] = field(default_factory=dict)
    """What words in braces stand for, from the study's folder."""
    idle: Callable[[PaperRun], Mapping[str, str]] = lambda asked: {}
    """Commands that would come to nothing as the study is asked for, and why."""
    notes: Callable[[Mapping[str, Path]], Sequence[str]] = lambda places: ()
    """What else a user should know before the first command, of the data sets that are there."""
