"""The command ``unveil judge``: a language model's verdicts on answers of free form, beside the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from unveil.core import console, joined, jsonl, provenance
from unveil.core.grading import ScoreError
from unveil.core.joined import unique
from unveil.core.path_types import InputFile, OutputFolder
from unveil.core.records import Dialogue, Kind, Prediction, Record
from unveil.core.registry import PluginOptions
from unveil.core.untrusted import read_json
from unveil.evaluate.estimates import written
from unveil.evaluate.exchange import reading
from unveil.evaluate.exchange.forms import spoken
from unveil.evaluate.exchange.reading import Elsewhere
from unveil.evaluate.judging import MEANINGS, JudgedPrediction, agreement, differences, judged, requests_of, summary
from unveil.evaluate.named_files import NamedFiles
from unveil.experts.expert import Expert, kept
from unveil.experts.options import ExpertGroup, ExpertOptions, bind
from unveil.experts.requests import ExpertError


@dataclass(frozen=True, kw_only=True)
class Config(PluginOptions):
    """Let a language model judge answers of free form against the reference, in both orders, each answer once."""

    seldom: ClassVar[tuple[str, ...]] = ("kinds", "resamples", "seed")

    records: InputFile
    """records.jsonl, as `unveil ingest` writes it."""
    dialogues: InputFile
    """dialogues.jsonl, whose questions were answered."""
    predictions: NamedFiles
    """Names and files, as `unveil score` takes them: base base.jsonl sft sft.jsonl."""
    out: OutputFolder
    """Folder for judged.jsonl (a verdict for each answer) and judge.json (the figures)."""
    kinds: tuple[Kind, ...] = ("open",)
    """Which kinds of questions are judged."""
    asked: ExpertGroup = field(default_factory=ExpertOptions)
    """The judge."""
    second: ExpertOptions = field(default_factory=ExpertOptions)
    """A second judge, with which the first is compared: Cohen's kappa. None by default."""
    resamples: int = 2000
    """Bootstrap resamples, over patients where they are known."""
    seed: int = 0
    """Seed of the bootstrap."""
    restart: bool = False
    """Write over the verdicts that another run has left in `out`."""


def main(config: Config, expert: Expert | None = None, second: Expert | None = None) -> Path:
    """Judges, shows the figures, and returns judge.json."""
    inputs = [config.records, config.dialogues, *config.predictions.values()]
    made = config.out / "judge.json"
    with provenance.output(config.out, "judge", config, inputs, ("judged.jsonl", "judge.json")) as output:
        if output is not None:
            output.write(asked=_judge(config, expert, second))
    _show(read_json(made))
    return made


def _judge(config: Config, expert: Expert | None, second: Expert | None) -> dict[str, Any]:
    """Writes verdicts and figures; returns what the judges cost."""
    records = unique(jsonl.read_jsonl(config.records, Record), str(config.records))
    dialogues = unique(jsonl.read_jsonl(config.dialogues, Dialogue), str(config.dialogues))
    rows = _answers(config, dialogues, records)
    experts = [expert or _bound(config.asked, config.out / "judged.jsonl", records)]
    if second is not None or config.second.expert != "rules":
        experts.append(second or _bound(config.second, config.out / "second.jsonl", records))
    found: list[list[JudgedPrediction]] = []
    with (
        console.progress("judge", len(experts) * requests_of(rows)) as advance,
        console.keeping(kept, *experts),
    ):
        for one in experts:
            found.append(judged(one, rows, dialogues, records, advance))
    names = [one.name for one in experts]
    figures: dict[str, Any] = {
        "judges": names,
        "models": [summary(of, config.resamples, config.seed) for of in found],
        "differences": [differences(of, config.resamples, config.seed) for of in found],
        "meanings": MEANINGS,
    }
    if len(found) == 2:
        figures["agreement"] = agreement(found[0], found[1], config.resamples, config.seed)
    lines = [vars(row) | {"judge": name} for name, of in zip(names, found, strict=True) for row in of]
    jsonl.write_jsonl(config.out / "judged.jsonl", lines)
    provenance.write_json(config.out / "judge.json", figures)
    return {name: one.account for name, one in zip(names, experts, strict=True)}


def _bound(options: ExpertOptions, out: Path, records: Mapping[str, Record]) -> Expert:
    if options.expert == "rules":
        raise ExpertError("--expert: the rules compare words, as `unveil score` does; name a model that reads")
    return bind(options, out, records.values())


def _answers(
    config: Config, dialogues: Mapping[str, Dialogue], records: Mapping[str, Record]
) -> dict[str, Sequence[Prediction]]:
    """Each model's answers of the kinds that are judged."""
    folder = config.records.parent
    found: dict[str, Sequence[Prediction]] = {}
    for name, path in config.predictions.items():
        rows = reading.read(path, name, dialogues, records, folder, Elsewhere(box_format="unit")).predictions
        joined.only_own(rows, path)
        joined.asked(dialogues, unique(rows, str(path)), str(path))
        if other := [row.id for row in rows if row.record != dialogues[row.id].record]:
            raise ScoreError(f"{path}: {joined.some(other)}: answers about other images than the dialogues'")
        found[name] = [replace(row, answer=spoken(row)) for row in rows if dialogues[row.id].kind in config.kinds]
    if not any(found.values()):
        raise ScoreError(f"no answer to a question of the kinds {', '.join(config.kinds)}: there is nothing to judge")
    _same(config, found)
    joined.known([dialogues[row.id] for rows in found.values() for row in rows], records)
    return found


def _same(config: Config, found: Mapping[str, Sequence[Prediction]]) -> None:
    """Raises ``ScoreError`` where one model has answered what another has not: shares of both would not compare."""
    every = {row.id for rows in found.values() for row in rows}
    for name, rows in found.items():
        joined.complete(every, {row.id for row in rows}, str(config.predictions[name]))


def _show(figures: Mapping[str, Any]) -> None:
    """The figures in the terminal: each model, and each less the earlier ones."""
    for judge, models, apart in zip(figures["judges"], figures["models"], figures["differences"], strict=True):
        rows = []
        for name, told in models.items():
            counts = told["verdicts"]
            rows.append(
                [name, str(told["n"]), written(told["right"]), *(str(counts.get(k, 0)) for k in ("order", "none"))]
            )
        for b, others in apart.items():
            rows += [[f"{b} - {a}", str(told["n"]), written(told, signed=True), "", ""] for a, told in others.items()]
        titles = ["", "n", "right and 95 % interval", "hung on\nthe order", "without\na verdict"]
        console.table(f"Judged by {judge}", titles, rows)
    if told := figures.get("agreement"):
        lack = "none, since both always say the same" if told["n"] else "none, since no answer has two verdicts"
        kappa = lack if told["kappa"]["value"] is None else written(told["kappa"])
        console.say(f"Cohen's kappa of both judges: {kappa}; they agree on {written(told['agree'], n=True)} of answers")
