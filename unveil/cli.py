"""The commands. One flat frozen dataclass each; this is the only file that sees every folder.

``unveil run`` chains the stages: ingest, check, curate, predict, train, predict, score, report. The arrow between two
stages is a file; a stage whose output is there, made with the same settings from the same inputs, is not done again.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import tyro

from unveil import __version__, records, runs, screen
from unveil.curate.mau import Rules
from unveil.ingest.reading import Options

Format = Literal["phantom", "voc", "coco", "yolo", "csv"]


@dataclass(frozen=True, kw_only=True)
class IngestConfig(Options):
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


@dataclass(frozen=True)
class CheckConfig:
    """Look for what is wrong with records: unusable boxes and images, and the same or a mirrored image in two splits."""

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


@dataclass(frozen=True)
class ReportConfig:
    """Write the report of a folder that `unveil run` has filled, again."""

    run: Path
    """The folder that was --out of `unveil run`."""
    seed: int = 0
    """Seed of the random examples."""


@dataclass(frozen=True, kw_only=True)
class RunConfig(Options):
    """The main job: annotated images in, a measured better model and a report out. All defaults together are the demo."""

    data: Path | None = None
    """Folder of your annotated images; none draws phantoms."""
    format: Format = "phantom"
    """How they are annotated."""
    model: str = "tiny"
    """Hub id or local folder of any vision-language model of transformers; "tiny" is the base model that comes along."""
    out: Path = Path("runs/demo")
    """Folder for everything that is made."""
    revision: str | None = None
    """Revision of a hub model."""
    box_syntax: str | None = None
    """How the model writes boxes, for models that do not declare it."""
    patients: int = 320
    """phantom: how many patients are drawn, some three images each."""
    seed: int = 0
    """Seed of drawing, split, wordings, training and bootstrap."""
    resplit: Literal["if-needed", "always", "never"] = "if-needed"
    """Deal whole groups (patient, study, copies) anew to train, val and test; needed where splits are missing or leak."""
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Shares of train, val and test in a new split."""
    max_findings: int = 24
    """Images with more findings get no question whose answer would list them all."""
    method: Literal["auto", "lora", "full"] = "auto"
    """Adapters, or all weights; auto takes all weights of models under 50 million and adapters of larger ones."""
    train_tower: bool = False
    """Train the vision tower too."""
    epochs: float = 6.0
    """Passes over the training dialogues."""
    batch_size: int = 32
    """Dialogues per forward pass."""
    accumulate: int = 1
    """Forward passes per update."""
    learning_rate: float | None = None
    """Peak learning rate; by default one that fits the method and the size of the model."""
    checkpoint_every: int = 200
    """Updates between checkpoints."""
    workers: int = 0
    """Processes that decode images while training."""
    answer_batch: int = 64
    """Questions answered at a time."""
    max_new_tokens: int = 384
    """Longest answer in tokens."""
    resamples: int = 2000
    """Bootstrap resamples."""


# ------------------------------------------------------------------------------------------------------------ stages


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
        summary = read_folder(config.data, config.format, config.out, config)
        screen.say(f"{summary.records} images with {summary.findings} findings in {file}; {summary.rejected} rejected")
        for reason, count in summary.reasons.items():
            screen.say(f"  rejected {count} x {reason}")
    runs.write(config.out, "ingest", config, [], time.monotonic() - started)


def check(config: CheckConfig) -> bool:
    """Whether the records are fit for training and scoring (after the new split, if one was asked for)."""
    from unveil.ingest.check import check as look_through
    from unveil.ingest.check import regroup

    rows = list(records.read_jsonl(config.records, records.Record))
    report = look_through(rows, config.records, config.workers, config.copies)
    screen.say(report.text())
    if config.json:
        config.json.parent.mkdir(parents=True, exist_ok=True)
        config.json.write_text(report.json(), encoding="utf-8")
    if config.resplit:
        dealt = records.assign_splits(regroup(rows, report.pairs), config.shares, config.seed)
        records.write_jsonl(config.resplit, _moved(dealt, config.records, config.resplit))
        sizes = Counter(r.split for r in dealt)
        screen.say(f"new split in {config.resplit}: " + ", ".join(f"{sizes[s]} {s}" for s in records.SPLITS))
        report = look_through(list(records.read_jsonl(config.resplit, records.Record)), config.resplit, config.workers)
    elif any(issue.name.endswith("_across_splits") for issue in report.issues):
        screen.say("offer: --resplit FILE deals whole groups anew, so that no patient and no copy lies in two splits")
    return report.ok


def _moved(rows: Sequence[records.Record], old: Path, new: Path) -> list[records.Record]:
    """The records with image paths that hold from the folder of another file."""
    from dataclasses import replace

    return [replace(r, image=os.path.relpath(records.image_path(r, old), new.parent)) for r in rows]


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
    "detection": "detection (balanced)",
    "question_accuracy": "questions answered right",
    "parse_failures": "unparsable answers",
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
    columns = ["test split, 95 % interval", *names, *([pair] if difference else [])]
    screen.table("Scores", columns, rows)


def _figure(estimate: dict[str, Any] | None, signed: bool = False) -> str:
    if not estimate or estimate["value"] is None:
        return "-"
    sign = "+" if signed else ""
    if estimate["low"] is None:
        return f"{estimate['value']:{sign}.3f} (n {estimate['n']})"
    return f"{estimate['value']:{sign}.3f} [{estimate['low']:{sign}.3f}, {estimate['high']:{sign}.3f}]"


def report(config: ReportConfig) -> Path:
    from unveil.evaluate.report import Inputs, write_report

    out = config.run
    data = _data_folder(out)
    about = json.loads((out / "run.json").read_text()) if (out / "run.json").is_file() else {"config": {}}
    source = about["config"].get("data") or "drawn images"
    inputs = Inputs(
        title=f"{about['config'].get('model', 'model')} on {source}",
        records=data,
        scores=out / "scores.json",
        outcomes=out / "outcomes.jsonl",
        predictions={name: out / name / "predictions.jsonl" for name in ("base", "sft")},
        dialogues=out / "dialogues.jsonl",
        training={"sft": out / "sft" / "metrics.jsonl"},
        rejected=out / "data" / "rejected.jsonl",
        check=out / "check.json",
        runs=sorted(out.rglob("*run.json")),
    )
    path = write_report(inputs, out / "report.html", seed=config.seed)
    screen.say(f"report: {path}")
    return path


def _data_folder(out: Path) -> Path:
    """The records that a run works on: those of the new split if there is one."""
    resplit = out / "resplit.jsonl"
    return resplit if resplit.is_file() else out / "data" / "records.jsonl"


# ------------------------------------------------------------------------------------------------------ the main job


def run(config: RunConfig) -> Path:
    """All stages in order; returns the report."""
    from unveil.evaluate import predict
    from unveil.train import sft

    started = time.monotonic()
    out = config.out
    options = {k: v for k, v in asdict(config).items() if k in {f.name for f in _fields(Options)}}
    reading = IngestConfig(
        **options, data=config.data, format=config.format, out=out / "data", patients=config.patients, seed=config.seed
    )
    _stage(out / "data", "ingest", reading, [], lambda: ingest(reading))
    file = _checked(config)
    asking = MauConfig(records=file, out=out / "dialogues.jsonl", max_findings=config.max_findings, seed=config.seed)
    _stage(asking.out, "curate mau", asking, [file], lambda: curate_mau(asking))
    _predict(config, "base", config.model)
    learning = sft.SftConfig(
        dialogues=asking.out,
        out=out / "sft",
        model=config.model,
        revision=config.revision,
        box_syntax=config.box_syntax,
        method=config.method,
        train_tower=config.train_tower,
        epochs=config.epochs,
        batch_size=config.batch_size,
        accumulate=config.accumulate,
        learning_rate=config.learning_rate,
        checkpoint_every=config.checkpoint_every,
        workers=config.workers,
        seed=config.seed,
        resume=True,
    )
    _stage(learning.out, "train sft", learning, [asking.out], lambda: sft.main(learning))
    _predict(config, "sft", str(out / "sft"))
    answers = {name: out / name / "predictions.jsonl" for name in ("base", "sft")}
    scores = score(ScoreConfig(file, asking.out, answers, out, config.resamples, config.seed))
    seconds = time.monotonic() - started
    runs.write(out, "run", config, [], seconds, peak_mb=runs.peak_mb())
    runs.write_json(out / "summary.json", summary(scores, seconds))
    path = report(ReportConfig(out, config.seed))
    screen.say(f"done in {time.monotonic() - started:.0f} s; research software, not a medical device")
    return path


def _fields(kind: type) -> tuple:
    import dataclasses

    return dataclasses.fields(kind)


def _stage(out: Path, command: str, config: Any, inputs: Sequence[Path], work: Callable[[], Any]) -> None:
    """Does the work of a stage unless its output was made with the same settings from the same inputs."""
    if runs.is_current(out, command, config, inputs):
        screen.say(f"{command}: {out} is there already")
        return
    screen.say(f"[{command}]")
    work()


def _checked(config: RunConfig) -> Path:
    """Checks the records; where splits are missing or leak, deals anew. Returns the records to go on with."""
    from unveil.ingest.check import check as look_through

    file = config.out / "data" / "records.jsonl"
    rows = list(records.read_jsonl(file, records.Record))
    found = look_through(rows, file)
    resplit = config.out / "resplit.jsonl"
    unfit = any(r.split is None for r in rows) or any(i.name.endswith("_across_splits") for i in found.issues)
    wanted = config.resplit == "always" or (config.resplit == "if-needed" and unfit)
    resplit.unlink(missing_ok=True)
    target = resplit if wanted else None
    screen.say("[check]")
    check(CheckConfig(file, target, config.shares, config.seed, json=config.out / "check.json"))
    return target or file


def _predict(config: RunConfig, name: str, model: str) -> None:
    from unveil.evaluate import predict

    asked = predict.PredictConfig(
        dialogues=config.out / "dialogues.jsonl",
        out=config.out / name / "predictions.jsonl",
        model=model,
        name=name,
        revision=config.revision if name == "base" else None,
        box_syntax=config.box_syntax,
        batch_size=config.answer_batch,
        max_new_tokens=config.max_new_tokens,
    )
    inputs = [asked.dialogues]
    trained = config.out / name / "run.json"
    if trained.is_file():  # a model trained anew answers anew
        inputs.append(trained)
    _stage(asked.out, "predict", asked, inputs, lambda: predict.main(asked))


def summary(scores: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The main figures for scripts: for each model the four headline metrics, the paired differences, and the time."""
    main_metrics = ("accuracy", "iou", "iou50", "detection")

    def figures(metrics: dict[str, Any]) -> dict[str, Any]:
        return {m: metrics[m] for m in main_metrics if m in metrics}

    return {
        **{name: figures(about["metrics"]) for name, about in scores["models"].items()},
        "differences": {pair: figures(metrics) for pair, metrics in scores["differences"].items()},
        "seconds": round(seconds, 1),
        "peak_mb": runs.peak_mb(),
        "note": "research software, not a medical device",
    }


# ---------------------------------------------------------------------------------------------------------- dispatch


def train_sft(config: Any) -> None:
    from unveil.train import sft

    screen.say(f"trained model: {sft.main(config)}")


def predict_command(config: Any) -> None:
    from unveil.evaluate import predict

    screen.say(f"predictions: {predict.main(config)}")


def _sft_config() -> type:
    from unveil.train.sft import SftConfig

    return SftConfig


def _predict_config() -> type:
    from unveil.evaluate.predict import PredictConfig

    return PredictConfig


@dataclass(frozen=True)
class Command:
    """A command: its configuration (imported only when it is called), what it does, a line of help."""

    config: Callable[[], type]
    do: Callable[[Any], Any]
    help: str


COMMANDS: dict[str, Command] = {
    "demo": Command(
        lambda: RunConfig, run, "the main job on drawn images with the tiny model: no data, no GPU, no network"
    ),
    "run": Command(lambda: RunConfig, run, "the main job on your annotated images: ingest to report"),
    "ingest": Command(
        lambda: IngestConfig, ingest, "annotated images (voc, coco, yolo, csv) or drawn ones to records.jsonl"
    ),
    "check": Command(lambda: CheckConfig, check, "find bad boxes, bad images and leaking splits; deal a safe split"),
    "curate mau": Command(lambda: MauConfig, curate_mau, "records to questions with true answers in three steps"),
    "train sft": Command(_sft_config, train_sft, "fine-tune a model on them"),
    "predict": Command(_predict_config, predict_command, "let a model answer the test questions"),
    "score": Command(lambda: ScoreConfig, score, "score answers, with 95 % intervals and paired differences"),
    "report": Command(lambda: ReportConfig, report, "write the report of a run again"),
}


def usage() -> str:
    """The overview that ``unveil`` and ``unveil --help`` print."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            f"unveil {__version__}: teach a medical vision-language model to point at what is abnormal and to name it.",
            "Research software, not a medical device.",
            "",
            "usage: unveil COMMAND [options]        unveil COMMAND --help explains every option",
            "       unveil COMMAND --config run.json  repeats a run; options given besides go before it",
            "",
            *lines,
        ]
    )


def parse(arguments: Sequence[str]) -> tuple[Command, Any]:
    """The command and its configuration; exits with the usage where there is no such command."""
    words = list(arguments)
    name = next((n for n in (" ".join(words[:2]), *words[:1]) if n in COMMANDS), None)
    if name is None:
        asked = not words or words[0] in ("-h", "--help", "--version")
        print(usage() if asked else f"unveil: no command {' '.join(words[:2])!r}\n\n{usage()}")
        raise SystemExit(0 if asked else 2)
    command, rest = COMMANDS[name], words[len(name.split()) :]
    kind = command.config()
    default = {}
    if "--config" in rest:
        at = rest.index("--config")
        if at + 1 == len(rest):
            raise SystemExit("unveil: --config needs a file")
        default = {"default": _saved(kind, Path(rest[at + 1]), name)}
        del rest[at : at + 2]
    return command, tyro.cli(kind, args=rest, prog=f"unveil {name}", **default)


def _saved(kind: type, path: Path, name: str) -> Any:
    """The configuration that an earlier run has left in its run.json."""
    if not path.is_file():
        raise records.RecordError(f"{path}: no such file")
    about = json.loads(path.read_text())
    if about.get("command") not in (name, "run" if name == "demo" else name):
        raise records.RecordError(f"{path} is of `unveil {about.get('command')}`, not of `unveil {name}`")
    return records.build(kind, about["config"], str(path))


#: Errors that are the user's to mend: shown as one message, without a traceback.
USER_ERRORS = (ValueError, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``unveil`` command."""
    try:
        command, config = parse(sys.argv[1:] if arguments is None else arguments)
        outcome = command.do(config)
    except KeyboardInterrupt:
        screen.say("stopped; the same command goes on from here")
        return 130
    except USER_ERRORS as error:
        if os.environ.get("UNVEIL_DEBUG"):
            raise
        screen.say(f"error: {error}")
        return 1
    return 1 if outcome is False else 0


if __name__ == "__main__":
    sys.exit(main())
