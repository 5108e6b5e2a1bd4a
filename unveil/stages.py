"""The commands that are one stage each: a flat frozen dataclass, and what is done with it.

A stage reads files and writes files and never calls another stage; ``job`` chains them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from unveil.core import console, provenance, records
from unveil.core.files import write_text
from unveil.core.untrusted import read_json
from unveil.curate.diagnose import corrected, diagnose, read_corrections, wanted
from unveil.curate.holdout import of_share, withheld
from unveil.curate.mau import Rules, vocabulary
from unveil.evaluate.changes import changes, headline
from unveil.experts import options
from unveil.experts.options import ExpertOptions
from unveil.ingest.reading import Options

Format = Literal["auto", "voc", "coco", "yolo", "csv", "phantom"]


#: What the files themselves do not say: options of the readers, a group of their own in the help, without a prefix.
Reading = tyro.conf.OmitArgPrefixes[Options]
#: Who is asked: another group.
Asked = tyro.conf.OmitArgPrefixes[ExpertOptions]


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """Read annotated images of a folder, or draw some, into records.jsonl; what is unusable goes to rejected.jsonl."""

    data: Path | None = None
    """Folder of the annotated images; none for phantom."""
    format: Format = "auto"
    """How they are annotated: auto lets the files tell, and asks where they may be read in two ways; phantom draws
    images instead."""
    out: Path
    """Folder for records.jsonl and rejected.jsonl."""
    patients: int = 320
    """phantom: how many patients are drawn, some three images each."""
    seed: int = 0
    """phantom: seed of every pixel and word."""
    size: int = 256
    """phantom: width and height of an image."""
    restart: bool = False
    """Write over what another run has left in its place."""
    reading: Reading = field(default_factory=Options)
    """What the files themselves do not say."""


def ingest(config: IngestConfig) -> None:
    data = [] if config.data is None else [config.data]
    with provenance.output(config.out, "ingest", config, data, ("records.jsonl",)) as output:
        if output:
            _ingest(config)
            output.write()


def refuse_data(data: Path | None, format: Format) -> None:
    """Raises ``RecordError`` where data and format do not go together, or there are no such data."""
    if (format == "phantom") != (data is None):
        raise records.RecordError(
            "--data is needed: the folder of the annotated images; --format phantom draws some instead"
            if data is None
            else "--format phantom draws images and reads no --data: leave one of them out"
        )
    if data is not None and not data.exists():
        raise records.RecordError(f"{data}: no such folder")


def _ingest(config: IngestConfig) -> None:
    from unveil.ingest import ingest as read_folder
    from unveil.synthetic.dataset import phantoms

    file = config.out / "records.jsonl"
    refuse_data(config.data, config.format)
    if config.data is None:
        drawn: list[records.Record] = []
        with console.progress("draw", config.patients) as advance:
            patients: set[str | None] = set()
            for record in phantoms(config.out, config.patients, config.seed, config.size, os.cpu_count() or 1):
                drawn.append(record)
                if record.patient not in patients:
                    patients.add(record.patient)
                    advance()
        records.write_jsonl(file, records.assign_splits(drawn, seed=config.seed))
        records.write_jsonl(config.out / "rejected.jsonl", [])
        console.say(f"drew {len(drawn)} images of {len(patients)} patients into {file}")
    else:
        summary = read_folder(config.data, config.format, config.out, config.reading)
        console.say(f"{summary.records} images with {summary.findings} findings in {file}; {summary.rejected} rejected")
        for reason in summary.reasons:
            what = f"rejected {reason.rows} rows" if reason.rows else f"left out {reason.entries} files"
            console.say(f"  {what}: {reason}")
        for note in summary.notes:
            console.say(f"  note: {note}")
        if summary.splits.keys() != {""}:
            sizes = ", ".join(f"{n} {split or 'in none'}" for split, n in sorted(summary.splits.items()))
            console.say(f"  published splits: {sizes}")


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
    restart: bool = False
    """Write over what another run has left in the place of --resplit and --json."""


def check(config: CheckConfig, deal: Callable[[Any, Sequence[records.Record]], bool] = lambda *_: True) -> bool:
    """Whether the records are fit for training and scoring, or were dealt anew so that they are.

    ``deal`` decides, from what was found, whether the new split that the configuration names is wanted.
    """
    with ExitStack() as stack:

        def output(file: Path | None, derived: bool) -> provenance.Output | None:
            made = file and provenance.output(file, "check", config, [config.records], derived=derived)
            return stack.enter_context(made) if made else None

        return _check(config, deal, output(config.json, True), output(config.resplit, False))


def _check(
    config: CheckConfig,
    deal: Callable[[Any, Sequence[records.Record]], bool],
    found: provenance.Output | None,
    split: provenance.Output | None,
) -> bool:
    """As ``check``; writes what was found and the new split where they are to be made."""
    from unveil.audit.records import check as look_through
    from unveil.audit.records import regroup

    rows = list(records.read_jsonl(config.records, records.Record))
    report = look_through(rows, config.records, config.workers, config.copies)
    console.say(report.text())
    if config.json and found:
        write_text(config.json, report.json())
        found.write()
    leaks = [issue for issue in report.issues if issue.name.endswith("_across_splits")]
    if config.resplit and deal(report, rows):
        dealt = records.assign_splits(regroup(rows, report.pairs), config.shares, config.seed)
        moved = _moved(dealt, config.records, config.resplit)
        if split:
            records.write_jsonl(config.resplit, moved)
            split.write()
        elif moved != list(records.read_jsonl(config.resplit, records.Record)):
            raise provenance.OutputError(f"{config.resplit} is of images that have changed since: {provenance.CHOICE}")
        sizes = Counter(r.split for r in dealt)
        console.say(f"new split in {config.resplit}: " + ", ".join(f"{sizes[s]} {s}" for s in records.SPLITS))
        return all(issue in leaks for issue in report.issues if issue.severity == "error")
    if leaks:
        console.say("offer: --resplit FILE deals whole groups anew, so that no patient and no copy lies in two splits")
    return report.ok


def _moved(rows: Sequence[records.Record], old: Path, new: Path) -> list[records.Record]:
    """The records with image paths that hold from the folder of another file."""
    return [replace(r, image=records.beside(r.image, old, new)) for r in rows]


@dataclass(frozen=True)
class MauConfig(Rules):
    """Write questions with true answers in three steps (detection, localisation, recognition) from boxes and labels."""

    records: Path = field(kw_only=True)
    """records.jsonl."""
    out: Path = field(kw_only=True)
    """dialogues.jsonl."""
    corrections: Path | None = None
    """What people who have read the dialogues want otherwise: JSONL of id, reviewer, and answer or "drop": true."""
    withhold: tuple[str, ...] = ()
    """Labels and modalities that training and validation are to know nothing of: no image that has them, no question or
    answer that names them. The test split keeps them."""
    train_share: float = 1.0
    """Share of the training patients who are asked about."""
    asked: Asked = field(default_factory=ExpertOptions)
    """Who writes the diagnoses of abnormal training and validation images; rules compose them from category, box, body
    part and side."""
    seed: int = 0
    """Seed of wordings, absent names and empty regions."""
    restart: bool = False
    """Write over what another run has left in its place."""


def curate_mau(config: MauConfig) -> None:
    inputs = [config.records, *([config.corrections] if config.corrections else [])]
    with provenance.output(config.out, "curate mau", config, inputs) as output:
        if output:
            output.write(**_mau(config))


def _mau(config: MauConfig) -> dict[str, Any]:
    """Writes the dialogues; returns what was left out, and what an expert has cost."""
    from unveil.curate.mau import mau

    skipped: Counter[str] = Counter()
    rows = list(records.read_jsonl(config.records, records.Record))
    rows = _moved(rows, config.records, config.out)
    with console.progress("mau", len(rows)) as advance:
        made = list(mau(rows, config, config.seed, skipped, advance))
    if not made:
        raise records.RecordError(f"{config.records}: no record has a finding or is known to have none: nothing to ask")
    more: dict[str, Any] = {}
    if config.asked.expert != "rules":
        made, more["asked"] = _written_by_expert(rows, made, config, skipped)
    if config.corrections:
        changes = read_corrections(config.corrections)
        made = list(corrected(made, changes, config.corrections))
        console.say(f"{len(changes)} dialogues corrected or dropped as {config.corrections} says")
    told = withheld(made, rows, config.withhold)
    kept = of_share(told, rows, config.train_share, config.seed)
    skipped["withheld from training and validation"] += len(made) - len(told)
    skipped[f"not of the {config.train_share:.0%} of the training patients"] += len(told) - len(kept)
    skipped, made = +skipped, kept
    records.write_jsonl(config.out, made)
    kinds = Counter(d.kind for d in made)
    console.say(f"{len(made)} dialogues in {config.out}: " + ", ".join(f"{n} {k}" for k, n in kinds.items()))
    for reason, count in skipped.items():
        console.say(f"  left out {count} x {reason}")
    return {"left_out": dict(skipped), **more}


def _written_by_expert(
    rows: Sequence[records.Record], made: Sequence[records.Dialogue], config: MauConfig, skipped: Counter[str]
) -> tuple[list[records.Dialogue], dict[str, Any]]:
    """The dialogues with the expert's diagnoses, and what they cost."""
    expert, names = options.bind(config.asked, config.out, rows), vocabulary(rows)
    by_id = {record.id: record for record in rows}
    with console.progress("diagnose", 2 * sum(wanted(d, by_id) for d in made)) as advance:

        def known(record: records.Record) -> list[str]:
            return names[record.source.dataset, record.modality]

        done = diagnose(rows, made, config.out, expert, known, skipped, advance)
    console.say(f"  {expert.name}: {expert.spent.text()}")
    return done, {expert.name: expert.account}


def _named_files(words: Sequence[str]) -> dict[str, Path]:
    """NAME FILE NAME FILE ... as names with their files."""
    if len(words) % 2 or not words:
        raise ValueError("a name and a file for each model, such as: base base.jsonl sft sft.jsonl")
    return {name: Path(file) for name, file in zip(words[::2], words[1::2], strict=True)}


#: Models by their names, as they are given on the command line.
NamedFiles = Annotated[
    dict[str, Path],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME FILE [NAME FILE ...]",
        instance_from_str=_named_files,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda files: [str(word) for pair in files.items() for word in pair],
    ),
]


@dataclass(frozen=True)
class ScoreConfig:
    """Score predictions against records; needs neither the models nor a GPU."""

    records: Path
    """records.jsonl."""
    dialogues: Path
    """dialogues.jsonl, whose questions were answered."""
    predictions: NamedFiles
    """Names and files in the order to be compared: base base.jsonl sft sft.jsonl."""
    out: Path
    """Folder for scores.json and outcomes.jsonl."""
    against: tuple[str, ...] = ()
    """Names that the others are compared with; by default each is compared with each."""
    resamples: int = 2000
    """Bootstrap resamples, over patients where they are known."""
    seed: int = 0
    """Seed of the bootstrap."""
    restart: bool = False
    """Write over the scores that another run has left in `out`."""


def score(config: ScoreConfig) -> dict[str, Any]:
    from unveil.evaluate.score import score as compute

    inputs = [config.records, config.dialogues, *config.predictions.values()]
    file = config.out / "scores.json"
    with provenance.output(file, "score", config, inputs) as output:
        if output is None:
            scores = read_json(file)
        else:
            read = config.records, config.dialogues, config.predictions, config.out, config.against
            scores = compute(*read, seed=config.seed, resamples=config.resamples)
            output.write()
    show_scores(scores)
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
    """The short table at the end: figures with 95 % intervals; of two models their difference, of more the differences
    from the second (the first being where all came from). Below it what the report says first."""
    names = list(scores["models"])
    (_show_many if len(names) > 2 else _show_few)(scores, names)
    for told in (headline(changes(scores)), scores["bootstrap"]["note"]):
        if told:
            console.say(told)


def _show_few(scores: dict[str, Any], names: Sequence[str]) -> None:
    pair = f"{names[-1]}-{names[0]}"
    difference = scores["differences"].get(pair, {})
    rows = []
    for metric, title in SHOWN.items():
        cells = [_figure(scores["models"][name]["metrics"].get(metric)) for name in names]
        apart = [_figure(difference.get(metric), signed=True)] if difference else []
        rows.append([title, _count(scores, names, metric), *cells, *apart])
    columns = ["", "n", *names, *([pair.replace("-", " - ")] if difference else [])]
    console.table("Test split: value and 95 % interval", columns, rows)


def _show_many(scores: dict[str, Any], names: Sequence[str]) -> None:
    main = ("accuracy", "iou", "question_accuracy", "parse_failures")
    titles = ["", *(f"{SHOWN[m]}\nn {_count(scores, names, m)}" for m in main)]
    models = [[name, *(_figure(scores["models"][name]["metrics"].get(m)) for m in main)] for name in names]
    console.table("Test split: value and 95 % interval", titles, models)
    second = names[1]
    apart = {name: scores["differences"].get(f"{name}-{second}") for name in names[2:]}
    rows = [[n, *(_figure(d.get(m), signed=True) for m in main)] for n, d in apart.items() if d]
    console.table(f"Paired differences from {second} and 95 % interval", titles, rows)


def _count(scores: dict[str, Any], names: Sequence[str], metric: str) -> str:
    """How many answers a metric is the mean of: the same ones for all models, since the truth alone decides it."""
    counted = sorted({scores["models"][name]["metrics"].get(metric, {}).get("n", 0) for name in names})
    return " to ".join(map(str, counted))


def _figure(estimate: dict[str, Any] | None, signed: bool = False) -> str:
    if not estimate or estimate["value"] is None:
        return "-"
    sign = "+" if signed else ""
    if estimate["low"] is None:
        return f"{estimate['value']:{sign}.2f} (n {estimate['n']})"
    return f"{estimate['value']:{sign}.2f} [{estimate['low']:{sign}.2f}, {estimate['high']:{sign}.2f}]"
