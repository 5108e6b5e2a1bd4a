"""The command ``unveil ingest``: annotated images of a folder, or synthetic ones, to ``records.jsonl``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import tyro

from unveil.core import console, jsonl, provenance, records, splits
from unveil.core.number_types import Count
from unveil.core.options import OneOf
from unveil.core.path_types import Input, OutputFolder
from unveil.core.registry import PluginOptions
from unveil.ingest.reading import Options
from unveil.ingest.storing import FIRST, Kind, Storage


def _formats() -> Iterator[str]:
    from unveil.ingest.formats import AUTO, FORMATS, SYNTHETIC

    yield from (AUTO, *FORMATS, SYNTHETIC)


Format = Annotated[str, OneOf(_formats)]


#: What the files themselves do not say: options of the readers, a group of their own in the help, without a prefix.
Reading = tyro.conf.OmitArgPrefixes[Options]


@dataclass(frozen=True, kw_only=True)
class Config(PluginOptions):
    """Read annotated images of a folder, or draw some, into records.jsonl; what is unusable goes to rejected.jsonl."""

    seldom: ClassVar[tuple[str, ...]] = ("shard_rows",)

    data: Input | None = None
    """Folder of the annotated images, a zip of it, or one annotation file in it; none for synthetic."""
    format: Format = "auto"
    """How they are annotated: auto lets the files tell, and asks where they may be read in two ways; synthetic draws
    images instead. `unveil datasets` tells what each of the others reads."""
    out: OutputFolder
    """Folder for records.jsonl and rejected.jsonl."""
    store: Kind = "jsonl"
    """How the records lie there: as records.jsonl; as shards, records-00001.jsonl and so on, which all commands read
    under the name records.jsonl; or as records.parquet."""
    shard_rows: Count = 100_000
    """Records of each shard."""
    workers: Count | None = None
    """Processes that decode or draw images; by default one per core."""
    patients: int = 320
    """synthetic: how many patients are drawn, some three images each."""
    seed: int = 0
    """synthetic: seed of every pixel and word."""
    size: int = 256
    """synthetic: width and height of an image."""
    restart: bool = False
    """Write over what another run has left in its place."""
    reading: Reading = field(default_factory=Options)
    """What the files themselves do not say."""


def main(config: Config) -> Path:
    """Writes the records and returns their file."""
    data, reading = located(config.data, config.format, config.reading)
    config = replace(config, data=data, reading=reading)
    with provenance.output(config.out, "ingest", config, inputs(config), FIRST) as output:
        if output:
            _ingest(config)
            output.write()
    return _store(config).file(config.out)


def inputs(config: Any) -> list[Path]:
    """What a command reads whose data are ``located``."""
    from unveil.ingest import sources

    return sources.inputs(config.data, config.reading)


def _store(config: Config) -> Storage:
    return Storage(config.store, config.shard_rows)


def located(data: Path | None, format: Format, reading: Options) -> tuple[Path | None, Options]:
    """What is read: of an annotation file its folder, and with the options that it is the only one.

    Raises ``ValueError`` where data and format do not go together, or there are no such data.
    """
    if (format == "synthetic") != (data is None):
        raise records.RecordError(
            "--data is needed: the folder of the annotated images; --format synthetic draws some instead"
            if data is None
            else "--format synthetic draws images and reads no --data: leave one of them out"
        )
    if data is None:
        return None, reading
    from unveil.ingest import sources

    return sources.located(data, reading)


def _ingest(config: Config) -> None:
    from unveil.ingest.runner import ingest as read_folder
    from unveil.synthetic.dataset import synthetic_records

    store = _store(config)
    file = store.file(config.out)
    if config.data is None:
        drawn: list[records.Record] = []
        with console.progress("draw", config.patients) as advance:
            patients: set[str | None] = set()
            workers = config.workers or os.cpu_count() or 1
            for record in synthetic_records(config.out, config.patients, config.seed, config.size, workers):
                drawn.append(record)
                if record.patient not in patients:
                    patients.add(record.patient)
                    advance()
        lines = config.out / "records.jsonl.drawn"
        jsonl.write_jsonl(lines, splits.assign_splits(drawn, seed=config.seed))
        store.put(lines, config.out)
        lines.unlink(missing_ok=True)
        jsonl.write_jsonl(config.out / "rejected.jsonl", [])
        console.say(f"drew {len(drawn)} images of {len(patients)} patients into {file}")
    else:
        summary = read_folder(config.data, config.format, config.out, config.reading, config.workers, store)
        console.say(f"{summary.records} images with {summary.findings} findings in {file}; {summary.rejected} rejected")
        for reason in summary.reasons:
            what = f"rejected {reason.rows} rows" if reason.rows else f"left out {reason.entries} files"
            console.say(f"  {what}: {reason}")
        for note in summary.notes:
            console.say(f"  note: {note}")
        if summary.splits.keys() != {""}:
            sizes = ", ".join(f"{n} {split or 'in none'}" for split, n in sorted(summary.splits.items()))
            console.say(f"  published splits: {sizes}")
