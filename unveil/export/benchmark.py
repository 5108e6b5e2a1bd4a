"""The command ``unveil export benchmark``: questions with their images as a task of lmms-eval or of Inspect.

Beside the questions stands code that scores answers by our own reading of words and of options: the source of
``core.words`` and ``core.choices`` is written along, so that the folder needs nothing of this package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from unveil.core import access, choices, console, joined, jsonl, pseudonyms, words
from unveil.core.answers import yes_or_no_alone
from unveil.core.path_types import InputFile, OutputFolder
from unveil.core.records import Dialogue, Kind, Record, RecordError, Split, image_path
from unveil.core.registry import PluginOptions
from unveil.export import imagefolder, output, pictures
from unveil.export.left_out import LeftOut

Tool = Literal["lmms-eval", "inspect"]
#: The kinds whose answers are words: what others score without boxes.
KINDS: tuple[Kind, ...] = ("closed", "choice", "open", "detection")
HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Config(PluginOptions):
    """Write questions and images as a folder that lmms-eval runs, or as a task of Inspect (inspect_ai)."""

    seldom: ClassVar[tuple[str, ...]] = ("name", "restricted")

    records: InputFile
    """records.jsonl, as `unveil ingest` writes it."""
    dialogues: InputFile
    """dialogues.jsonl with the questions. Those whose answers are places and those that follow others are left out."""
    to: Tool
    """Who is to run it: lmms-eval or inspect."""
    out: OutputFolder
    """Folder that is made; what made it stands beside it, in OUT.run.json, so that it can be given on as it is."""
    split: Split = "test"
    """Questions of this split."""
    name: str | None = None
    """How the task is called; by default as the folder."""
    restricted: bool = False
    """Write it although not all data are said to be open, for those who may see them."""
    restart: bool = False
    """Write over what another run has left in `out`."""


def main(config: Config) -> Path:
    """Writes the folder and returns it."""
    return output.make(
        "export benchmark", config, [config.records, config.dialogues], partial(_export, config), "questions"
    )


def _export(config: Config, folder: Path, left_out: LeftOut) -> int:
    records = joined.unique(jsonl.read_jsonl(config.records, Record), str(config.records))
    asked = [d for d in jsonl.read_jsonl(config.dialogues, Dialogue) if d.split == config.split and _fits(d, left_out)]
    if missing := {d.record for d in asked} - records.keys():
        raise RecordError(f"{config.dialogues}: their records are not in {config.records}: {joined.some(missing)}")
    seen = [record for name, record in records.items() if name in {d.record for d in asked}]
    for record in seen:
        output.outside(image_path(record, config.records), config.out)
    access.refuse(seen, config.restricted, "a benchmark is for publication")
    key = pseudonyms.key(config.records.parent)
    planned = pictures.planned(seen, config.records, imagefolder.names(seen, key), None, left_out)
    there = {p.record.id: p for p in pictures.put(planned, lambda _: folder / "images", "copy", left_out)}
    rows = [_row(d, there[d.record], key) for d in asked if d.record in there]
    if not rows:
        return 0
    jsonl.write_jsonl(folder / "questions.jsonl", rows)
    _write_code(config, folder, rows)
    console.say("note: questions stand as they are, and text burned into images stays: look through them for names")
    return len(rows)


def _fits(dialogue: Dialogue, left_out: LeftOut) -> bool:
    """Whether others can ask a question and score it; counts those that they cannot."""
    reason = (
        f"{dialogue.kind} questions, whose answers have a form or places of their own"
        if dialogue.kind not in KINDS
        else "questions that follow others of their conversation"
        if dialogue.history
        else "questions on images that noise hides in part"
        if dialogue.noise
        else None
    )
    if reason:
        left_out.add(reason, dialogue.id)
    return reason is None


def _row(dialogue: Dialogue, picture: pictures.Exported, key: bytes) -> dict[str, Any]:
    """A question as both tools read it; ``kind`` says how it is scored, ``group`` who belongs together."""
    listed = list(dialogue.choices)
    right = choices.read_choice(dialogue.answer, listed) if listed else None
    kind = "choice" if listed else "closed" if dialogue.kind == "detection" else dialogue.kind
    answer = dialogue.answer if right is None else choices.LETTERS[right]
    if kind == "closed" and (yes := yes_or_no_alone(answer)) is not None and answer.isascii():
        answer = "yes" if yes else "no"
    return {
        "id": pseudonyms.of_question(key, dialogue.id),
        "image": f"images/{picture.name}",
        "question": dialogue.question.partition("\n" + choices.write_choice(listed, 0))[0]
        if listed
        else dialogue.question,
        "choices": listed,
        "answer": answer,
        "kind": kind,
        "language": dialogue.language or "",
        "modality": picture.record.modality or "",
        "group": pseudonyms.pseudonym(key, f"cluster:{picture.record.cluster}")[: imagefolder.DIGITS],
    }


# --------------------------------------------------------------------------------------------------------------- code

#: What lmms-eval calls the figures of each kind.
FIGURES = {"closed": ("closed",), "choice": ("choice",), "open": ("open_recall", "open_f1", "exact")}


def _write_code(config: Config, folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    name = _task_name(config.name or config.out.name)
    kinds = [kind for kind in FIGURES if any(row["kind"] == kind for row in rows)]
    if config.to == "lmms-eval":
        partial = folder / f"{name}.yaml"
        partial.write_text(_task_yaml(name, kinds), encoding="utf-8")
        partial = folder / "utils.py"
        partial.write_text(f"{scoring()}\n\n{_code('benchmark_lmms.py.txt')}", encoding="utf-8")
    else:
        partial = folder / "task.py"
        tasks = "\n\n".join(_TASKS[kind] for kind in kinds)
        partial.write_text(f"{scoring()}\n\n{_code('benchmark_inspect.py.txt')}{tasks}", encoding="utf-8")
    partial = folder / "README.md"
    partial.write_text(_readme(config, name, rows), encoding="utf-8")


#: The tasks of Inspect: those that have a question are written, since one without any cannot be run.
_TASKS = {
    "closed": '''@task
def closed():
    """Closed questions."""
    return Task(dataset=_questions("closed"), solver=generate(), scorer=closed_answer())
''',
    "choice": '''@task
def choices():
    """Multiple choice."""
    return Task(dataset=_questions("choice"), solver=multiple_choice(), scorer=choice())
''',
    "open": '''@task
def opened():
    """Open questions."""
    return Task(dataset=_questions("open"), solver=generate(), scorer=[open_recall(), exact()])
''',
}


def _task_name(text: str) -> str:
    return re.sub(r"\W+", "_", text.lower()).strip("_") or "benchmark"


def _code(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def scoring() -> str:
    """Our reading of words and of options as one text of Python that imports nothing of ours."""
    parts = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in (words, choices)]
    kept = [re.sub(r"^from (?:__future__|unveil\.\S+) import .*\n", "", part, flags=re.M) for part in parts]
    return "from __future__ import annotations\n\n" + "\n\n".join(kept)


def _task_yaml(name: str, kinds: Sequence[str]) -> str:
    figures = [figure for kind in kinds for figure in FIGURES[kind]]
    lines = [
        f"task: {name}",
        "dataset_path: json",
        "dataset_kwargs:",
        "  data_files:",
        "    test: questions.jsonl",
        "test_split: test",
        "output_type: generate_until",
        "doc_to_visual: !function utils.doc_to_visual",
        "doc_to_text: !function utils.doc_to_text",
        "doc_to_target: answer",
        "process_results: !function utils.process_results",
        "generation_kwargs:",
        "  max_new_tokens: 64",
        "  temperature: 0",
        "  do_sample: false",
        "metric_list:",
    ]
    for figure in (*figures, "unparsable"):
        better = str(figure != "unparsable").lower()
        lines += [f"  - metric: {figure}", "    aggregation: !function utils.mean", f"    higher_is_better: {better}"]
    return "\n".join([*lines, "metadata:", "  version: 1.0", ""])


_RUN = {
    "lmms-eval": (
        "python -m lmms_eval --include_path {out} --tasks {name} --model MODEL --log_samples --output_path logs"
    ),
    "inspect": "inspect eval {out}/task.py --model MODEL",
}


_LOGGED = "`unveil score` reads the samples that are logged, and scores them with intervals over patients.\n"


def _readme(config: Config, name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    restricted = (
        "These data must not be published: they are for those who may see them.\n\n" if config.restricted else ""
    )
    counts = {kind: n for kind in FIGURES if (n := sum(row["kind"] == kind for row in rows))}
    told = ", ".join(f"{n} {kind}" for kind, n in counts.items())
    run = _RUN[config.to].format(out=config.out.name, name=name)
    return (
        f"# {name}\n\n{restricted}{len(rows)} questions on {len({row['image'] for row in rows})} images: {told}.\n"
        f"Research only, not a medical device.\n\n```bash\n{run}\n```\n\n"
        "An answer is read as words: yes or no, one without the other; an option by its letter or its text; "
        "an open answer by the words that it shares with the true one.\n"
        f"{_LOGGED if config.to == 'lmms-eval' else ''}"
    )
