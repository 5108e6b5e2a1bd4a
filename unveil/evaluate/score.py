"""Scores: from records, dialogues and the predictions of one or several models to scores.json and outcomes.jsonl.

Needs neither a model nor a GPU. Beside the models stands a constant: what one would score who answers every question
with what was most frequent in the training split (verdict, name, answer) and points at the mean training box.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from unveil.core import provenance
from unveil.core.answers import Parsed, name_of
from unveil.core.bootstrap import LEVEL, RESAMPLES
from unveil.core.console import progress
from unveil.core.digests import sha256
from unveil.core.files import write_text
from unveil.core.geometry import Box, scale
from unveil.core.grading import Case, Outcome, ScoreError
from unveil.core.joined import unique, vocabulary
from unveil.core.jsonl import read_jsonl, to_json, write_jsonl
from unveil.core.path_types import InputFile, OutputFolder
from unveil.core.records import Dialogue, Prediction, Record
from unveil.core.registry import PluginOptions
from unveil.core.untrusted import read_json
from unveil.evaluate.changes import doubts
from unveil.evaluate.intervals import Estimate, differences, estimates
from unveil.evaluate.metrics import counts, groups, outcomes
from unveil.evaluate.score_table import show_scores

#: The name of the constant among the baselines.
MAJORITY = "majority"
#: The name of a guess among the options of multiple choice: the mean of 1 / their number.
CHANCE = "chance"


def score(
    records_path: str | Path,
    dialogues_path: str | Path,
    predictions: Mapping[str, str | Path],
    out: str | Path,
    against: Sequence[str] = (),
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Scores each model's predictions (name to file), compares each with every earlier one, and writes to ``out``.

    ``against`` names the only ones that later ones are compared with, where it names any. Differences stand by both
    names: ``differences["sft"]["base"]`` is sft less base.

    Asked are the dialogues of every split in which any of the models has a prediction; each model must have answered
    all of them. Raises ``ScoreError`` or ``RecordError`` where files are empty, incomplete or do not belong together.
    """
    if not predictions:
        raise ScoreError("there are no predictions to score")
    if strangers := set(against) - set(predictions):
        raise ScoreError(f"nothing to compare with {', '.join(sorted(strangers))}: there are {', '.join(predictions)}")
    records = list(unique(read_jsonl(records_path, Record), str(records_path)).values())
    answers = {name: list(read_jsonl(path, Prediction)) for name, path in predictions.items()}
    dialogues, splits = _asked(unique(read_jsonl(dialogues_path, Dialogue), str(dialogues_path)), answers, predictions)
    found = {name: _outcomes(records, dialogues, rows, predictions[name]) for name, rows in answers.items()}
    sure = _Sure(resamples, seed)
    names = list(found)
    earlier = {b: [a for a in names[:i] if not against or a in against] for i, b in enumerate(names)}
    with progress("score", len(found) + sum(map(len, earlier.values())) + 1) as advance:

        def done(value: dict[str, Any]) -> dict[str, Any]:
            advance()
            return value

        figures = {
            "models": {name: done(sure.model(rows)) for name, rows in found.items()},
            "differences": {
                b: {a: done(sure.differences(found[a], found[b])) for a in others}
                for b, others in earlier.items()
                if others
            },
            "baselines": done(_baselines(records, dialogues, found, sure)),
        }
    result: dict[str, Any] = {
        **figures,
        "splits": splits,
        "bootstrap": _bootstrap(_of(dialogues, records), sure),
        "files": {str(p): sha256(p) for p in (records_path, dialogues_path, *predictions.values())},
    }
    result["bootstrap"]["note"] = doubts(result)
    _write(Path(out), result, found)
    return result


def _asked(
    dialogues: Mapping[str, Dialogue],
    answers: Mapping[str, Sequence[Prediction]],
    files: Mapping[str, str | Path],
) -> tuple[list[Dialogue], list[str | None]]:
    """The dialogues of every split that any model has answers in, and these splits."""
    for name, rows in answers.items():
        unique(rows, str(files[name]))
    splits = {dialogues[p.id].split for rows in answers.values() for p in rows if p.id in dialogues}
    return [d for d in dialogues.values() if d.split in splits], sorted(splits, key=str)


def _outcomes(
    records: Sequence[Record], dialogues: Sequence[Dialogue], rows: Sequence[Prediction], path: str | Path
) -> list[Outcome]:
    try:
        return outcomes(records, dialogues, rows)
    except ScoreError as error:
        raise ScoreError(f"{path}: {error}") from error


# -------------------------------------------------------------------------------------------------------- intervals


@dataclass(frozen=True)
class _Sure:
    """Numbers with their intervals, as JSON values."""

    resamples: int
    seed: int

    def model(self, rows: Sequence[Outcome]) -> dict[str, Any]:
        by = {
            "modality": {key: self.metrics(part, empty=False) for key, part in groups(rows, "modality").items()},
            "label": {key: self.metrics(part, empty=False) for key, part in groups(rows, "label").items()},
        }
        if len({row.language for row in rows if row.language}) > 1:
            of = groups(rows, "language")
            by["language"] = {key: self.metrics(part, empty=False) for key, part in of.items()}
        return {"metrics": self.metrics(rows), "counts": counts(rows), "by": by}

    def metrics(self, rows: Sequence[Outcome], empty: bool = True) -> dict[str, Any]:
        """Every metric; those without a value are left out unless ``empty``."""
        found = estimates(rows, self.resamples, self.seed)
        return {m: _plain(e) for m, e in found.items() if empty or e.value is not None}

    def differences(self, first: Sequence[Outcome], second: Sequence[Outcome]) -> dict[str, Any]:
        return {m: _plain(d) for m, d in differences(first, second, self.resamples, self.seed).items()}


def _plain(estimate: Estimate) -> dict[str, Any]:
    """An estimate without the fields that say nothing (no reason, all resamples valid, no part with fewer clusters)."""
    values = dataclasses.asdict(estimate)
    if estimate.reason is None:
        del values["reason"]
    if estimate.valid == 1 or estimate.value is None:
        del values["valid"]
    if estimate.fewest == estimate.clusters:
        del values["fewest"]
    return values


def _of(dialogues: Iterable[Dialogue], records: Sequence[Record]) -> list[Record]:
    """The records that are asked about."""
    asked = {d.record for d in dialogues}
    return [r for r in records if r.id in asked]


def _bootstrap(asked: Sequence[Record], sure: _Sure) -> dict[str, Any]:
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


# --------------------------------------------------------------------------------------------------------- baselines


@dataclass(frozen=True)
class Constant:
    """The same answer to every question of a kind, taken from the training split.

    ``boxes`` are relative (0 to 1 of width and height), by name, with the mean over all names under "". ``closed`` and
    ``open`` are answers by the language of the question, "" where it is not known. What the training split does not
    have is None or empty: questions that ask for it have no constant, nor has multiple choice, whose options differ
    from question to question.
    """

    abnormal: bool | None
    label: str | None
    boxes: dict[str, Box]
    closed: dict[str, str]
    open: dict[str, str]

    def answers(self, dialogue: Dialogue) -> bool:
        """Whether there is a constant for this kind of question."""
        placed = bool(self.boxes)
        known = {
            "detection": self.abnormal is not None,
            "recognition": self.label is not None,
            "localisation": placed,
            "grounding": placed,
            "diagnosis": placed,
        }
        return known.get(dialogue.kind, self._own(dialogue) is not None)

    def _own(self, dialogue: Dialogue) -> str | None:
        """The answer to a question that came with the images."""
        return {"closed": self.closed, "open": self.open}.get(dialogue.kind, {}).get(dialogue.language or "")

    def case(self, dialogue: Dialogue, record: Record, names: Sequence[str]) -> Case:
        """The constant's answer to one dialogue, as if it had been parsed."""
        text = self._own(dialogue) or "(constant)"
        asked = name_of(dialogue.target or "", names) if dialogue.kind == "localisation" else ""
        box = scale(self.boxes.get(asked, self.boxes[""]), (1, 1), record.size) if self.boxes else None
        abnormal = self.abnormal if dialogue.kind == "detection" else True
        finding = {
            "localisation": (None, box),
            "grounding": (None, box),
            "recognition": (self.label, None),
            "diagnosis": (self.label, box),
        }.get(dialogue.kind)
        parsed = Parsed("ok", abnormal, (finding,) if finding else ())
        return Case(dialogue, record, parsed, text, names)


def constant(records: Sequence[Record]) -> Constant | None:
    """The constant of the training split; None if there is none."""
    training = [r for r in records if r.split == "train"]
    if not training:
        return None
    names = vocabulary(records)
    boxes: dict[str, list[Box]] = {}
    for record in training:
        for finding in record.boxed:
            box = scale(finding.box, record.size, (1, 1)) if finding.box else None
            for key in ("", name_of(finding.label, names)):
                boxes.setdefault(key, []).extend([box] if box else [])
    known = Counter(bool(r.findings) for r in training if r.findings or r.completeness == "exhaustive")
    return Constant(
        abnormal=known[True] >= known[False] if known else None,
        label=_most(name_of(f.label, names) for r in training for f in r.findings),
        boxes={name: _mean(values) for name, values in boxes.items()},
        closed=_usual(training, "closed"),
        open=_usual(training, "open"),
    )


def _usual(training: Sequence[Record], kind: str) -> dict[str, str]:
    """The most frequent answer to questions of a kind that came with the images, by language."""
    said: dict[str, list[str]] = {}
    for record in training:
        for own in record.questions:
            if own.kind == kind and not own.choices:
                said.setdefault(own.language or record.language or "", []).append(own.answer)
    return {language: usual for language, answers in said.items() if (usual := _most(answers)) is not None}


def _most(values: Iterable[str]) -> str | None:
    """The most frequent value, the first in the alphabet among equals."""
    return min(((-n, v) for v, n in Counter(values).items()), default=(0, None))[1]


def _mean(boxes: Sequence[Box]) -> Box:
    x1, y1, x2, y2 = np.mean(boxes, 0).tolist()
    return x1, y1, x2, y2


def _baselines(
    records: Sequence[Record], dialogues: Sequence[Dialogue], found: Mapping[str, Sequence[Outcome]], sure: _Sure
) -> dict[str, Any]:
    """The constant's metrics, and how far each model is from it on the questions it answers; and what a guess among the
    options of multiple choice would be worth."""
    options = [1 / len(d.choices) for d in dialogues if d.kind == "choice" and d.choices]
    chance = {CHANCE: {"choice": float(np.mean(options)), "n": len(options)}} if options else {}
    always = constant(records)
    if always is None:
        return {MAJORITY: {"reason": "the records have no training split"}} | chance
    asked = [d for d in dialogues if always.answers(d)]
    if not asked:
        return {MAJORITY: {"reason": "no question that a constant can answer"}} | chance
    images, names = {r.id: r for r in records}, vocabulary(records)
    rows = [always.case(d, images[d.record], names).outcome for d in asked]
    ids = {d.id for d in asked}
    apart = {name: sure.differences(rows, [o for o in of if o.id in ids]) for name, of in found.items()}
    plain = dataclasses.asdict(always) | {"boxes": {name: list(box) for name, box in always.boxes.items()}}
    return {MAJORITY: {"constant": plain, "metrics": sure.metrics(rows), "differences": apart}} | chance


# -------------------------------------------------------------------------------------------------------------- files


def _write(out: Path, result: Mapping[str, Any], found: Mapping[str, Sequence[Outcome]]) -> None:
    """``outcomes.jsonl`` (all models, one outcome a line) and ``scores.json``, each all or nothing."""
    rows = ({"model": name, **to_json(row)} for name, of in found.items() for row in of)
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
    inputs = [config.records, config.dialogues, *config.predictions.values()]
    file = config.out / "scores.json"
    with provenance.output(file, "score", config, inputs) as output:
        if output is None:
            scores = read_json(file)
        else:
            read = config.records, config.dialogues, config.predictions, config.out, config.against
            scores = score(*read, seed=config.seed, resamples=config.resamples)
            output.write()
    show_scores(scores)
    return file
