"""Corrections: what people have decided in `unveil review` or Label Studio, carried out on the rows that they saw.

Beside the output stand ``NAME.changes.jsonl``, who has decided what when and what a row was before, and, where several
have read an item, ``NAME.agreement.json``, how far they agree.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from unveil.core import console, geometry, jsonl, pairs, provenance
from unveil.core.decisions import Decision, Subject, hash_of, read_decisions, standing
from unveil.core.interrater import ReaderAgreement, agreement, table
from unveil.core.joined import some
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.readings import Readings, by_item
from unveil.core.records import Dialogue, Pair, Prediction, Record, RecordError, rebased
from unveil.curate import applied, label_studio
from unveil.curate.applied import Applied, NotApplicable

Differing = Literal["leave-out", "keep", "refuse"]
Row = TypeVar("Row", Record, Dialogue, Pair)

CHANGED = "changed since it was shown"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Carry out what people have decided: corrected records, dialogues or pairs, or pairs from corrected answers."""

    reviews: tuple[InputFile, ...]
    """reviews.jsonl of `unveil review`, or Label Studio's JSON about tasks of `unveil export records`; of a reviewer
    who stands in several, what the last one says of an item counts."""
    records: InputFile | None = None
    """records.jsonl that was reviewed. Beside other rows it tells which images are of one patient, and of predictions
    the size of the image."""
    dialogues: InputFile | None = None
    """dialogues.jsonl that was reviewed; beside predictions the questions that they answer."""
    pairs: InputFile | None = None
    """pairs.jsonl that was reviewed."""
    predictions: InputFile | None = None
    """predictions.jsonl that was reviewed: each answer that was corrected becomes a pair, the model's own is the
    rejected one."""
    out: OutputFile
    """File to write the corrected rows to, such as corrected/records.jsonl."""
    differing: Differing = "leave-out"
    """What becomes of a row about which readers differ and nobody has decided between them: it is left out, kept as it
    was, or nothing at all is written."""
    changed: Literal["refuse", "keep"] = "refuse"
    """What becomes of a row that is not the one that was shown any more: nothing is written, or it is kept as it is."""
    whole_image: bool = False
    """Readers have searched each whole image, so that a record that they accepted or edited is exhaustive. Else a
    record that has lost a finding is partial, and all others are as complete as they were."""
    only_reviewed: bool = False
    """Leave out rows about which nobody has decided."""
    restart: bool = False
    """Write over what another run has left in its place."""


@dataclass(frozen=True)
class Change:
    """What was decided about one row, and what became of it."""

    item: str
    """The row's id."""
    subject: Subject
    """What it is."""
    outcome: str
    """accepted, edited, unsure, kept, or left out."""
    readers: tuple[Decision, ...]
    """Who has decided what when; who adjudicates is the last one."""
    done: tuple[str, ...] = ()
    """What was changed, or why the row was left out or kept."""
    lost: tuple[str, ...] = ()
    """What did not hold any more and was taken away."""
    before: dict[str, Any] = field(default_factory=dict)
    """Fields that differ, as they were; of a row that was left out all of it."""
    after: dict[str, Any] = field(default_factory=dict)
    """The same as they are now."""


class _Work:
    """One run over the rows of a file."""

    def __init__(self, config: Config, subject: Subject, decisions: Sequence[Decision]) -> None:
        self.config, self.subject = config, subject
        self.said: dict[str, list[Decision]] = {}
        for decision in decisions:
            self.said.setdefault(decision.item, []).append(decision)
        self.changes: list[Change] = []
        self.read: dict[str, Readings] = {}
        self.seen: set[str] = set()
        self.changed: list[str] = []
        self.in_test = self.rows = self.written = 0

    def readings(self, item: str, line: bytes) -> Readings | None:
        """What is decided about a row as it is written now; None where that is nothing."""
        self.rows += 1
        if item in self.seen:
            raise RecordError(f"{item} occurs more than once; ids must be unique")
        self.seen.add(item)
        said = self.said.get(item, ())
        now = hash_of(line)
        found = by_item(said).get(item)
        if found and any(one.sha256 != now for one in self._standing(found)):
            self.changed.append(item)
            self.changes.append(Change(item, self.subject, "kept", self._standing(found), (CHANGED,)))
            return None
        if found:
            self.read[item] = found
        elif skipped := tuple(standing(said).values()):
            outcome = "left out" if self.subject == "pair" else "kept"
            self.changes.append(Change(item, self.subject, outcome, skipped, ("skipped",)))
        return found

    @staticmethod
    def _standing(found: Readings) -> tuple[Decision, ...]:
        return (*found.readings, *([found.adjudication] if found.adjudication else []))

    def apply(self, was: Row | Prediction, split: str | None, found: Readings, apply: Any) -> Row | None:
        """The row as it should be, None where it is left out, and the change that says so."""
        try:
            if (stands := found.decision) is None:
                flagged = any(one.verdict == "phi" for one in found.readings)  # which waits for nobody's agreement
                out = flagged or self.config.differing == "leave-out" or isinstance(was, Prediction)
                made: Applied[Row] = Applied(None if out else was, (f"readers differ: {found.dispute}",))  # type: ignore[arg-type]
            else:
                made = apply(found, stands)
        except (NotApplicable, geometry.BoxError, geometry.MaskError) as error:
            made = Applied(None, (f"cannot be carried out: {error}",))
        outcome = _outcome(found, made)
        before, after = _difference(was, made.row)
        self.in_test += split == "test" and outcome in ("edited", "left out")
        readers = self._standing(found)
        self.changes.append(Change(was.id, self.subject, outcome, readers, made.done, made.lost, before, after))
        return made.row

    def leaves_out(self, item: str) -> bool:
        """Whether a row that nobody has decided about is left out; a pair that was skipped is."""
        last = self.changes[-1] if self.changes else None
        if last and last.item == item:
            return last.outcome == "left out"
        return self.config.only_reviewed

    def refuse(self) -> None:
        """Raises ``RecordError`` where something forbids to write anything."""
        if self.changed and self.config.changed == "refuse":
            raise RecordError(
                f"{len(self.changed)} of {len(self.said)} decided rows have changed since they were shown "
                f"({some(self.changed)}): review them again; --changed keep leaves them as they are"
            )
        disputed = [item for item, found in self.read.items() if found.open_dispute]
        if disputed and self.config.differing == "refuse":
            about = f"{len(disputed)} rows ({some(disputed)})"
            raise RecordError(
                f"readers differ about {about}: let one of them adjudicate, or leave them out or keep them"
            )
        if not self.seen & self.said.keys():
            raise RecordError(f"none of the {len(self.said)} decided rows is in this file: was another one shown?")
        if not self.written:
            why = Counter(reason for change in self.changes for reason in change.done)
            raise RecordError(f"nothing is left to write: {', '.join(f'{n} x {reason}' for reason, n in why.items())}")


def _outcome(found: Readings, made: Applied[Any]) -> str:
    if made.row is None:
        return "left out"
    if found.decision is None:
        return "kept"
    if made.done == (applied.UNSURE,):
        return applied.UNSURE
    return "edited" if made.done else "accepted"


def _difference(was: Any, now: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that differ, before and after, as JSON."""
    if now is None or type(was) is not type(now):
        return jsonl.to_json(was), {} if now is None else jsonl.to_json(now)
    names = [
        name for name in vars(was) if name in was.__dataclass_fields__ and getattr(was, name) != getattr(now, name)
    ]
    before, after = ({name: jsonl.to_json(getattr(row, name)) for name in names} for row in (was, now))
    return before, after


def main(config: Config) -> Path:
    """Writes the corrected rows and what has become of each; returns their file."""
    subject, _ = _shown(config)
    given = (config.records, config.dialogues, config.pairs, config.predictions)
    inputs = [*config.reviews, *(path for path in given if path)]
    with provenance.output(config.out, "curate corrections", config, inputs) as output:
        if output:
            output.write(**_correct(config, subject))
    return config.out


def _shown(config: Config) -> tuple[Subject, Path]:
    """What was reviewed, and its file."""
    if config.predictions:
        if not (config.dialogues and config.records):
            raise RecordError("answers are corrected beside their questions and images: give --dialogues and --records")
        return "prediction", config.predictions
    if config.pairs and config.dialogues:
        raise RecordError("--pairs and --dialogues are corrected one after the other: leave one of them out")
    for subject, path in (("pair", config.pairs), ("dialogue", config.dialogues), ("record", config.records)):
        if path:
            return subject, path  # type: ignore[return-value]
    raise RecordError("what was reviewed is needed: --records, --dialogues, --pairs or --predictions")


def _correct(config: Config, subject: Subject) -> dict[str, Any]:
    decisions, unread = _decisions(config)
    own = [one for one in decisions if one.subject == subject]
    if not own:
        held = ", ".join(sorted({f"{one.subject}s" for one in decisions})) or "nothing"
        raise RecordError(f"{config.reviews[0]}: nothing is decided about {subject}s there, but about {held}")
    work = _Work(config, subject, own)
    jsonl.write_jsonl(config.out, _counted(work))
    beside = config.out.with_name(f"{config.out.stem}.changes.jsonl")
    jsonl.write_jsonl(beside, work.changes)
    found = agreement(work.read, _clusters(config, work.read))
    _tell(work, beside, found)
    for why, n in unread.items():
        console.say(f"  {n} annotations of Label Studio are no decisions: {why}")
    agreed = config.out.with_name(f"{config.out.stem}.agreement.json")
    agreed.unlink(missing_ok=True)  # that of another run
    if found:
        provenance.write_json(agreed, [asdict(one) for one in found])
    return {"outcomes": dict(Counter(change.outcome for change in work.changes)), "written": work.written}


def _decisions(config: Config) -> tuple[list[Decision], Counter[str]]:
    """All that was decided, in the order of the files, and what of Label Studio's cannot be read, by its reason."""
    found, unread = list[Decision](), Counter[str]()
    for path in config.reviews:
        if path.suffix.lower() != ".json":
            found += read_decisions(path)
            continue
        if not config.records:
            raise RecordError(f"{path}: tasks of Label Studio are about records: give --records")
        content = label_studio.tasks(path)
        names = label_studio.shown(content)
        records = {row.id: row for row in jsonl.read_jsonl(config.records, Record) if row.id in names}
        found += label_studio.decisions(content, records, unread)
    return found, unread


def _counted(work: _Work) -> Iterator[Record | Dialogue | Pair]:
    """The rows to write; what forbids to write any is raised behind the last one, when nothing of the file is there."""
    for row in _rows(work):
        work.written += 1
        yield row
    work.refuse()


def _rows(work: _Work) -> Iterator[Record | Dialogue | Pair]:
    """The rows to write, with images as seen from their file."""
    config = work.config
    _, path = _shown(config)
    if work.subject == "prediction":
        yield from _from_predictions(work)
        return
    for line, was in _each(work.subject, path):
        found, row = work.readings(was.id, line), was
        if found:
            row = work.apply(was, was.split, found, _applying(was, config))
        elif work.leaves_out(was.id):
            continue
        if row is not None:
            yield rebased(row, path, config.out)


def _each(subject: Subject, path: Path) -> Iterator[tuple[bytes, Any]]:
    if subject == "pair":
        return jsonl.each_written(path, lambda value, number: pairs.parsed(value, f"{path.stem}-{number}"))
    kind: Any = {"record": Record, "dialogue": Dialogue, "prediction": Prediction}[subject]
    return jsonl.each_written(path, lambda value, _: jsonl.from_json(kind, value))


def _applying(was: Any, config: Config) -> Any:
    if isinstance(was, Record):
        return lambda found, stands: applied.record(was, found, stands, config.whole_image)
    apply: Any = applied.pair if isinstance(was, Pair) else applied.dialogue
    return lambda found, stands: apply(was, found, stands)


def _from_predictions(work: _Work) -> Iterator[Pair]:
    """Pairs of the answers that were corrected."""
    config = work.config
    assert config.predictions and config.dialogues and config.records
    asked = {row.id: row for row in jsonl.read_jsonl(config.dialogues, Dialogue) if row.id in work.said}
    about = {row.record for row in asked.values()}
    sizes = {row.id: row.size for row in jsonl.read_jsonl(config.records, Record) if row.id in about}
    for line, was in _each("prediction", config.predictions):
        if not (found := work.readings(was.id, line)):
            continue
        question = asked.get(was.id)
        if question is None or (size := sizes.get(question.record)) is None:
            raise RecordError(f"{was.id}: its question is not in {config.dialogues}, or its record in {config.records}")
        made = work.apply(was, question.split, found, _pairing(was, question, size))
        if made is not None:
            yield rebased(made, config.dialogues, config.out)


def _pairing(was: Prediction, question: Dialogue, size: tuple[int, int]) -> Any:
    return lambda found, stands: applied.prediction(was, question, size, found, stands)


def _clusters(config: Config, read: Mapping[str, Readings]) -> Any:
    """What is drawn together with an image."""
    if config.records is None:
        return lambda record: record
    wanted = {one.readings[0].record for one in read.values() if len(one.readings) > 1}
    of = {row.id: row.cluster for row in jsonl.read_jsonl(config.records, Record) if row.id in wanted}
    return lambda record: of.get(record, record)


def _tell(work: _Work, beside: Path, found: Sequence[ReaderAgreement]) -> None:
    """What was done, how far readers agree, and how to go on."""
    config = work.config
    rows = [
        (f"{outcome}: {', '.join(done)}" if done else outcome, str(n))
        for (outcome, done), n in sorted(Counter((change.outcome, change.done) for change in work.changes).items())
    ]
    rows += [("not reviewed", str(n))] if (n := work.rows - len(work.changes)) else []
    rows += [("decided, not in this file", str(n))] if (n := len(work.said.keys() - work.seen)) else []
    console.table(f"{work.rows} {work.subject}s", ("outcome", "rows"), rows)
    for what, n in Counter(one for change in work.changes for one in change.lost).items():
        console.say(f"  taken away {n} x {what}")
    if work.in_test:
        told = "figures on them are other figures now, and flatter a model whose doubts chose what was looked at"
        console.say(f"  note: {work.in_test} rows of the test split were edited or left out: {told}")
    if found:
        console.table("Agreement of readers", *table(found))
    made = "pairs" if work.subject == "prediction" else f"{work.subject}s"
    console.say(f"{work.written} {made} in {config.out}; what became of each decision: {beside}")
    console.say(f"go on: {_further(work.subject, config.out)}")


def _further(subject: Subject, out: Path) -> str:
    """The command that learns from the output."""
    words = {
        "record": ["run", "--data", str(out), "--out", "runs/corrected"],
        "dialogue": ["train", "sft", "--model", "MODEL", "--dialogues", str(out), "--out", "runs/corrected"],
    }
    usual = ["train", "dpo", "--model", "MODEL", "--pairs", str(out), "--out", "runs/corrected"]
    return shlex.join(["unveil", *words.get(subject, usual)])
