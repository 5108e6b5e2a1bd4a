"""What a trained model's folder stands beside: the records, questions and scores of the run that it is of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.core.digests import about_run, folder_of
from unveil.core.records import RecordError
from unveil.core.untrusted import read_json

#: What makes a folder a saved model, or an adapter on one.
MODELS = ("config.json", "adapter_config.json")
#: The model that `unveil run` trains in any case.
USUAL = "sft"


@dataclass(frozen=True)
class RunModel:
    """A trained model and what is known of it; what is not there is None."""

    folder: Path
    name: str
    """How scores and predictions call it."""
    records: Path | None = None
    dialogues: Path | None = None
    predictions: Path | None = None
    """Its answers to the test questions."""
    scores: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    """Its run.json: what trained it, with which settings."""
    asked: dict[str, Any] | None = None
    """The run.json of its predictions: how it was asked."""
    before: RunModel | None = None
    """The trained model that its training began from, if that lies here."""

    @property
    def lineage(self) -> list[RunModel]:
        """This model and the trained ones before it, the last one first: it has learnt from the data of all."""
        return [self, *(self.before.lineage if self.before else ())]

    @property
    def files(self) -> list[Path]:
        """What of it is read beside the model's folder."""
        beside = [_beside(self.folder) / "scores.json"] if self.scores else []
        return [path for path in (self.records, self.dialogues, *beside) if path]


def records_of(run: Path) -> Path:
    """The records that a run works on: those of the new split if there is one."""
    return resplit(run) if resplit(run).is_file() else run / "data" / "records.jsonl"


def resplit(run: Path) -> Path:
    """Where the records of a new split lie."""
    return run / "resplit.jsonl"


def find(folder: Path, name: str | None = None) -> RunModel:
    """The model of this name in what `unveil run` has left, ``sft`` by default, or the model that the folder itself is.

    Without a name, one that is alone is taken too. Raises ``RecordError`` where there is none, or where it is not said
    which of several, and says which there are.
    """
    if is_model(folder):
        if name not in (None, folder.absolute().name):
            raise RecordError(f"{folder} is a model itself, so there is no {name} in it: leave --name out")
        return _of(folder)
    there = sorted(path.name for path in folder.iterdir() if is_model(path))
    if not there:
        raise RecordError(f"{folder}: neither a run of `unveil run` nor a model: it has no {' and no '.join(MODELS)}")
    wanted = name or (there[0] if len(there) == 1 else USUAL)
    if name is None and wanted not in there:
        raise RecordError(f"{folder}: several models, and none is {USUAL}: name one by --name: {', '.join(there)}")
    if wanted not in there:
        raise RecordError(f"{folder}: no model {wanted}: there are {', '.join(there)}")
    return _of(folder / wanted)


def is_model(folder: Path) -> bool:
    return folder.is_dir() and any((folder / file).is_file() for file in MODELS)


def _of(folder: Path, after: frozenset[Path] = frozenset()) -> RunModel:
    run, training = _beside(folder), about_run(folder / "run.json")
    name, predictions = folder.absolute().name, folder / "predictions.jsonl"
    scores = _scores(run / "scores.json", name)
    told = (training or {}).get("config", {})
    return RunModel(
        folder=folder,
        name=name,
        records=_there(records_of(run)) or _there(told.get("records")),
        dialogues=_there(run / "dialogues.jsonl") or _there(told.get("dialogues")),
        predictions=_there(predictions),
        scores=scores,
        training=training,
        asked=about_run(predictions.with_name("predictions.jsonl.run.json")),
        before=_before(folder, told.get("model"), after),
    )


def _before(folder: Path, model: str | None, after: frozenset[Path]) -> RunModel | None:
    """The trained model of this name, unless it is one of those that came of it."""
    after |= {folder.resolve()}
    base = folder_of(model) if model else folder
    trained = is_model(base) and about_run(base / "run.json") is not None
    return _of(base, after) if trained and base.resolve() not in after else None


def _beside(folder: Path) -> Path:
    """The folder of the run that a model's folder lies in, as it is written: links are not followed."""
    return folder.absolute().parent


def _there(path: Path | str | None) -> Path | None:
    return Path(path) if path and Path(path).is_file() else None


def _scores(file: Path, name: str) -> dict[str, Any] | None:
    """The scores of a run, if they are of this model."""
    if not file.is_file():
        return None
    scores: dict[str, Any] = read_json(file, lenient=True)
    return scores if isinstance(scores, dict) and name in scores.get("models", {}) else None
