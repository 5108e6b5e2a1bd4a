"""The main job, ``unveil run``: ingest, check, curate, predict, train, predict, score, report.

The arrow between two stages is a file. A stage whose output is there, made with the same settings from the same inputs,
is not done again, so a run that was stopped goes on with the same command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unveil.audit import check
from unveil.core import benchmarks, console, digests, jsonl, provenance, records, run_folder
from unveil.core.options import part_of
from unveil.core.untrusted import read_json
from unveil.curate import mau
from unveil.evaluate import score
from unveil.experts import options
from unveil.experts.requests import ExpertError
from unveil.gate import GateError
from unveil.ingest import ingest
from unveil.ingest.ingest import Format, located
from unveil.pipelines import ending, report
from unveil.pipelines.options import RunOptions, Variant
from unveil.pipelines.variants import FULL, REWARDED, USUAL, Comparison, kinds, why_not
from unveil.train.options import TrainOptions
from unveil.vlm.choice import ModelChoice
from unveil.vlm.families import ModelError

if TYPE_CHECKING:
    from unveil.train import sft
    from unveil.train.resources import Outlook

DEMO = Path("runs/demo")
VALIDATION = "validation.jsonl"
"""What a model's answers on the validation split are called, beside its predictions."""


Config = RunOptions


def main(config: Config) -> Path:
    """All stages in order; returns the report."""
    data, reading = located(config.data, _format(config), config.reading)
    config = replace(config, data=data, reading=reading)
    out = folder_of(config)
    config = replace(config, out=out)  # as run.json tells it
    if config.compare == ():
        console.say("--compare names nothing: nothing is trained beside fine-tuning")
    if config.dry_run:
        from unveil.pipelines import preview

        preview.rehearse(config)
    with provenance.output(out, *_made_by(config), derived=True) as output:
        assert output  # a report is derived, so that it is always made; its stages know what is there already
        return _run(config, out, output)


def _run(config: Config, out: Path, output: provenance.Output) -> Path:
    with console.progress("start", None):  # the first import of the libraries may take long
        from unveil.train import resources, sft

    variants = variants_of(config)
    if variants:
        options.refuse(config.expert)
    learning = learning_of(config, out)
    known = None
    if not (learning.dialogues.is_file() and _is_trained(replace(learning, kinds=kinds(learning.dialogues)))):
        known = first_look(config)
        console.say(known.line)
    _ingest(config, out)
    refuse_published(config, out / "data" / "records.jsonl")
    file = _checked(config, out)
    _ask(config, file, learning.dialogues)
    learning = replace(learning, records=file, kinds=kinds(learning.dialogues))
    if not _is_trained(learning):
        known = known or first_look(config)
        console.say(resources.foretold(known, learning, sft.foreseen(learning)))
    _answered(config, out, "base", config.model)
    provenance.stage("train sft", learning, _learnt_from(learning), sft.main)
    _answered(config, out, "sft", str(out / "sft"))
    trained, failed = _compared(config, out, learning, variants)
    if set(trained) & set(REWARDED):
        for name in ("sft", *(variant for variant in trained if variant in REWARDED)):
            _attention(config, out, name)
    scores = _scored(config, out, file, ["base", "sft", *trained])
    output.write(peak_mb=provenance.peak_mb())
    about = ending.summary(scores, output.seconds) | ({"left_out": failed} if failed else {})
    provenance.write_json(out / "summary.json", about)
    path = report.main(report.Config(out, config.seed))
    console.say(f"done in {output.seconds:.0f} s")
    say_ending(config, out, trained)
    return path


def say_ending(config: Config, out: Path, trained: Sequence[str]) -> None:
    """The last words, with how to go on: with rewards, and with preferences where these may be learnt."""
    further = replace(config, compare=_allowed(config, ("aar", "mmedpo")), full=False, restart=False)
    console.say(ending.last_words(out, trained, ending.command(further)))


def _made_by(config: Config) -> tuple[str, Config, list[Path], tuple[str, ...]]:
    """Command, settings, inputs and outputs of a run, as ``provenance`` knows it by."""
    return "run", config, ingest.inputs(config), ("report.html",)


def _format(config: Config) -> Format:
    return "synthetic" if config.data is None and config.format == "auto" else config.format


def refuse_out(config: Config) -> None:
    """Raises ``OutputError`` where a run must not write into its folder."""
    out = folder_of(config)
    provenance.refuse(out, *_made_by(replace(config, out=out)), derived=True)


# ------------------------------------------------------------------------------------------------------------- stages


def learning_of(config: Config, out: Path) -> sft.Config:
    """How the model is fine-tuned."""
    from unveil.train import sft

    return sft.Config(
        **part_of(TrainOptions, config),
        records=run_folder.records_of(out),
        dialogues=out / "dialogues.jsonl",
        out=out / "sft",
        max_new_tokens=config.max_new_tokens,
        seed=config.seed,
        resume=True,
        restart=config.restart,
    )


def first_look(config: Config) -> Outlook:
    """What is known of the model to start from, before data are read.

    Raises ``ModelError`` where it cannot be had, ``NeedsError`` where disk or memory will not do.
    """
    from unveil.train import resources

    return resources.first_look(learning_of(config, folder_of(config)), trainings=1 + len(variants_of(config)))


def _learnt_from(learning: sft.Config) -> list[digests.Input]:
    return [run_folder.records_of(learning.out.parent), learning.dialogues, *digests.of_model(learning.model)]


def _is_trained(learning: sft.Config) -> bool:
    return provenance.is_current(learning.out, "train sft", learning, _learnt_from(learning))


def _ingest(config: Config, out: Path) -> None:
    asked = ingest.Config(
        data=config.data,
        format=_format(config),
        plugins=config.plugins,
        out=out / "data",
        patients=config.patients,
        seed=config.seed,
        reading=config.reading,
        restart=config.restart,
    )
    provenance.stage("ingest", asked, ingest.inputs(config), ingest.main)


def questions_of(config: Config) -> dict[str, Any]:
    """What is asked about the images, as ``mau.MauOptions``."""
    return {name: getattr(config, name) for name in ("max_findings", "report_sections", "earlier")}


def _ask(config: Config, file: Path, dialogues: Path) -> None:
    asked = mau.Config(
        records=file,
        out=dialogues,
        **questions_of(config),
        withhold=config.withhold,
        train_share=config.train_share,
        seed=config.seed,
        restart=config.restart,
    )
    provenance.stage("curate mau", asked, [file], mau.main)


def _compared(
    config: Config, out: Path, learning: sft.Config, variants: Sequence[Variant]
) -> tuple[list[Variant], dict[str, str]]:
    """What has been trained beside fine-tuning and has answered the test questions, and why something has not."""
    from unveil.train.loop import TrainingError

    assert learning.records
    limit = config.compare_limit or (480 if config.data is None else None)
    comparison = Comparison(
        learning.records, learning.dialogues, out, learning, config.answer_batch, config.expert, limit
    )
    trained, failed = list[Variant](), dict[str, str]()
    for variant in variants:
        console.say(f"[{variant}]")
        try:
            _answered(config, out, variant, str(comparison.train(variant)))
            trained.append(variant)
        except (records.RecordError, TrainingError, ExpertError, GateError, ModelError) as error:
            # such as no pair, or a policy that has collapsed: what else has been done is worth its report
            failed[variant] = why_not(variant, error)
            console.say(f"{variant} is left out: {failed[variant]}")
    return trained, failed


def _scored(config: Config, out: Path, file: Path, names: Sequence[str]) -> dict[str, Any]:
    asked = score.Config(
        records=file,
        dialogues=out / "dialogues.jsonl",
        predictions={name: out / name / "predictions.jsonl" for name in names},
        validation={name: file for name in names if (file := out / name / VALIDATION).is_file()},
        out=out,
        against=("base", "sft"),
        resamples=config.resamples,
        seed=config.seed,
        restart=True,
    )
    scores: dict[str, Any] = read_json(score.main(asked), lenient=True)
    return scores


def folder_of(config: Config) -> Path:
    """Where a run goes: what was asked for, else a folder named after the data (and not theirs), or the demo's."""
    if config.out is not None:
        return config.out
    if config.data is None:
        return DEMO
    data = config.data.resolve()
    name = (data.stem if data.is_file() else data.name) or "data"
    out = DEMO.with_name(name if name != DEMO.name else f"{name}-data")
    return out if out.resolve() != data else out.with_name(f"{name}-out")


def variants_of(config: Config) -> tuple[Variant, ...]:
    """What is compared with the fine-tuned model.

    What would learn what is to be withheld, since rules write wrong answers from all records, is left out, and where it
    was asked for, ``RecordError`` is raised.
    """
    usual = FULL if config.full else USUAL if config.data is None else ()
    chosen = usual if config.compare is None else config.compare
    allowed = _allowed(config, chosen)
    knowing = [variant for variant in chosen if variant not in allowed]
    if knowing and config.compare is not None:
        raise records.RecordError(f"--withhold and --train-share: {', '.join(knowing)} would learn of all records")
    return allowed


def _allowed(config: Config, variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
    """Those that learn nothing of what is to be withheld."""
    if not config.withhold and config.train_share == 1:
        return variants
    return tuple(variant for variant in variants if variant in REWARDED)


def _checked(config: Config, out: Path) -> Path:
    """Checks the records; where splits are missing or leak, deals anew. Returns the records to go on with."""

    def wanted(report: Any, rows: Sequence[records.Record]) -> bool:
        leaks = any(issue.name.endswith("_across_splits") for issue in report.issues)
        return deals(config, rows) or (config.resplit == "if-needed" and leaks)

    console.say("[check]")
    for before in out.glob("resplit.jsonl*"):
        before.unlink()
    data, found = out / "data" / "records.jsonl", out / "check.json"
    dealt = run_folder.resplit(out)
    check.main(check.Config(data, dealt, config.shares, config.seed, json=found, restart=True), wanted)
    issues = read_json(found)["issues"]
    unfit = [i["name"] for i in issues if i["severity"] == "error" and not i["name"].endswith("_across_splits")]
    if unfit:
        raise records.RecordError(f"the records cannot be learnt from ({', '.join(unfit)}): mend what {found} lists")
    file = run_folder.records_of(out)
    refuse_empty(file, dealt=dealt.is_file())
    refuse_benchmarks(config, file, read_json(found)["pairs"])
    return file


def refuse_benchmarks(config: Config, file: Path, copies: Iterable[tuple[str, str]] = ()) -> None:
    """Raises ``TrainingError``, before anything is asked, where training or validation shows an image of a benchmark's
    test split, or a copy of one by the check's ``copies``; training itself knows the same files alone."""
    from unveil.train.benchmarks import refused

    found = _tests_to_learn(list(jsonl.read_jsonl(file, records.Record)), copies)
    if found and not config.allow_benchmark_test:
        raise refused(found, file)


def _tests_to_learn(rows: Sequence[records.Record], copies: Iterable[tuple[str, str]] = ()) -> Counter[str]:
    """How many images of each benchmark's test split are in training or validation."""
    known = benchmarks.of_records(rows, copies)
    return Counter(known[row.id] for row in rows if row.id in known and row.split in ("train", "val"))


def deals(config: Config, rows: Sequence[records.Record]) -> bool:
    """Whether splits are dealt anew, as far as can be told without a search for copies: where one is missing, or where
    training has what a benchmark tests on, which a new split keeps in test."""
    if config.resplit != "if-needed":
        return config.resplit == "always"
    missing = any(row.split is None for row in rows)
    return missing or (not config.allow_benchmark_test and bool(_tests_to_learn(rows)))


def refuse_published(config: Config, file: Path) -> None:
    """Refuses published splits that leave nothing to learn from or to measure, before any image is looked at."""
    published = {record.split for record in jsonl.read_jsonl(file, records.Record)}
    if config.resplit != "always" and None not in published and not {"train", "test"} <= published:
        refuse_empty(file, dealt=False)


def refuse_empty(file: Path, dealt: bool) -> None:
    """Raises ``RecordError`` where nothing could be learnt or measured, before an hour is spent; says what is amiss."""
    sizes = Counter(record.split for record in jsonl.read_jsonl(file, records.Record))
    way_on = (
        "more patients are needed" if dealt else "`--resplit always` deals all patients anew to train, val and test"
    )
    empty = [split for split in ("train", "test") if not sizes[split]]
    if empty:
        raise records.RecordError(f"no image in {' and '.join(empty)}: {way_on}")
    if not sizes["val"]:
        console.say(f"no image in val, so the weights after the last epoch are kept, not the best ones: {way_on}")


def _answered(config: Config, out: Path, name: str, model: str) -> None:
    """A model's answers to the test questions, and to those of validation, on which the report chooses how sure is sure
    enough."""
    _predict(config, out / name / "predictions.jsonl", name, model, "test")
    if any(d.split == "val" for d in jsonl.read_jsonl(out / "dialogues.jsonl", records.Dialogue)):
        _predict(config, out / name / VALIDATION, name, model, "val")


def _predict(config: Config, file: Path, name: str, model: str, split: records.Split) -> None:
    from unveil.evaluate import predict

    asked = predict.Config(
        **_spoken_with(config, model),
        dialogues=file.parents[1] / "dialogues.jsonl",
        out=file,
        name=name,
        split=split,
        batch_size=config.answer_batch,
        max_new_tokens=config.max_new_tokens,
        precision=config.precision,
        restart=config.restart,
    )
    provenance.stage("predict", asked, [asked.dialogues, *digests.of_model(model)], predict.main)


def _attention(config: Config, out: Path, name: str) -> None:
    """Where a model looks, for the report; a family of which that cannot be told is said so and left out."""
    from unveil.evaluate import attention

    asked = attention.Config(
        **_spoken_with(config, str(out / name)),
        records=run_folder.records_of(out),
        dialogues=out / "dialogues.jsonl",
        out=out / name / "attention.jsonl",
        name=name,
        precision=config.precision,
        restart=config.restart,
    )
    inputs = [asked.records, asked.dialogues, *digests.of_model(asked.model)]
    try:
        provenance.stage("attention", asked, inputs, attention.main)
    except (ModelError, records.RecordError) as error:
        console.say(f"attention: {error}")


def _spoken_with(config: Config, model: str) -> dict[str, Any]:
    """The choice of the model to start from, or of one that came of it; a revision is the former's alone."""
    revision = config.revision if model == config.model else None
    return part_of(ModelChoice, replace(config, model=model, revision=revision))
