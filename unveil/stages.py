"""The commands that are one stage each: a flat frozen dataclass, and what is done with it.

A stage reads files and writes files and never calls another stage; ``job`` chains them.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import tyro

from unveil import records, runs, screen
from unveil.curate.mau import Rules
from unveil.ingest.reading import Options
from unveil.records import Kind

Format = Literal["phantom", "voc", "coco", "yolo", "csv"]


#: What the files themselves do not say: options of the readers, a group of their own in the help, without a prefix.
Reading = tyro.conf.OmitArgPrefixes[Options]


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """Read annotated images of a folder, or draw some, into records.jsonl; what is unusable goes to rejected.jsonl."""

    data: Path | None = None
    """Folder of the annotated images; none for phantom."""
    format: Format
    """How they are annotated; phantom draws images instead."""
    out: Path
    """Folder for records.jsonl and rejected.jsonl."""
    patients: int = 320
    """phantom: how many patients are drawn, some three images each."""
    seed: int = 0
    """phantom: seed of every pixel and word."""
    size: int = 256
    """phantom: width and height of an image."""
    reading: Reading = field(default_factory=Options)
    """What the files themselves do not say."""


def ingest(config: IngestConfig) -> None:
    from unveil.ingest import ingest as read_folder
    from unveil.ingest.phantom import phantoms

    started = time.monotonic()
    file = config.out / "records.jsonl"
    if config.format == "phantom":
        drawn: list[records.Record] = []
        with screen.progress("draw", config.patients) as advance:
            patients: set[str | None] = set()
            for record in phantoms(config.out, config.patients, config.seed, config.size, os.cpu_count() or 1):
                drawn.append(record)
                if record.patient not in patients:
                    patients.add(record.patient)
                    advance()
        records.write_jsonl(file, records.assign_splits(drawn, seed=config.seed))
        records.write_jsonl(config.out / "rejected.jsonl", [])
        screen.say(f"drew {len(drawn)} images of {len(patients)} patients into {file}")
    else:
        if config.data is None:
            raise records.RecordError(f"--data is needed: the folder with the {config.format} annotations")
        summary = read_folder(config.data, config.format, config.out, config.reading)
        screen.say(f"{summary.records} images with {summary.findings} findings in {file}; {summary.rejected} rejected")
        for reason, count in summary.reasons.items():
            screen.say(f"  rejected {count} x {reason}")
    runs.write(config.out, "ingest", config, [], time.monotonic() - started)


@dataclass(frozen=True)
class CheckConfig:
    """Look for what is wrong with records: bad boxes and images, and the same or a mirrored image in two splits."""

    records: Path
    """records.jsonl."""
    resplit: Path | None = None
    """Write the records here with patients, studies and copies kept together and dealt anew to train, val and test."""
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Shares of train, val and test in a new split."""
    seed: int = 0
    """Seed of the new split."""
    copies: bool = True
    """Search for near-identical and mirrored images too, not for equal files only."""
    json: Path | None = None
    """Write what was found here too."""
    workers: int | None = None
    """Processes that read images; by default one per core."""


def check(config: CheckConfig, deal: Callable[[Any, Sequence[records.Record]], bool] = lambda *_: True) -> bool:
    """Whether the records are fit for training and scoring, or were dealt anew so that they are.

    ``deal`` decides, from what was found, whether the new split that the configuration names is wanted.
    """
    from unveil.ingest.check import check as look_through
    from unveil.ingest.check import regroup

    rows = list(records.read_jsonl(config.records, records.Record))
    report = look_through(rows, config.records, config.workers, config.copies)
    screen.say(report.text())
    if config.json:
        config.json.parent.mkdir(parents=True, exist_ok=True)
        config.json.write_text(report.json(), encoding="utf-8")
    leaks = [issue for issue in report.issues if issue.name.endswith("_across_splits")]
    if config.resplit and deal(report, rows):
        dealt = records.assign_splits(regroup(rows, report.pairs), config.shares, config.seed)
        records.write_jsonl(config.resplit, _moved(dealt, config.records, config.resplit))
        sizes = Counter(r.split for r in dealt)
        screen.say(f"new split in {config.resplit}: " + ", ".join(f"{sizes[s]} {s}" for s in records.SPLITS))
        return all(issue in leaks for issue in report.issues if issue.severity == "error")
    if leaks:
        screen.say("offer: --resplit FILE deals whole groups anew, so that no patient and no copy lies in two splits")
    return report.ok


def _moved(rows: Sequence[records.Record], old: Path, new: Path) -> list[records.Record]:
    """The records with image paths that hold from the folder of another file."""
    return [replace(r, image=_beside(r.image, old, new)) for r in rows]


@dataclass(frozen=True)
class MauConfig(Rules):
    """Write questions with true answers in three steps (detection, localisation, recognition) from boxes and labels."""

    records: Path = field(kw_only=True)
    """records.jsonl."""
    out: Path = field(kw_only=True)
    """dialogues.jsonl."""
    expert: Literal["rules"] = "rules"
    """Who writes: rules compose the answer from category, box, body part and side."""
    seed: int = 0
    """Seed of wordings, absent names and empty regions."""


def curate_mau(config: MauConfig) -> None:
    from unveil.curate.mau import mau

    started = time.monotonic()
    skipped: Counter[str] = Counter()
    rows = list(records.read_jsonl(config.records, records.Record))
    made = list(mau(_moved(rows, config.records, config.out), config, config.seed, skipped))
    if not made:
        raise records.RecordError(f"{config.records}: no record has a finding or is known to have none: nothing to ask")
    records.write_jsonl(config.out, made)
    kinds = Counter(d.kind for d in made)
    screen.say(f"{len(made)} dialogues in {config.out}: " + ", ".join(f"{n} {k}" for k, n in kinds.items()))
    for reason, count in skipped.items():
        screen.say(f"  left out {count} x {reason}")
    runs.write(config.out, "curate mau", config, [config.records], time.monotonic() - started, left_out=dict(skipped))


@dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """Make preference pairs of lesion neglect: a true answer is worse where noise hides what it speaks of (MMedPO)."""

    records: Path
    """records.jsonl."""
    dialogues: Path
    """dialogues.jsonl; its training and validation dialogues are used."""
    out: Path
    """pairs.jsonl."""
    map: str = "annotations"
    """Where the lesion is: annotations (masks, else boxes), whole (the whole image, as global noise), or a function of
    yours, FILE.py:FUNCTION, from a record and its image (height, width, 3) to a map with values from 0 to 1."""
    kinds: tuple[Kind, ...] = ("diagnosis", "localisation", "recognition")
    """Kinds of dialogues."""
    step: int = 500
    """Steps of diffusion out of 1000; 500 leaves 74 % of the variance under the map to the image."""
    most: float = 0.5
    """Share of an image that a map may cover; a larger one is set aside."""
    seed: int = 0
    """Seed of the noise."""


def curate_noise(config: NoiseConfig) -> None:
    from unveil import plugins
    from unveil.curate.noise import hidden

    started = time.monotonic()
    skipped: Counter[str] = Counter()
    rows = list(records.read_jsonl(config.records, records.Record))
    asked = [d for d in records.read_jsonl(config.dialogues, records.Dialogue) if d.kind in config.kinds]
    source = None if config.map in ("annotations", "whole") else plugins.function(config.map)
    options: dict[str, Any] = {"whole": config.map == "whole", "step": config.step, "most": config.most}
    options["seed"] = config.seed
    with screen.progress("noise", len(asked)) as advance:
        told = (advance() or dialogue for dialogue in asked)
        made = list(hidden(rows, told, config.dialogues, source=source, skipped=skipped, **options))
    if not made:
        why = "; ".join(f"{count} x {reason}" for reason, count in skipped.items()) or "there are no such dialogues"
        raise records.RecordError(f"{config.dialogues}: no pair could be made: {why}")
    moved = [replace(pair, **_moved_images(pair, config.dialogues, config.out)) for pair in made]
    records.write_jsonl(config.out, moved)
    shares = sorted(pair.rejected_noise.share for pair in made if pair.rejected_noise)
    screen.say(
        f"{len(made)} pairs in {config.out}; half of them hide {shares[len(shares) // 2]:.1%} of the image or more"
    )
    for reason, count in skipped.items():
        screen.say(f"  left out {count} x {reason}")
    inputs = [config.records, config.dialogues]
    runs.write(config.out, "curate noise", config, inputs, time.monotonic() - started, left_out=dict(skipped))


@dataclass(frozen=True)
class PairsConfig:
    """Turn preference pairs into TRL's prompt, chosen, rejected, images, or such a file into pairs."""

    pairs: Path
    """File of pairs, ours or TRL's."""
    out: Path
    """File to write; images stay where they are."""
    to: Literal["trl", "unveil"] = "trl"
    """Which form to write."""
    box_syntax: str | None = None
    """trl: write boxes in this syntax of a model (images are then opened for their size); else they stay markup."""


def convert_pairs(config: PairsConfig) -> None:
    from unveil import preferences

    started = time.monotonic()
    rows = preferences.read_pairs(config.pairs)
    if config.out.exists() and config.out.samefile(config.pairs):
        raise records.RecordError(f"{config.out} is the file that is read: name another --out")
    moved = [replace(pair, **_moved_images(pair, config.pairs, config.out)) for pair in rows]
    if config.to == "unveil":
        records.write_jsonl(config.out, moved)
    else:
        preferences.write_trl(config.out, moved, _views(rows, config) if config.box_syntax else {})
    screen.say(f"{len(moved)} pairs in {config.out}")
    runs.write(config.out, "convert pairs", config, [config.pairs], time.monotonic() - started)


def _views(pairs: Sequence[records.Pair], config: PairsConfig) -> dict[str, Any]:
    """What the numbers of a box refer to on both sides of each pair, by pair id."""
    from unveil import pixels, syntax

    chosen = syntax.SYNTAXES.get(config.box_syntax or "")
    fitting = [name for name, s in syntax.SYNTAXES.items() if s.grid is not None]
    if chosen is None:
        raise records.RecordError(f"no box syntax {config.box_syntax!r}: one of {', '.join(fitting)}")
    if chosen.grid is None:
        raise records.RecordError(
            f"{chosen.name} counts pixels of the picture that a model's processor has resized, which is unknown here: "
            f"leave --box-syntax out for neutral markup, or use one of {', '.join(fitting)}"
        )
    views: dict[Path, syntax.View] = {}

    def view(side: records.Dialogue) -> syntax.View:
        path = records.image_path(side, config.pairs)
        if path not in views:
            try:
                header = pixels.probe(path)
            except pixels.ImageError as error:
                raise pixels.ImageError(f"{side.id}: {error}") from error
            size = (header.width, header.height)
            views[path] = syntax.View(chosen, size, size)
        return views[path]

    return {pair.id: tuple(map(view, pair.sides())) for pair in pairs}


def _moved_images(pair: records.Pair, old: Path, new: Path) -> dict[str, Any]:
    """A pair's image paths as they hold from the folder of another file."""
    other = pair.rejected_image and _beside(pair.rejected_image, old, new)
    return {"image": _beside(pair.image, old, new), "rejected_image": other}


def _beside(image: str, old: Path, new: Path) -> str:
    """An image's path as seen from the folder of another file. An image that is a link stays that link."""
    path = old.parent / image
    return os.path.relpath(path.parent.resolve() / path.name, new.parent.resolve())


@dataclass(frozen=True)
class ScoreConfig:
    """Score predictions against records; needs neither the models nor a GPU."""

    records: Path
    """records.jsonl."""
    dialogues: Path
    """dialogues.jsonl, whose questions were answered."""
    predictions: dict[str, Path]
    """Names and files in the order to be compared: base base.jsonl sft sft.jsonl."""
    out: Path
    """Folder for scores.json and outcomes.jsonl."""
    resamples: int = 2000
    """Bootstrap resamples, over patients where they are known."""
    seed: int = 0
    """Seed of the bootstrap."""


def score(config: ScoreConfig) -> dict[str, Any]:
    from unveil.evaluate.score import score as compute

    started = time.monotonic()
    scores = compute(
        config.records, config.dialogues, config.predictions, config.out, seed=config.seed, resamples=config.resamples
    )
    show_scores(scores)
    inputs = [config.records, config.dialogues, *config.predictions.values()]
    runs.write(config.out / "scores.json", "score", config, inputs, time.monotonic() - started)
    return scores


SHOWN = {
    "accuracy": "category accuracy",
    "iou": "mean IoU",
    "iou50": "IoU >= 0.5",
    "detection": "detection",
    "question_accuracy": "all questions",
    "parse_failures": "unparsable",
}


def show_scores(scores: dict[str, Any]) -> None:
    """The short table at the end: figures with 95 % intervals, and the difference of the last two models."""
    names = list(scores["models"])
    pair = f"{names[-1]}-{names[0]}"
    difference = scores["differences"].get(pair, {})
    rows = []
    for metric, title in SHOWN.items():
        cells = [_figure(scores["models"][name]["metrics"].get(metric)) for name in names]
        rows.append([title, *cells, *([_figure(difference.get(metric), signed=True)] if difference else [])])
    columns = ["", *names, *([pair.replace("-", " - ")] if difference else [])]
    screen.table("Test split: value and 95 % interval", columns, rows)


def _figure(estimate: dict[str, Any] | None, signed: bool = False) -> str:
    if not estimate or estimate["value"] is None:
        return "-"
    sign = "+" if signed else ""
    if estimate["low"] is None:
        return f"{estimate['value']:{sign}.2f} (n {estimate['n']})"
    return f"{estimate['value']:{sign}.2f} [{estimate['low']:{sign}.2f}, {estimate['high']:{sign}.2f}]"
