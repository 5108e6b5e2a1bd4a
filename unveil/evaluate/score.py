"""Scores: from records, dialogues and the predictions of one or several models to scores.json and outcomes.jsonl.

Needs neither a model nor a GPU. Beside the models stands who does not look (``baselines``), and what a part of the page
is made of (``sections``), such as the curves of boxes by confidence.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

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
from unveil.core.records import Dialogue, Prediction, Record
from unveil.core.registry import PluginOptions
from unveil.core.untrusted import read_json
from unveil.evaluate import sections
from unveil.evaluate.baselines import baselines
from unveil.evaluate.changes import doubts
from unveil.evaluate.figures import Sure
from unveil.evaluate.metrics import cases, counts
from unveil.evaluate.power import power
from unveil.evaluate.score_table import show_scores
from unveil.evaluate.sections.section import Scoring


def score(
    records_path: str | Path,
    dialogues_path: str | Path,
    predictions: Mapping[str, str | Path],
    out: str | Path,
    against: Sequence[str] = (),
    seed: int = 0,
    resamples: int = RESAMPLES,
    validation: Mapping[str, str | Path] | None = None,
) -> dict[str, Any]:
    """Scores each model's predictions (name to file), compares each with every earlier one, and writes to ``out``.

    ``against`` names the only ones that later ones are compared with, where it names any. Differences stand by both
    names: ``differences["sft"]["base"]`` is sft less base.

    ``validation`` are the models' predictions on the validation split, on which thresholds and calibration are chosen;
    no figure is taken from them.

    Asked are the dialogues of every split in which any of the models has a prediction; each model must have answered
    all of them. Raises ``ScoreError`` or ``RecordError`` where files are empty, incomplete or do not belong together.
    """
    if not predictions:
        raise ScoreError("there are no predictions to score")
    if strangers := set(against) - set(predictions):
        raise ScoreError(f"nothing to compare with {', '.join(sorted(strangers))}: there are {', '.join(predictions)}")
    records = list(unique(read_jsonl(records_path, Record), str(records_path)).values())
    every = unique(read_jsonl(dialogues_path, Dialogue), str(dialogues_path))
    sure, kept = Sure(resamples, seed), sections.Collected()
    found, asked = {}, {}
    for name, path in predictions.items():  # one after the other, since the answers of all would fill the memory
        rows = _answers(path, every)
        asked[name] = _splits(every, rows)
        found[name] = _outcomes(records, _of_splits(every, asked[name]), rows, path, kept.of(name))
    splits = sorted(set().union(*asked.values()), key=str)
    dialogues = _of_splits(every, splits)
    for name, path in predictions.items():
        _check_complete(path, dialogues, found[name])
    chosen_on = validation or {}
    for name, path in chosen_on.items():
        _look_at_validation(name, path, records, every, splits, found, kept)
    names = list(found)
    pairs = [(b, a) for i, b in enumerate(names) for a in names[:i] if not against or a in against]
    with progress("score", 3) as advance:
        metrics, apart = sure.models(found, pairs)
        advance()
        constant = baselines(records, dialogues, found, sure)
        advance()
        parts = kept.summaries(Scoring(records, dialogues, pairs, resamples, seed))
        advance()
    files = (records_path, dialogues_path, *predictions.values(), *chosen_on.values())
    result: dict[str, Any] = {
        "models": {name: {"metrics": metrics[name], "counts": counts(rows)} for name, rows in found.items()},
        "differences": {b: {a: apart[b, a] for c, a in pairs if c == b} for b in dict.fromkeys(b for b, _ in pairs)},
        "baselines": constant,
        "sections": parts,
        "splits": splits,
        "bootstrap": _bootstrap(_of(dialogues, records), sure),
        "files": {str(p): sha256(p) for p in files},
    }
    result["bootstrap"] |= {"note": doubts(result), "power": power(result)}
    _write(Path(out), result, found)
    return result


def _answers(path: str | Path, dialogues: Mapping[str, Dialogue]) -> Collection[Prediction]:
    """A model's answers, each to one of the dialogues."""
    rows = unique(read_jsonl(path, Prediction), str(path))
    joined.asked(dialogues, rows, str(path))
    return rows.values()


def _splits(dialogues: Mapping[str, Dialogue], rows: Iterable[Prediction]) -> set[str | None]:
    """The splits that answers are in."""
    return {dialogues[p.id].split for p in rows}


def _of_splits(dialogues: Mapping[str, Dialogue], splits: Collection[str | None]) -> list[Dialogue]:
    return [d for d in dialogues.values() if d.split in splits]


def _check_complete(path: str | Path, asked: Sequence[Dialogue], found: Sequence[Outcome]) -> None:
    """Raises ``ScoreError`` where another model has answered a split that this one has not."""
    joined.complete({d.id for d in asked}, {o.id for o in found}, str(path))


def _look_at_validation(
    name: str,
    path: str | Path,
    records: Sequence[Record],
    dialogues: Mapping[str, Dialogue],
    splits: Sequence[str | None],
    found: Mapping[str, Sequence[Outcome]],
    kept: sections.Collected,
) -> None:
    """Shows a model's answers on the validation split to the sections."""
    if name not in found:
        raise ScoreError(f"--validation {name}: no model of that name is scored; there are {', '.join(found)}")
    if "val" in splits:
        raise ScoreError(f"--validation {path}: the validation split is scored itself, so nothing may be chosen on it")
    rows = _answers(path, dialogues)
    of = sorted(_splits(dialogues, rows), key=str)
    if of != ["val"]:
        told = ", ".join(str(split) for split in of) or "none"
        raise ScoreError(f"--validation {path}: answers of the validation split are needed, not of {told}")
    _outcomes(records, _of_splits(dialogues, of), rows, path, kept.of(name, validation=True))


def _outcomes(
    records: Sequence[Record],
    dialogues: Sequence[Dialogue],
    rows: Collection[Prediction],
    path: str | Path,
    keep: sections.Keep,
) -> list[Outcome]:
    """The outcomes of one model's answers, each of which is shown to the sections on the way."""
    found = []
    try:
        for case, prediction in cases(records, dialogues, rows):
            keep(case, prediction)
            found.append(case.outcome)
    except ScoreError as error:
        raise ScoreError(f"{path}: {error}") from error
    return found


# -------------------------------------------------------------------------------------------------------- intervals


def _of(dialogues: Iterable[Dialogue], records: Sequence[Record]) -> list[Record]:
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


def _named_files(words: Sequence[str]) -> dict[str, Path]:
    """NAME FILE NAME FILE ... as names with their files; raises ``ValueError`` where a name stands twice."""
    if len(words) % 2 or not words:
        raise ValueError("a name and a file for each model, such as: base base.jsonl sft sft.jsonl")
    names = words[::2]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"the name {twice} stands twice: each file needs one of its own")
    return {name: Path(file) for name, file in zip(names, words[1::2], strict=True)}


#: Models by their names, as they are given on the command line.
NamedFiles = Annotated[
    dict[str, InputFile],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME FILE [NAME FILE ...]",
        instance_from_str=_named_files,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda files: [str(word) for pair in files.items() for word in pair],
    ),
]


@dataclass(frozen=True)
class Config(PluginOptions):
    """Score predictions against records; needs neither the models nor a GPU."""

    records: InputFile
    """records.jsonl, as `unveil ingest` writes it."""
    dialogues: InputFile
    """dialogues.jsonl, whose questions were answered."""
    predictions: NamedFiles
    """Names and files in the order to be compared: base base.jsonl sft sft.jsonl."""
    out: OutputFolder
    """Folder for scores.json and outcomes.jsonl."""
    validation: NamedFiles = field(default_factory=dict)
    """Answers of some of these models on the validation split, by the same names: on them thresholds and calibration of
    confidences are chosen."""
    against: tuple[str, ...] = ()
    """Names that the others are compared with; by default each is compared with each."""
    resamples: int = 2000
    """Bootstrap resamples, over patients where they are known."""
    seed: int = 0
    """Seed of the bootstrap."""
    restart: bool = False
    """Write over the scores that another run has left in `out`."""


def main(config: Config) -> Path:
    """Scores, shows the short table, and returns scores.json."""
    inputs = [config.records, config.dialogues, *config.predictions.values(), *config.validation.values()]
    file = config.out / "scores.json"
    with provenance.output(file, "score", config, inputs) as output:
        if output is None:
            scores = read_json(file)
        else:
            read = config.records, config.dialogues, config.predictions, config.out, config.against
            with no_circles():
                scores = score(*read, config.seed, config.resamples, config.validation)
            output.write()
    show_scores(scores)
    return file
