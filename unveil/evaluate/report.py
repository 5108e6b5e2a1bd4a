"""The report page: one file that says what was done, what came out, on what data, and how to repeat it.

``write_report`` only reads files that other stages wrote. The page holds its pictures and its style, loads nothing from
anywhere and runs no script; every text from outside is escaped. What is missing is said, never made up.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from unveil import __version__
from unveil.core import benchmarks, bootstrap, console, joined
from unveil.core.digests import sha256
from unveil.core.files import write_text
from unveil.core.grading import FAILURES, Outcome
from unveil.core.jsonl import read_jsonl
from unveil.core.records import WITH_BOXES, Dialogue, Prediction, Record, RecordError, image_path
from unveil.evaluate import metrics, report_pictures, report_tables
from unveil.evaluate.attention_lift import AttentionRow, lift
from unveil.evaluate.changes import changes as compared
from unveil.evaluate.changes import headline
from unveil.evaluate.report_data import Inputs, Table, data_section, json_of, rows_of
from unveil.evaluate.report_tables import HEADLINES, MEANINGS
from unveil.evaluate.sections import SECTIONS
from unveil.evaluate.sections.section import Section
from unveil.evaluate.sections.subgroups import MAIN

EACH = 4  # pictures in each group of examples
TINY_BOX_FORMAT = "bins-64"  # the box format that only the tiny model of this project has


def write_report(inputs: Inputs, out: Path, seed: int = 0) -> Path:
    """Writes the page to ``out``, a ``.html`` file or a folder that gets ``report.html``; returns the file.

    ``seed`` draws the random pictures, the contact sheet, and the order among equals.
    """
    path = out if out.suffix == ".html" else out / "report.html"
    page = _environment().get_template("report.html.j2")
    return write_text(path, page.render(_context(inputs, seed)))


def _environment() -> Environment:
    loader = PackageLoader("unveil.evaluate", "")
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters |= report_tables.FILTERS
    env.globals["by_group"] = MAIN
    return env


def _context(inputs: Inputs, seed: int) -> dict[str, Any]:
    scores = json_of(inputs.scores)
    if scores is None:
        raise RecordError(f"{inputs.scores}: no such file; score the predictions first (`unveil score`)")
    answered = _answered(inputs)
    changes = compared(scores)
    with console.progress("report", 3) as advance:  # what opens images
        chosen = _chosen(answered, changes["last"], seed)
        both = list(dict.fromkeys([*changes["models"][:1], changes["last"]]))
        lead = [_card(inputs, i, answered, both) for i in chosen.pop("random", [])]
        shown = {group: [_card(inputs, i, answered, changes["models"]) for i in ids] for group, ids in chosen.items()}
        advance()
        attention = _attention(inputs, answered)
        advance()
        data = data_section(inputs, list(answered.records.values()), seed)
        advance()
    sections = _sections(inputs, scores, answered)
    return {
        "title": inputs.title,
        "version": __version__,
        "seed": seed,
        "scores": scores,
        "changes": changes,
        "honesty": _honesty(answered) | {"benchmarks": _learnt_tests(inputs.runs), "blind": _blind(inputs.runs)},
        "summary": _summary(changes, answered),
        "lead": lead,
        "shown": shown,
        "failures": _failures(answered.outcomes),
        "attention": attention,
        "parts": {one.name: (one, figures) for one, figures in sections},
        "contents": _contents(len(changes["models"]), bool(shown), sections, bool(attention), bool(inputs.ways_on)),
        "data": data,
        "training": {name: _curves(file) for name, file in inputs.training.items()},
        "idle": {name: found for name, file in inputs.training.items() if (found := _idle(file))},
        "runs": [_run(file) for file in inputs.runs],
        "ways_on": inputs.ways_on,
        "made_from": _hashes(inputs),
        "many": bootstrap.MANY,
        "telling": bootstrap.TELLING,
    }


def _contents(
    models: int, extremes: bool, sections: Iterable[tuple[Section[Any], Any]], attention: bool, ways_on: bool
) -> list[tuple[str, str, str]]:
    """The sections of the page in order: id, heading, and what the list of contents calls it."""
    return [
        ("pictures", "Test images, before and after" if models > 1 else "Test images", "Pictures"),
        ("changed", "What changed", "What changed"),
        *([("extremes", "Best and worst answers", "Best and worst")] if extremes else []),
        *((one.name, one.title, one.title) for one, _ in sections),
        *([("attention", "Attention maps", "Attention")] if attention else []),
        ("failures", "Failures by kind", "Failures"),
        ("data", "What data", "Data"),
        ("curves", "Learning curves", "Learning curves"),
        ("repeat", "Repeat it", "Repeat it"),
        *([("next", "What next", "What next")] if ways_on else []),
    ]


def _sections(inputs: Inputs, scores: Mapping[str, Any], answered: Evaluation) -> list[tuple[Section[Any], Any]]:
    """The sections that have figures, with these and with their pictures."""
    found = []
    for one in SECTIONS:
        if (figures := scores.get("sections", {}).get(one.name)) is not None:
            shown = one.pictures(figures, answered.records, answered.asked, inputs.records) if one.pictures else None
            found.append((one, {**figures, "pictures": shown}))
    return found


# ------------------------------------------------------------------------------------------------ the first words


def _summary(changes: Mapping[str, Any], answered: Evaluation) -> dict[str, Any]:
    """What the first paragraph says: how much was asked, and what came out of the last model against the first (of the
    second against the first, where others are compared with that)."""
    models, last, seen = changes["models"], changes["last"], _asked_about(answered)
    told = [row for key in HEADLINES for row in changes["rows"] if row["key"] == key and _has_value(row, models)]
    known = all(r.patient is not None for r in seen)
    return {
        "questions": len(answered.ids),
        "images": len(seen),
        "patients": len({(r.source.dataset, r.patient) if known else r.cluster for r in seen}),
        "patients_known": known,
        "splits": sorted({answered.asked[i].split or "no split" for i in answered.ids}),
        "pair": f"{last} − {models[0]}" if len(models) > 1 else None,
        "last": last,
        "brief": headline(changes, named=False),
        "sentence": headline(changes),
        "headlines": told[:4],
        "boxless": [model for model in answered.predictions if not answered.gives_boxes(model)],
    }


def _asked_about(answered: Evaluation) -> list[Record]:
    """The images that were asked about."""
    asked = {answered.asked[i].record for i in answered.ids}
    return [r for r in answered.records.values() if r.id in asked]


def _has_value(row: Mapping[str, Any], models: Sequence[str]) -> bool:
    return any((row["cells"][m] or {}).get("value") is not None for m in models)


def _honesty(answered: Evaluation) -> dict[str, Any]:
    """What a reader must know before believing the figures."""
    records = answered.records.values()
    synthetic = sum(r.source.dataset == "synthetic" for r in records)
    return {
        "synthetic": "all" if synthetic == len(records) > 0 else "some" if synthetic else "",
        "tiny": any(p.box_format == TINY_BOX_FORMAT for of in answered.predictions.values() for p in of.values()),
        "bound": sorted({r.source.dataset for r in records if r.source.access not in (None, "open")}),
        "partial": sum(r.completeness != "exhaustive" for r in _asked_about(answered)),
        "trained_on": sum(answered.asked[i].split == "train" for i in answered.ids),
    }


def _learnt_tests(runs: Iterable[Path]) -> str:
    """Of how many images of benchmarks' test splits models have learnt, as their run.json say; "" where of none."""
    return benchmarks.told(benchmarks.most([benchmarks.of_run(json_of(file)) for file in runs]))


def _blind(runs: Iterable[Path]) -> list[str]:
    """The models that were trained without sight, by the folders of their run.json."""
    asked = ((file, json_of(file)) for file in runs)
    configs = ((file, about.get("config")) for file, about in asked if isinstance(about, dict))
    return [file.parent.name for file, config in configs if isinstance(config, dict) and config.get("blind") is True]


# ------------------------------------------------------------------------------------------- pictures and failures


@dataclass(frozen=True)
class Evaluation:
    """Records, questions and answers that belong together, each by id; predictions and outcomes by model first."""

    records: dict[str, Record]
    asked: dict[str, Dialogue]
    predictions: dict[str, dict[str, Prediction]]
    outcomes: dict[str, dict[str, Outcome]]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All that findings are called."""
        return joined.vocabulary(self.records.values())

    def gives_boxes(self, model: str) -> bool:
        """Whether any answer of a model that was asked for places holds a box, or none was asked for them."""
        asked = [p for p in self.predictions[model].values() if p.kind in WITH_BOXES]
        said = (self.boxes(p) for p in asked)
        return any(said) or not asked

    def boxes(self, prediction: Prediction) -> report_pictures.Boxes:
        """The boxes of an answer."""
        dialogue = self.asked[prediction.id]
        return report_pictures.said_boxes(dialogue, self.records[dialogue.record], prediction, self.names)

    @property
    def ids(self) -> list[str]:
        """The questions that any model answered."""
        return list(dict.fromkeys(i for of in self.predictions.values() for i in of))


def _answered(inputs: Inputs) -> Evaluation:
    records = {r.id: r for r in read_jsonl(inputs.records, Record)}
    asked = {d.id: d for d in read_jsonl(inputs.dialogues, Dialogue)}
    predictions = {m: {p.id: p for p in read_jsonl(file, Prediction)} for m, file in inputs.predictions.items()}
    for model, of in predictions.items():
        joined.only_own(of.values(), inputs.predictions[model])
        if strange := [p.id for p in of.values() if p.id not in asked or p.record not in records]:
            file = inputs.predictions[model]
            raise RecordError(f"{file}: {strange[0]}: no such dialogue or record; give the files that were asked from")
    return Evaluation(records, asked, predictions, {m: _outcomes(of, asked, records) for m, of in predictions.items()})


def _outcomes(
    predictions: Mapping[str, Prediction], asked: Mapping[str, Dialogue], records: Mapping[str, Record]
) -> dict[str, Outcome]:
    """What ``score`` wrote to outcomes.jsonl, computed again from the predictions by the same code."""
    if not predictions:
        return {}
    found = metrics.outcomes(records.values(), [asked[i] for i in predictions], predictions.values())
    return {o.id: o for o in found}


def _chosen(answered: Evaluation, last: str | None, seed: int) -> dict[str, list[str]]:
    """The questions that are shown, by group: diagnoses, else localisations, else places of phrases, else reports.

    The outcomes of the ``last`` model tell which are best and worst; of reports, which have no place, random ones.
    """
    outcomes = answered.outcomes.get(last or "", {})
    asked = {o.kind for o in outcomes.values()}
    kind = next((k for k in ("diagnosis", "localisation", "grounding", "report") if k in asked), None)
    chosen = report_pictures.examples({i: o for i, o in outcomes.items() if o.kind == kind}, EACH, seed)
    return {group: ids for group, ids in chosen.items() if ids and (kind != "report" or group == "random")}


def _attention(inputs: Inputs, answered: Evaluation) -> dict[str, Any] | None:
    """How much of the attention lies on the findings, and some maps of it side by side; None where it was not read.

    Raises ``RecordError`` where a model has no map, where one is of no record, or where no image has one of each model.
    """
    if not inputs.attention:
        return None
    found = {model: _maps(file, answered.records) for model, file in inputs.attention.items()}
    both = [key for key in next(iter(found.values())) if all(key in of for of in found.values())]
    if not both:
        files = ", ".join(map(str, inputs.attention.values()))
        raise RecordError(f"{files}: no image has a map in each; write them from the same records and dialogues")
    cards = []
    for key in both[:EACH]:
        record = answered.records[key[1]]
        boxes, path = [(f.label, f.box) for f in record.boxed if f.box], image_path(record, inputs.records)
        seen = {model: of[key] for model, of in found.items()}
        maps = [(m, report_pictures.heated(record, path, boxes, one.map), one.share) for m, one in seen.items()]
        cards.append({"record": record, "maps": maps})
    columns = ["attention in the boxes", "if spread evenly", "times more", "images"]
    rows = [(model, _attended(list(of.values()))) for model, of in found.items()]
    return {"table": Table("Attention of the words that name a finding", columns, rows), "cards": cards}


def _maps(file: Path, records: Mapping[str, Record]) -> dict[tuple[str, str], AttentionRow]:
    """The maps of a model, by the ids of dialogue and record."""
    found = {(one.id, one.record): one for one in read_jsonl(file, AttentionRow)}
    if not found:
        raise RecordError(f"{file}: it holds no map; write it again with `unveil attention --restart`")
    if strange := [of for _, of in found if of not in records]:
        raise RecordError(f"{file}: {strange[0]}: no such record; give the records that the maps were made from")
    return found


def _attended(maps: Sequence[AttentionRow]) -> list[Any]:
    """A model's row of the table: the mean share in the boxes, the same spread evenly, their ratio, the images."""
    times, low, high = lift(maps)
    share, even = np.mean([one.share for one in maps]), np.mean([one.even for one in maps])
    limits = "" if low is None else f" [{low:.2f}, {high:.2f}]"
    return [f"{share:.1%}", f"{even:.1%}", f"{times:.2f}{limits}", len(maps)]


def _card(inputs: Inputs, asked: str, answered: Evaluation, models: Sequence[str]) -> dict[str, Any]:
    """One question, and what some models answered, of which the answers are there."""
    dialogue = answered.asked[asked]
    record = answered.records[dialogue.record]
    true = report_pictures.true_boxes(dialogue, record)
    answers = []
    for model in (model for model in models if model in answered.predictions):
        p = answered.predictions[model].get(asked)
        said = answered.boxes(p) if p else []
        picture = report_pictures.picture(record, image_path(record, inputs.records), true, said)
        outcome = answered.outcomes[model].get(asked)
        answers.append({"model": model, "text": p and p.answer, "outcome": outcome, "picture": picture})
    about = {"kind": dialogue.kind, "question": dialogue.question, "reference": dialogue.answer}
    return {"record": record, **about, "true": true, "answers": answers}


def _failures(outcomes: Mapping[str, Mapping[str, Outcome]]) -> dict[str, Any]:
    """Counts of failures by kind for each model, over all and by modality and label."""
    totals = {m: _tally_failures(of.values()) for m, of in outcomes.items()}
    tables = [("By modality", "modality"), ("By finding", "label")]
    return {
        "kinds": {k: MEANINGS[k] for k in FAILURES},
        "totals": totals,
        "most": max((t[k] for t in totals.values() for k in FAILURES), default=0),
        "tables": [_failure_table(caption, outcomes, by) for caption, by in tables],
        "by_iou": _by_iou(outcomes),
    }


def _by_iou(outcomes: Mapping[str, Mapping[str, Outcome]]) -> Table | None:
    """How often the right name is given, by how well the place was met; diagnoses of abnormal images."""
    found = {model: metrics.named_by_place(of.values()) for model, of in outcomes.items()}
    tables = list(found.values())
    rows = []
    for i, (place, _) in enumerate(tables[0] if tables else []):
        named = [table[i][1] for table in tables]
        rows.append((place, [f"{np.mean(right):.2f} of {len(right)}" if right else "–" for right in named]))
    met = any(right for table in tables for _, right in table)
    return Table("Right names by the place's IoU, and of how many images", list(outcomes), rows) if met else None


def _tally_failures(outcomes: Iterable[Outcome]) -> Counter[str]:
    """Failures by kind, with the number of answers and of right ones under "judged" and "right"."""
    tally: Counter[str] = Counter()
    for o in outcomes:
        tally.update([*o.failures, *(["judged"] if o.right is not None else []), *(["right"] if o.right else [])])
    return tally


def _failure_table(caption: str, outcomes: Mapping[str, Mapping[str, Outcome]], by: Any) -> dict[str, Any]:
    parts = {m: metrics.groups(of.values(), by) for m, of in outcomes.items()}
    names = sorted({name for of in parts.values() for name in of})
    rows = {name: {m: _tally_failures(of.get(name, ())) for m, of in parts.items()} for name in names}
    return {"caption": caption, "rows": rows}


# ------------------------------------------------------------------------------------------- data, curves and runs


def _curves(file: Path) -> dict[str, Any] | None:
    rows = rows_of(file)
    return None if rows is None else {"charts": report_pictures.charts(rows), "steps": len(rows)}


def _idle(metrics_file: Path) -> dict[str, Any] | None:
    """The rewards that told no two answers to one question apart in a whole training; None where all of them did.

    All of them where their sum never did.
    """
    held = json_of(metrics_file.with_name("run.json"))
    if not isinstance(held, dict) or "informative_updates" not in held:
        return None
    apart = dict(held["informative_updates"])
    updates, total = apart.pop("of"), apart.pop("total", 0)
    rewards = [name for name, times in apart.items() if not (times and total)]
    return {"updates": updates, "all": not total, "rewards": rewards} if rewards else None


def _run(file: Path) -> dict[str, Any]:
    """A run file: what it holds under the known names, and the rest as it is."""
    held = json_of(file)
    about = dict(held) if isinstance(held, dict) else {}
    command = about.pop("command", None)
    known = {k: about.pop(k, None) for k in ("config", "versions", "inputs", "seed", "seconds")}
    words = " ".join(map(str, command)) if isinstance(command, list) else command
    again = f"unveil {words} --config {shlex.quote(str(file))}"
    return {"file": str(file), "missing": held is None, "command": words, "again": again, **known, "rest": about}


def _hashes(inputs: Inputs) -> dict[str, str | None]:
    """SHA-256 of the files that the page was made from; None for a file that is not there."""
    several = [*inputs.predictions.values(), *inputs.training.values(), *inputs.attention.values(), *inputs.runs]
    one = [inputs.records, inputs.dialogues, inputs.scores, inputs.outcomes, inputs.rejected, inputs.check]
    return {str(p): sha256(p) if p.is_file() else None for p in (*one, *several) if p}
