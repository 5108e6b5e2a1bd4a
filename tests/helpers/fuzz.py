"""Mutated inputs for every reader: each is read, or refused by one of our own errors; nothing hangs, nothing is lost.

    python -m tests.helpers.fuzz --count 10000 --kept /tmp/failing

Bytes are changed, inserted, doubled and cut; in JSON, values, keys and items as well. Each reader runs in a process of
its own that is ended when an input takes too long. Counted are inputs that were read, those refused by an error of this
package ("named"), other errors, hangs, and drops: rows that are neither read nor rejected, images that became true
negatives beside rejected rows, and rows that could not be written again. Inputs that failed are kept as files; the same
seed makes the same inputs.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import tyro

from tests.helpers import exports, inputs
from unveil.cli import parse
from unveil.core import image_files, jsonl, pairs
from unveil.core.options import OptionError
from unveil.core.readings import Readings
from unveil.core.records import Dialogue, Prediction, Record
from unveil.curate import applied, label_studio
from unveil.curate.diagnose import read_corrections
from unveil.ingest import pickles
from unveil.ingest.runner import ingest

#: Address space of a reader's process: more than that is a bomb.
MOST_BYTES = 8 * 2**30
#: Seconds until a process may say its first word: imports take long on a busy machine.
IMPORTS = 300.0


@dataclass(frozen=True)
class Config:
    """Read mutated inputs by every reader."""

    count: int = 100
    """Inputs of each reader."""
    readers: tuple[str, ...] = ()
    """Only these readers; by default all."""
    seed: int = 0
    """Seed of the mutations."""
    seconds: float = 20.0
    """An input that takes longer hangs."""
    kept: Path | None = None
    """Folder for inputs that failed: READER-NUMBER and what is wrong with it."""
    child: str | None = None
    """Set by this program itself: the reader of this process."""
    start: int = 0
    """Number of the first input."""


# What is read, and what would be lost


def folder(format: str, files: dict[str, bytes], mutated: str) -> Callable[[Path, bytes], str | None]:
    """Reads a folder of two images; ``mutated`` is the file that the input takes the place of."""

    def take(work: Path, raw: bytes) -> str | None:
        data, out = work / "data", work / "out"
        for name, content in (files | inputs.PICTURES | {mutated: raw}).items():
            path = data / (f"images/{name}" if format == "yolo" and name in inputs.PICTURES else name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        ingest(data, format, out)
        read = list(jsonl.read_jsonl(out / "records.jsonl", Record))
        rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
        return inputs.lost(format, raw, read, rejected)

    return take


def rows(read: Callable[[Path], list[Any]]) -> Callable[[Path, bytes], str | None]:
    """Reads JSONL; what was read can be written, and reads as the same again."""

    def take(work: Path, raw: bytes) -> str | None:
        (work / "x.jsonl").write_bytes(raw)
        found = read(work / "x.jsonl")
        lines = sum(bool(line.strip()) for line in raw.split(b"\n"))
        if len(found) < lines:
            return f"{lines - len(found)} of {lines} rows are lost"
        jsonl.write_jsonl(work / "y.jsonl", found)
        return None if read(work / "y.jsonl") == found else "what was written reads differently"

    return take


def image(name: str) -> Callable[[Path, bytes], str | None]:
    """Reads an image in all ways: header, shown, and its values."""

    def take(work: Path, raw: bytes) -> str | None:
        (work / name).write_bytes(raw)
        header, shown = image_files.probe(work / name), image_files.read(work / name)
        image_files.read(work / name, windowed=False)
        if shown.array.shape[:2] != (header.height, header.width):
            return f"announced {header.width} x {header.height}, read {shown.array.shape}"
        return None if shown.array.dtype == np.uint8 else f"shown as {shown.array.dtype}"

    return take


def pickled(work: Path, raw: bytes) -> str | None:
    """What is told of a pickle, without any image."""
    (work / "a.pkl").write_bytes(raw)
    pickles.plain(work / "a.pkl")
    return None


def configuration(work: Path, raw: bytes) -> str | None:
    """A run.json given to --config."""
    (work / "run.json").write_bytes(raw)
    try:
        parse(["predict", "--config", str(work / "run.json")])
    except OptionError:
        return "the command line gave up without an error of ours"
    return None


def rows_of(kind: type) -> Callable[[Path, bytes], str | None]:
    return rows(lambda path: list(jsonl.read_jsonl(path, kind)))


def corrections(work: Path, raw: bytes) -> str | None:
    """The last word on each dialogue counts, so rows may be fewer."""
    (work / "x.jsonl").write_bytes(raw)
    read_corrections(work / "x.jsonl")
    return None


def reviewed(work: Path, raw: bytes) -> str | None:
    """Tasks of Label Studio as decisions, carried out on the record that they show."""
    (work / "x.json").write_bytes(raw)
    row = jsonl.from_json(Record, json.loads(exports.own_records()[0].splitlines()[0]))
    for one in label_studio.decisions(label_studio.tasks(work / "x.json"), {row.id: row}, Counter()):
        made = applied.record(row, Readings(row.id, (one,)), one, whole_image=False).row
        if made and not made.findings and made.completeness == "exhaustive":
            return "a lost box has made an image normal"
    return None


#: The forms of other programs and of the Hub.
EXPORTS: dict[str, tuple[Callable[[], list[bytes]], Callable[[Path, bytes], str | None]]] = {
    "cvat": (exports.cvat, folder("cvat", {}, "a.xml")),
    "labelme": (exports.labelme, folder("labelme", {}, "a.json")),
    "supervisely": (exports.supervisely, folder("supervisely", {}, "ann/a.png.json")),
    "label-studio": (exports.label_studio, folder("label-studio", {}, "a.json")),
    "via": (exports.via, folder("via", {}, "a.json")),
    "dota": (exports.dota, folder("dota", {}, "labelTxt/a.txt")),
    "imagefolder": (exports.rows, folder("imagefolder", {}, "metadata.jsonl")),
    "qa-json": (exports.asked, folder("qa-json", {}, "a.json")),
    "llava": (exports.turns, folder("llava", {}, "a.json")),
    "cell-boxes": (exports.marks, folder("cell-boxes", {}, "a.csv")),
    "parquet": (exports.parquet, folder("parquet", {}, "a.parquet")),
    "arrow": (exports.arrow, folder("parquet", {}, "a.arrow")),
    "own-records": (exports.own_records, folder("records", {}, "records.jsonl")),
    "reviewed-tasks": (exports.reviewed_tasks, reviewed),
    "pickles": (exports.pickles, pickled),
}
READERS: dict[str, tuple[Callable[[], list[bytes]], Callable[[Path, bytes], str | None]]] = {
    "records": (inputs.records_rows, rows_of(Record)),
    "dialogues": (inputs.dialogue_rows, rows_of(Dialogue)),
    "predictions": (inputs.prediction_rows, rows_of(Prediction)),
    "pairs": (inputs.pair_rows, rows(pairs.read_pairs)),
    "corrections": (inputs.correction_rows, corrections),
    "config": (inputs.configurations, configuration),
    "coco": (inputs.coco, folder("coco", {}, "c.json")),
    "voc": (inputs.voc, folder("voc", {"b.xml": inputs.VOC}, "a.xml")),
    "yolo": (inputs.yolo_labels, folder("yolo", inputs.YOLO, "labels/a.txt")),
    "yaml": (inputs.yolo_yaml, folder("yolo", inputs.YOLO, "data.yaml")),
    "csv": (inputs.table, folder("csv", {}, "t.csv")),
    **EXPORTS,
    "dicom": (inputs.dicoms, image("x.dcm")),
    "nifti": (inputs.niftis, image("x.nii")),
    "nifti-gz": (inputs.packed_niftis, image("x.nii.gz")),
    "png": (lambda: inputs.rasters("PNG"), image("x.png")),
    "jpeg": (lambda: inputs.rasters("JPEG"), image("x.jpg")),
    "tiff": (lambda: inputs.rasters("TIFF"), image("x.tif")),
    "webp": (lambda: inputs.rasters("WEBP"), image("x.webp")),
    "bmp": (lambda: inputs.rasters("BMP"), image("x.bmp")),
}


# The process of one reader


def mutated(reader: str, bases: list[bytes], seed: int, number: int) -> bytes:
    rng = Random(f"{reader}-{seed}-{number}")
    base = bases[number % len(bases)]
    structured = inputs.structure_mutated(base, rng) if rng.random() < 0.6 else None
    return structured if structured is not None else inputs.bytes_mutated(base, rng)


def outcome(take: Callable[[Path, bytes], str | None], raw: bytes) -> tuple[str, str]:
    """One of read, named, other, dropped; and what there is to say about it."""
    with tempfile.TemporaryDirectory() as work:
        try:
            lost = take(Path(work), raw)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            if type(error).__module__.startswith("unveil."):
                return ("named", "") if len(said) < inputs.LONGEST_MESSAGE else ("other", f"a long message: {said}")
            return "other", said
    return ("dropped", lost) if lost else ("read", "")


def child(config: Config) -> None:
    """Takes the inputs one by one; says of each how it went."""
    assert config.child
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    make, take = READERS[config.child]
    bases = make()
    for number in range(config.start, config.count):
        raw = mutated(config.child, bases, config.seed, number)
        with contextlib.redirect_stdout(io.StringIO()):
            kind, said = outcome(take, raw)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps([number, kind, said[:1000], peak]), flush=True)


# All of them


@dataclass
class Found:
    """What came of one reader's inputs."""

    counts: Counter[str]
    failed: list[tuple[int, str]]
    peak_mb: int = 0


def fuzz(reader: str, config: Config) -> Found:
    """All inputs of one reader; a process that hangs or dies is started anew behind its input."""
    found, number = Found(Counter(), []), config.start
    while number < config.count:
        words = ["--child", reader, "--start", str(number), "--count", str(config.count), "--seed", str(config.seed)]
        with subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.fuzz", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as running:
            assert running.stdout
            number, ended = _listen(running.stdout.fileno(), number, found, config)
            running.kill()
        if number < config.count:
            found.counts[ended] += 1
            found.failed.append((number, ended))
            number += 1
    return found


def _listen(pipe: int, number: int, found: Found, config: Config) -> tuple[int, str]:
    """The number of the first input that nothing was said of, and why."""
    rest, wait = b"", IMPORTS
    while number < config.count:
        if not select.select([pipe], [], [], wait)[0]:
            return number, "hang"
        if not (more := os.read(pipe, 2**16)):
            return number, "other"
        *lines, rest = (rest + more).split(b"\n")
        wait = config.seconds
        for line in lines:
            at, kind, said, peak = json.loads(line)
            number = at + 1
            found.counts[kind] += 1
            found.peak_mb = max(found.peak_mb, peak)
            if kind in ("other", "dropped"):
                found.failed.append((at, f"{kind}: {said}"))
    return number, ""


def main(config: Config) -> int:
    """Prints a line per reader; 1 if anything failed."""
    if config.child:
        child(config)
        return 0
    heads = ("read", "named", "other", "hang", "dropped")
    print(f"{'reader':14}" + "".join(f"{head:>9}" for head in (*heads, "peak MB")), flush=True)
    failed = 0
    for reader in config.readers or READERS:
        found = fuzz(reader, config)
        failed += len(found.failed)
        print(f"{reader:14}" + "".join(f"{found.counts[head]:9}" for head in heads) + f"{found.peak_mb:9}", flush=True)
        for number, said in found.failed[:5]:
            print(f"    {number}: {said[:300]}")
        if config.kept:
            _keep(reader, found, config)
    return 1 if failed else 0


def _keep(reader: str, found: Found, config: Config) -> None:
    assert config.kept
    shutil.rmtree(config.kept / reader, ignore_errors=True)
    bases = READERS[reader][0]()
    for number, said in found.failed:
        path = config.kept / reader / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(reader, bases, config.seed, number))
        path.with_suffix(".txt").write_text(said + "\n", encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
