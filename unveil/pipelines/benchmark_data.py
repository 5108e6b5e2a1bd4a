"""Where a benchmark's data sets lie: told by their files, and what is missing by the table of data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unveil.core.records import RecordError
from unveil.core.untrusted import listed
from unveil.evaluate.benchmarks import Benchmark
from unveil.ingest import datasets, sources
from unveil.ingest.folder import Folder
from unveil.ingest.formats import FORMATS, chosen
from unveil.ingest.reading import IngestError, Options


@dataclass(frozen=True)
class SetsFound:
    """Which data sets lie in a folder."""

    sets: Mapping[str, Path]
    """Their folders, by the names that ``--format`` has."""
    others: Mapping[str, str]
    """What else lies there, by its name, and why it is no data set that can be read."""


@dataclass(frozen=True)
class Places:
    """What a benchmark is made from: records that were read before, or the folders of its data sets."""

    records: Path | None
    sets: Mapping[str, Path]
    missing: tuple[str, ...] = ()
    """Those of its sets that are not there."""

    @property
    def inputs(self) -> list[Path]:
        return [self.records] if self.records else list(self.sets.values())


def places(benchmark: Benchmark, data: Path) -> Places:
    """Where a benchmark's data lie. Raises ``IngestError`` where they do not, naming the parts that are missing."""
    if file := records_file(data):
        return Places(file, {})
    if len(benchmark.sets) > 1:
        return among(benchmark, sets_in(data), data)
    [name] = benchmark.sets
    if data.is_dir():
        complete(name, data)
    return Places(None, {name: data})


def records_file(data: Path) -> Path | None:
    """The records that ``data`` is, or that lie in it as `unveil ingest` has left them; None where it holds none."""
    if data.name.startswith("records.") and data.suffix in (".jsonl", ".parquet"):
        return data
    return data / "records.jsonl" if (data / "records.jsonl").is_file() else None


def among(benchmark: Benchmark, found: SetsFound, data: Path) -> Places:
    """Those of a benchmark's sets that were found; raises ``IngestError`` where none was."""
    there = {name: found.sets[name] for name in benchmark.sets if name in found.sets}
    missing = tuple(name for name in benchmark.sets if name not in there)
    if not there:
        raise IngestError(
            f"{data}: none of the data sets of {benchmark.title} is in a folder below it ({listed(benchmark.sets)}); "
            "`unveil datasets NAME` tells how each is told"
        )
    for name, place in there.items():
        complete(name, place)
    return Places(None, there, missing)


def complete(name: str, place: Path) -> None:
    """Raises ``IngestError`` where a folder lacks what a data set's reader cannot do without."""
    form = FORMATS[name]
    assert form.about
    lines, whole = datasets.checked(Folder.of(place, Options()), form, form.about)
    if not whole:
        raise IngestError("\n".join([f"{place}: not the whole of {name}", *lines[1:]]))


def sets_in(data: Path) -> SetsFound:
    """The data sets in the folders below one, or in the folder itself where none of these is any.

    Raises ``RecordError`` where two folders hold the same set, which would be measured twice.
    """
    if not data.is_dir():
        raise IngestError(f"{data}: a folder is needed whose folders hold the data sets")
    below = [path for path in sorted(data.iterdir()) if _may_be_read(path)]
    found = _told(below)
    return found if found.sets else _told([data]) if _told([data]).sets else found


def _may_be_read(path: Path) -> bool:
    return not path.name.startswith(".") and (path.is_dir() or sources.is_zip(path))


def _told(paths: Sequence[Path]) -> SetsFound:
    sets: dict[str, Path] = {}
    others: dict[str, str] = {}
    for path in paths:
        try:
            form = chosen(Folder.of(path, Options()), "auto")
        except IngestError as error:
            others[path.name] = str(error)
            continue
        if form.about is None:
            others[path.name] = f"a form of annotation ({form.name}), no data set that is told by its files"
        elif form.name in sets:
            raise RecordError(f"{path} and {sets[form.name]} both hold {form.name}: measure by one of them at a time")
        else:
            sets[form.name] = path
    return SetsFound(sets, others)
