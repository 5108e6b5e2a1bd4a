"""What a paper's evaluation is made of here: commands in order, and the table of figures that they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
class PaperRun:
    """What a user has said of a study."""

    out: Path
    model: str
    seed: int
    expert: str
    epochs: float | None = None
    limit: int | None = None
    restart: bool = False
    allow_benchmark_test: bool = False

    def training(self, limited: bool = False) -> tuple[str, ...]:
        """Options of what trains; ``limited`` of those that take questions to sample from."""
        words = ["--seed", str(self.seed)]
        words += ["--epochs", f"{self.epochs:g}"] if self.epochs is not None else []
        words += ["--limit", str(self.limit)] if limited and self.limit is not None else []
        words += ["--allow-benchmark-test"] if self.allow_benchmark_test else []
        return (*words, *self.again())

    def again(self) -> tuple[str, ...]:
        return ("--restart",) if self.restart else ()

    def benchmark(self, name: str, data: Path, out: str, model: str, after: tuple[str, ...]) -> TypedCommand:
        """A model measured by a benchmark."""
        words = ["benchmark", name, "--data", str(data), "--model", model, "--out", str(self.out / out)]
        words += ["--limit", str(self.limit)] if self.limit is not None else []
        words += ["--allow-benchmark-test"] if self.allow_benchmark_test else []
        return TypedCommand(f"{out.replace('/', '-')}", (*words, "--seed", str(self.seed), *self.again()), after)

    def split(self, records: Path, name: str, after: tuple[str, ...] = ()) -> TypedCommand:
        """Records dealt so that no patient, copy or test image is in two splits."""
        out = self.out / name / "records.jsonl"
        words = ("check", "--records", str(records), "--resplit", str(out), "--seed", str(self.seed))
        return TypedCommand(name.replace("/", "-"), (*words, *self.again()), after)


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
