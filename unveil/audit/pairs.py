"""What a model could learn from preference pairs instead of medicine, and what in them is wrong.

Each check gives a verdict by stated limits and its figures with n and interval. A file is read leniently: a line that
training would refuse is counted here, so that all of them are known at once.
"""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unveil import __version__
from unveil.audit import contradictions, noise_maps, shortcuts
from unveil.audit.checks import COMMON, VERDICTS, AuditInput, Check, Verdict, counted, unboxed
from unveil.core.answers import clean
from unveil.core.jsonl import each_line, read_jsonl
from unveil.core.pairs import checked, parsed
from unveil.core.records import Pair, Record, RecordError, image_path

FLOOR, CEILING = 0.75, 1.25
"""Where MMedPO cuts its weights off."""
CLIPPED = 0.5
"""More weights than this share at the floor or the ceiling: what they should tell has been cut off."""

#: Sentences that speak to the model that reads them instead of about the image.
INSTRUCTIONS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b(?:\s+\w+){0,3}\s+(?:instructions?|prompts?|rules|images?|pictures?)\b"
    r"|\byou are now\b|\bfrom now on,? you\b|\bpretend (?:to be|you are|that)\b"
    r"|\bact as (?:if|an? (?:ai|assistant|model))\b"
    r"|\b(?:always |only |just )?(?:answer|say|reply|respond|output)(?: with)?:? [\"'“]?(?:normal|no abnormality)\b"
    r"(?![\"'”]?\s*(?:or\b|/|,))"
    r"|\b(?:system|developer) (?:prompt|message)\b|\bas an? (?:ai|language) (?:language )?model\b|\bnew instructions?\b"
    r"|\bdo not (?:mention|report|describe) (?:any|the) (?:findings?|abnormalit\w+|lesions?)\b|\bjailbreak\b",
    re.I,
)


@dataclass(frozen=True)
class Audit:
    """All checks, in the order in which they are shown."""

    pairs: int
    images: int
    checks: tuple[Check, ...]
    settings: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether nothing forbids to train on these pairs."""
        return all(check.verdict != "error" for check in self.checks)

    @property
    def findings(self) -> list[Check]:
        """What was found, worst first."""
        return [check for check in self.told if check.found]

    @property
    def told(self) -> list[Check]:
        """What there is to say something about, worst first: all but what is fine and what could not be looked at."""
        told = [check for check in self.checks if check.verdict not in ("fine", "skipped")]
        return sorted(told, key=lambda check: VERDICTS.index(check.verdict))

    def of(self, verdict: Verdict) -> list[Check]:
        return [check for check in self.checks if check.verdict == verdict]

    @property
    def headline(self) -> str:
        """What came out, in a sentence. What is undecided is neither a fault nor shown to be none."""
        errors, warnings, undecided = (len(self.of(verdict)) for verdict in ("error", "warning", "undecided"))
        faults = [_many(errors, "error"), _many(warnings, "warning")] if self.findings else ["no fault shown"]
        return ", ".join(filter(None, [*faults, f"{undecided} undecided" if undecided else ""]))

    def check(self, name: str) -> Check:
        return next(check for check in self.checks if check.name == name)

    def json(self) -> dict[str, Any]:
        """Every figure, and the ids of all pairs at fault; examples only where no single pair is."""
        rows = [
            {k: v for k, v in dataclasses.asdict(c).items() if k not in ("series", "examples")} for c in self.checks
        ]
        about = {"version": __version__, "ok": self.ok, "pairs": self.pairs, "images": self.images}
        return about | {"settings": self.settings, "checks": rows}


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}" if count else ""


def read(file: Path, records_file: Path | None = None, seed: int = 0) -> AuditInput:
    """Pairs, ours or TRL's, and the images that they name. Raises ``RecordError`` where not one line is a pair."""
    pairs: list[Pair] = []
    refused: list[str] = []
    seen: set[str] = set()
    lines = 0
    for number, row in each_line(file, lambda row, number: _leniently(row, f"{file.stem}-{number}")):
        lines += 1
        if isinstance(row, str):
            refused.append(f"line {number}: {row}")
            continue
        if row.id in seen:
            refused.append(f"line {number}: {row.id} occurs more than once")
            row = dataclasses.replace(row, id=f"{row.id} (line {number})")
        elif problem := _problem(row):
            refused.append(f"line {number}: {row.id}: {problem}")
        seen.add(row.id)
        pairs.append(row)
    if not pairs:
        raise RecordError(f"{file}: there are no pairs" + (f"; {refused[0]}" if refused else ""))
    held = None if records_file is None else {r.id: r for r in read_jsonl(records_file, Record)}
    paths = [file.parent / image for p in pairs for image in (p.image, p.rejected_image or p.image)]
    if records_file and held:
        paths += [image_path(r, records_file) for r in held.values() if r.split == "test"]
    return AuditInput(
        file, tuple(pairs), lines, tuple(refused), held, noise_maps.read_images(paths), seed, records_file
    )


def _leniently(row: Any, name: str) -> Pair | str:
    """The pair of one line, or why it is none."""
    try:
        return parsed(row, name)
    except RecordError as error:
        return str(error)


def _problem(pair: Pair) -> str | None:
    """Why training refuses a pair. Equal sides have a check of their own."""
    if pair.chosen.strip() and pair.chosen == pair.rejected and not pair.other:
        return None
    try:
        checked(pair)
    except RecordError as error:
        return str(error)
    return None


def audit(material: AuditInput) -> Audit:
    """All checks of the pairs."""
    checks = (
        _refused(material),
        noise_maps.images(material),
        *shortcuts.shortcuts(material),
        *contradictions.labels(material),
        *noise_maps.maps(material),
        weights(material),
        leaks(material),
        _unknown_records(material),
        *foreign_words(material),
    )
    limits = {
        "warning": shortcuts.WARNING,
        "error": shortcuts.ERROR,
        "fewest_pairs": shortcuts.FEWEST,
        "common": COMMON,
    }
    settings = {"seed": material.seed, "records": material.records is not None, "limits": limits}
    settings["clusters"] = material.clustered
    pictures = {material.content(pair, worse) for pair in material.pairs for worse in (False, True)}
    return Audit(len(material.pairs), len(pictures), checks, settings)


def _refused(material: AuditInput) -> Check:
    lines, title = material.refused, "Lines that training refuses"
    message = "; ".join(lines[:3])
    found: Verdict = "error" if lines else "fine"
    return Check("refused", title, found, message, material.lines, figures={"count": len(lines), "lines": list(lines)})


# ----------------------------------------------------------------------------------------------------------- weights


def weights(material: AuditInput) -> Check:
    """How the weights of textual and of visual pairs are spread, and whether they tell anything."""
    kinds: dict[str, list[Pair]] = {"text": [], "visual": []}
    for pair in material.pairs:
        kinds["visual" if material.other(pair) else "text"].append(pair)
    values = {kind: [p.weight for p in of if math.isfinite(p.weight)] for kind, of in kinds.items()}
    figures = {kind: _distribution(of) for kind, of in values.items() if of}
    zeros = [p.id for p in material.pairs if p.weight == 0]
    said = [f"{len(zeros)} weights are 0: these pairs teach nothing."] if zeros else []
    for kind, about in figures.items():
        if about["sd"] == 0 and about["mean"] not in (0, 1):
            said.append(f"All {about['n']} {kind} pairs have the weight {about['mean']:g}: it tells nothing.")
        elif about["sd"] and (cut := max(about["floor"], about["ceiling"])) > CLIPPED:
            where = FLOOR if cut == about["floor"] else CEILING
            said.append(f"{cut:.0%} of the {kind} pairs have the weight {where}, where weights are cut off.")
    spread = "; ".join(f"{kind}: mean {a['mean']:.3f}, sd {a['sd']:.3f} (n {a['n']})" for kind, a in figures.items())
    message = " ".join([*said, f"Weights of {spread}."])
    found: Verdict = "warning" if said else "fine"
    title, n = "Weights", len(material.pairs)
    return Check("weights", title, found, message, n, tuple(zeros), figures, series=values)


def _distribution(weights: Sequence[float]) -> dict[str, float]:
    held = np.asarray(weights)
    shares = {"zero": held == 0, "floor": np.isclose(held, FLOOR), "ceiling": np.isclose(held, CEILING)}
    about = {"n": len(held), "mean": float(held.mean()), "sd": float(held.std()) if np.ptp(held) else 0.0}
    return about | {name: float(hit.mean()) for name, hit in shares.items()}


# ------------------------------------------------------------------------------------------------------------- leaks


def leaks(material: AuditInput) -> Check:
    """Pairs on images that a test will ask about: by their own split, record, patient or group, or the picture."""
    title = "Test split in the pairs"
    tests = [r for r in (material.records or {}).values() if r.split == "test"]
    splits = [(pair, pair.split or ((record := material.record(pair)) and record.split)) for pair in material.pairs]
    examined = material.pairs if tests else [p for p, split in splits if split is not None or p.benchmark]
    if not examined:
        return Check("test_leak", title, "skipped", "Nobody says what is in the test split: give --records.")
    found = dict(_leaking(examined, tests, material))
    reasons = Counter(found.values())
    message = "A test will ask about this image: " + ", ".join(f"{n} x {reason}" for reason, n in reasons.items()) + "."
    unread = [r.id for r in tests if not material.images[_image_of(r, material)].pixels]
    figures = {"reasons": dict(reasons), "unread": unread}
    check = counted("test_leak", title, message, list(found), examined, material, "error", figures=figures)
    if found or not unread:
        return check
    message = f"{len(unread)} of {len(tests)} test images cannot be read: copies of them were not looked for."
    return dataclasses.replace(check, verdict="note", message=message)


def _image_of(record: Record, material: AuditInput) -> Path:
    assert material.records_file is not None
    return image_path(record, material.records_file)


def _leaking(pairs: Sequence[Pair], tests: Sequence[Record], material: AuditInput) -> Iterator[tuple[str, str]]:
    """Ids of pairs of the test split, and why they are."""
    hashes, clusters = {r.source.sha256 for r in tests} - {None}, {r.cluster for r in tests}
    pictures = {material.images[_image_of(r, material)].pixels for r in tests} - {""}
    copied = {material.copies[picture] for picture in pictures}
    for pair in pairs:
        record, sides = material.record(pair), {material.content(pair, worse) for worse in (False, True)}
        files = {material.images[material.image(pair, worse)].sha256 for worse in (False, True)}
        if pair.split == "test":
            yield pair.id, "marked as test"
        elif benchmark := pair.benchmark or (record and record.source.benchmark):
            yield pair.id, f"its image is in the test split of {benchmark}"
        elif record and record.split == "test":
            yield pair.id, "its record is in the test split"
        elif files & hashes or sides & pictures:
            yield pair.id, "its image is one of the test split"
        elif {material.copies.get(side) for side in sides} & copied:
            yield pair.id, "its image is a near copy of one of the test split"
        elif record and record.cluster in clusters:
            yield pair.id, "its patient or group is in the test split"


def _unknown_records(material: AuditInput) -> Check:
    title = "Pairs without a record"
    if material.records is None:
        return Check("unknown_record", title, "skipped", "The records are not given (--records).")
    unknown = [pair.id for pair in material.pairs if material.record(pair) is None]
    message = "They belong to no record that was given: whether they leak or hide the lesion is unknown."
    return counted("unknown_record", title, message, unknown, material.pairs, material, "warning")


# ------------------------------------------------------------------------------------------------------------- texts


def foreign_words(material: AuditInput) -> Iterator[Check]:
    """Texts of pairs and reports of records that hold what speaks to a model instead of about an image."""
    texts = {p.id: " \n ".join((p.question, p.chosen, p.rejected)) for p in material.pairs}
    reports = {f"{r.id} (report)": text for r in (material.records or {}).values() if (text := _written(r))}
    for name, title, hit, message, worst in (
        (
            "control_tokens",
            "Control tokens",
            has_control,
            "Texts hold tokens of a chat, or characters unseen.",
            "error",
        ),
        ("instructions", "Instructions to the model", _has_instruction, "Texts hold a sentence that instructs.", None),
    ):
        pairs, records = ([i for i, text in of.items() if hit(text)] for of in (texts, reports))
        check = counted(name, title, message, pairs, material.pairs, material, worst)  # type: ignore[arg-type]
        if records and not pairs:  # a report is not learnt from, but what is made from it will be
            check = dataclasses.replace(check, verdict="warning", message=message)
        figures = {**check.figures, "pairs": len(pairs), "reports": len(records)}
        yield dataclasses.replace(check, of=check.of + len(reports), ids=(*pairs, *records), figures=figures)


def _written(record: Record) -> str:
    """All that somebody has written about an image: its report, with sections, and phrases with translations."""
    phrases = (text for f in record.findings for text in (f.phrase, *f.translations.values()))
    return " \n ".join(filter(None, (record.report, *record.sections.values(), *phrases)))


def has_control(text: str) -> bool:
    """Whether ``answers.clean`` takes away more than white space; boxes are not what it is meant for."""
    text = unicodedata.normalize("NFC", unboxed(text)[0])
    return text.split() != clean(text).split()


def _has_instruction(text: str) -> bool:
    return INSTRUCTIONS.search(text) is not None
