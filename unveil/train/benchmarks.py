"""Nothing is learnt from images of a benchmark's test split, unless that was asked for; then the model says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from unveil.core import benchmarks, console
from unveil.core.digests import about_run, folder_of
from unveil.core.jsonl import read_jsonl
from unveil.core.provenance import is_first
from unveil.core.records import Dialogue, Pair, Record
from unveil.train.loop import TrainingError


def known(records: Path | None) -> dict[str, str]:
    """The benchmarks of records by their ids: what dialogues of before they said so themselves lack."""
    if records is None:
        return {}
    about = records.stat() if records.is_file() else None
    return _known(records, about and (about.st_ino, about.st_size, about.st_mtime_ns))


@lru_cache(4)
def _known(records: Path, _: object) -> dict[str, str]:
    """Read once while the file stays as it is."""
    return benchmarks.of_records(list(read_jsonl(records, Record)))


def refuse(
    rows: Sequence[Dialogue | Pair], allowed: bool, file: Path, of_records: Mapping[str, str] = benchmarks.NONE
) -> None:
    """Raises ``TrainingError`` for rows of training or validation about images of a benchmark's test split, unless
    these are ``allowed``. ``of_records`` are the benchmarks of their records."""
    found = benchmarks.counted(rows, of_records)
    if found and not allowed:
        raise refused(found, file)


def refused(found: Mapping[str, int], file: Path) -> TrainingError:
    """Why so many images of benchmarks' test splits are not learnt from, and what to do."""
    return TrainingError(
        f"{file}: training and validation have {benchmarks.told(found)}, so that {benchmarks.WORTHLESS}: "
        "`unveil check --records RECORDS --resplit FILE` keeps them in test; "
        "--allow-benchmark-test learns from them all the same, and the report says so"
    )


def learnt(
    rows: Sequence[Dialogue | Pair], model: str, of_records: Mapping[str, str] = benchmarks.NONE
) -> dict[str, dict[str, int]]:
    """What run.json says of a model that has learnt from ``rows``, or that starts from a ``model`` which has learnt
    from such images: how many of each benchmark's test split, at the least; nothing where there are none."""
    before = benchmarks.of_run(about_run(folder_of(model) / "run.json"))
    found = benchmarks.most([before, benchmarks.counted(rows, of_records)])
    if found and is_first():
        console.say(f"note: the model has learnt from {benchmarks.told(found)}: {benchmarks.WORTHLESS}")
    return {benchmarks.KEY: found} if found else {}
