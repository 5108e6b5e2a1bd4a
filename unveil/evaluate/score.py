"""Scores: from records, dialogues and the predictions of one or several models to scores.json and outcomes.jsonl.

Needs neither a model nor a GPU. Beside the models stands who does not look (``baselines``), and what a part of the page
is made of (``sections``), such as the curves of boxes by confidence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from unveil.core import joined, provenance
from unveil.core.bootstrap import LEVEL, RESAMPLES
from unveil.core.collection import no_circles
from unveil.core.console import progress
from unveil.core.digests import sha256
from unveil.core.files import write_text
from unveil.core.grading import Outcome, ScoreError
from unveil.core.joined import unique
from unveil.core.jsonl import fields_of, read_jsonl, write_jsonl
from unveil.core.path_types import InputFile, OutputFolder
from unveil.core.radeval import Metric
from unveil.core.records import Dialogue, Record
from unveil.core.registry import PluginOptions
from unveil.core.untrusted import read_json
from unveil.evaluate import sections
from unveil.evaluate.baselines import baselines
from unveil.evaluate.changes import doubts
from unveil.evaluate.exchange.forms import Form
from unveil.evaluate.exchange.reading import Elsewhere
from unveil.evaluate.figures import Sure
from unveil.evaluate.metrics import counts
from unveil.evaluate.named_files import FilesByName, NamedFiles
from unveil.evaluate.power import power
from unveil.evaluate.predictions import PredictionFiles
from unveil.evaluate.score_table import show_scores
from unveil.evaluate.sections.section import Scoring
from unveil.evaluate.sensitivity import PART
from unveil.evaluate.sums import added


def score(
    records_path: str | Path,
    dialogues_path: str | Path,
    predictions: Mapping[str, str | Path],
    out: str | Path,
    against: Sequence[str] = (),
    seed: int = 0,
    resamples: int = RESAMPLES,
    validation: Mapping[str, str | Path] | None = None,
    elsewhere: Elsewhere = Elsewhere(),
    sensitivity: Mapping[str, Sequence[Path]] | None = None,
    radeval: Sequence[Metric] = (),
) -> dict[str, Any]:
    """Scores each model's predictions (name to file), compares each with every earlier one, and writes to ``out``.

    ``against`` names the only ones that later ones are compared with, where it names any. Differences stand by both
    names: ``differences["sft"]["base"]`` is sft less base.

    ``validation`` are the models' predictions on the validation split, on which thresholds and calibration are chosen;
    no figure is taken from them. ``elsewhere`` says of predictions that others made what their files do not tell.
    ``sensitivity`` are predictions on images that were taken away, files by model. ``radeval`` are metrics of reports
    that RadEval's models are asked for.

    Asked are the dialogues of every split in which any of the models has a prediction; each model must have answered
    all of them; with ``Elsewhere.part`` those are asked that all of them have answered. Raises ``ScoreError`` or
    ``RecordError`` where files are empty, incomplete or do not belong together.
    """
    if not predictions:
        raise ScoreError("there are no predictions to score")
    if strangers := set(against) - set(predictions):
        raise ScoreError(f"nothing to compare with {', '.join(sorted(strangers))}: there are {', '.join(predictions)}")
    pairs = [(b, a) for i, b in enumerate(predictions) for a in list(predictions)[:i] if not against or a in against]
    if against and not pairs:
        told = "no model stands behind it in --predictions, so nothing would be compared"
        raise ScoreError(f"--against {' '.join(against)}: {told}; put what others are compared with first")
    records = unique(read_jsonl(records_path, Record), str(records_path))
    every = unique(read_jsonl(dialogues_path, Dialogue), str(dialogues_path))
    given = PredictionFiles(records, every, Path(records_path).parent, elsewhere)
    if elsewhere.part:
        given.only_common(predictions)
    sure, kept = Sure(resamples, seed), sections.Collected()
    found, asked = dict[str, list[Outcome]](), dict[str, set[str | None]]()
    for name, path in predictions.items():
        asked[name], found[name] = given.graded(name, path, kept.of(name))
    splits = sorted(set().union(*asked.values()), key=str)
    dialogues = given.asked(splits)
    for name, path in predictions.items():  # another model may have answered a split that this one has not
        joined.complete({d.id for d in dialogues}, {o.id for o in found[name]}, str(path), PART)
    chosen_on = validation or {}
    for name, path in chosen_on.items():
        given.look_at_validation(name, path, splits, found, kept.of(name, validation=True))
    shown = given.without_images(sensitivity or {}, predictions, dialogues, seed)
    with progress("score", 3) as advance:
        tables = {name: added(rows) for name, rows in found.items()}
        metrics, apart = sure.models(found, tables, pairs)
        advance()
        constant = baselines(given.truths, dialogues, tables, sure)
        advance()
        parts = kept.summaries(
            Scoring(list(records.values()), dialogues, pairs, resamples, seed, shown, radeval, elsewhere.part, tables)
        )
        advance()
    without = [path for of in (sensitivity or {}).values() for path in of]
    files = (records_path, dialogues_path, *predictions.values(), *chosen_on.values(), *without)
    result: dict[str, Any] = {
        "models": {name: {"metrics": metrics[name], "counts": counts(rows)} for name, rows in found.items()},
        "differences": {b: {a: apart[b, a] for c, a in pairs if c == b} for b in dict.fromkeys(b for b, _ in pairs)},
        "baselines": constant,
        "sections": parts,
        "splits": splits,
        "bootstrap": _bootstrap(_of(dialogues, records.values()), sure),
        "files": {str(p): sha256(p) for p in files},
    }
    result["bootstrap"] |= {"note": doubts(result), "power": power(result)}
    result |= {"read": given.about} if given.about else {}
    result |= {"part": part} if (part := given.part(splits)) else {}
    _write(Path(out), result, found)
    return result


# -------------------------------------------------------------------------------------------------------- intervals


def _of(dialogues: Iterable[Dialogue], records: Iterable[Record]) -> list[Record]:
    """The records that are asked about."""
    asked = {d.record for d in dialogues}
    return [r for r in records if r.id in asked]


def _bootstrap(asked: Sequence[Record], sure: Sure) -> dict[str, Any]:
    return {
        "resamples": sure.resamples,
        "seed": sure.seed,
        "interval": "percentile",
        "level": LEVEL,
        "cluster": cluster_kind(asked),
        "clusters": len({r.cluster for r in asked}),
        "patients_known": all(r.patient is not None for r in asked),
    }


def cluster_kind(records: Iterable[Record]) -> str:
    """What the clusters of a bootstrap are: "patient", "study", "group" or "image", or "mixed".

    After a new split the images of a patient stand under a group; that is one patient, unless copies of an image join
    two.
    """
    patients: dict[str, set[tuple[str, str | None]]] = {}
    for r in records:
        patients.setdefault(r.cluster, set()).add((r.source.dataset, r.patient))
    every = set().union(*patients.values())
    if sum(map(len, patients.values())) == len(every) == len(patients) and all(known is not None for _, known in every):
        return "patient"
    kinds = {cluster.partition(":")[0] for cluster in patients}
    return kinds.pop() if len(kinds) == 1 else "mixed"


# -------------------------------------------------------------------------------------------------------------- files


def _write(out: Path, result: Mapping[str, Any], found: Mapping[str, Sequence[Outcome]]) -> None:
    """``outcomes.jsonl`` (all models, one outcome a line) and ``scores.json``, each all or nothing."""
    rows = ({"model": name, **fields_of(row)} for name, of in found.items() for row in of)
    write_jsonl(out / "outcomes.jsonl", rows)
    write_text(out / "scores.json", json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


@dataclass(frozen=True)
class Config(PluginOptions):
    """Score predictions against records; needs neither the models nor a GPU."""

    seldom: ClassVar[tuple[str, ...]] = ("format", "box_format", "frame", "part")

    records: InputFile
    """records.jsonl, as `unveil ingest` writes it."""
    dialogues: InputFile
    """dialogues.jsonl, whose questions were answered."""
    predictions: NamedFiles
    """Names and files in the order to be compared: base base.jsonl sft sft.jsonl. They may be of MedEvalKit, lmms-eval,
    VLMEvalKit, LLaVA-Med or FLARE."""
    out: OutputFolder
    """Folder for scores.json and outcomes.jsonl."""
    validation: NamedFiles = field(default_factory=dict)
    """Answers of some of these models on the validation split, by the same names: on them thresholds and calibration of
    confidences are chosen."""
    sensitivity: FilesByName = field(default_factory=dict)
    """Answers of some of these models, by the same names, on images that were taken away (`predict --image`): sft
    blank.jsonl sft noise.jsonl. They tell whether a model looks at the image."""
    against: tuple[str, ...] = ()
    """Names that those behind them in --predictions are compared with; by default each is compared with each."""
    format: Literal["auto", Form] = "auto"
    """The form of predictions that others made; auto tells it by what a file holds."""
    box_format: str | None = None
    """How boxes are written in answers that others made, such as json-1000; needed where there are any."""
    frame: str | None = None
    """What boxes in pixels refer to there: image, or the WIDTHxHEIGHT that every image was resized to."""
    part: bool = False
    """Score the questions that every model has answered, although others of the split have no answer."""
    radeval: tuple[Metric, ...] = ()
    """Metrics of reports that the package RadEval computes (extra radeval): radgraph, f1chexbert, ratescore, green; it
    downloads their models."""
    resamples: int = 2000
    """Bootstrap resamples, over patients where they are known."""
    seed: int = 0
    """Seed of the bootstrap."""
    restart: bool = False
    """Write over the scores that another run has left in `out`."""


def main(config: Config) -> Path:
    """Scores, shows the short table, and returns scores.json."""
    inputs = [config.records, config.dialogues, *config.predictions.values(), *config.validation.values()]
    inputs += [path for of in config.sensitivity.values() for path in of]
    file = config.out / "scores.json"
    with provenance.output(file, "score", config, inputs) as output:
        if output is None:
            scores = read_json(file)
        else:
            read = config.records, config.dialogues, config.predictions, config.out, config.against
            how = Elsewhere(config.format, config.box_format, config.frame, config.part)
            with no_circles():
                scores = score(
                    *read, config.seed, config.resamples, config.validation, how, config.sensitivity, config.radeval
                )
            output.write()
    show_scores(scores)
    return file
