"""The command ``unveil check``: what is wrong with records, and a safe split if one is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.core import benchmarks, console, jsonl, provenance, records, splits
from unveil.core.files import write_text
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.records import rebased


@dataclass(frozen=True)
class Config:
    """Look for what is wrong with records: bad boxes and images, and the same or a mirrored image in two splits."""

    records: InputFile
    """records.jsonl, as `unveil ingest` writes it."""
    resplit: OutputFile | None = None
    """Write the records here with patients, studies and copies kept together and dealt anew to train, val and test;
    what is in the test split of a benchmark, or of a set of --against, is marked and stays in test."""
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Shares of train, val and test in a new split."""
    seed: int = 0
    """Seed of the new split."""
    copies: bool = True
    """Search for near-identical and mirrored images too, not for equal files only."""
    against: tuple[InputFile, ...] = ()
    """Records of other sets, in which to look for copies of these images; what a test split of theirs has is an error
    outside of test."""
    json: OutputFile | None = None
    """Write what was found here too."""
    workers: int | None = None
    """Processes that read images; by default one per core."""
    restart: bool = False
    """Write over what another run has left in the place of --resplit and --json."""


def main(config: Config, deal: Callable[[Any, Sequence[records.Record]], bool] = lambda *_: True) -> bool:
    """Whether the records are fit for training and scoring, or were dealt anew so that they are.

    ``deal`` decides, from what was found, whether the new split that the configuration names is wanted.
    """
    inputs = [config.records, *config.against]
    with ExitStack() as stack:

        def output(file: Path | None, derived: bool) -> provenance.Output | None:
            made = file and provenance.output(file, "check", config, inputs, derived=derived)
            return stack.enter_context(made) if made else None

        return _check(config, deal, output(config.json, True), output(config.resplit, False))


def _check(
    config: Config,
    deal: Callable[[Any, Sequence[records.Record]], bool],
    found: provenance.Output | None,
    split: provenance.Output | None,
) -> bool:
    """As ``check``; writes what was found and the new split where they are to be made."""
    from unveil.audit.against import OtherSet
    from unveil.audit.records import check as look_through
    from unveil.audit.records import regroup

    rows = list(jsonl.read_jsonl(config.records, records.Record))
    if any(other.resolve() == config.records.resolve() for other in config.against):
        raise records.RecordError(
            f"--against {config.records}: these are the records themselves; name those of other sets"
        )
    others = [OtherSet.of(file) for file in config.against]
    report = look_through(rows, config.records, config.workers, config.copies, others)
    console.say(report.text())
    if config.json and found:
        write_text(config.json, report.json())
        found.write()
    leaks = [i for i in report.issues if i.name.endswith("_across_splits") or i.name == "copy_in_other_set"]
    if config.resplit and deal(report, rows):
        grouped = regroup(rows, [*report.pairs, *report.tied])
        marked = benchmarks.marked(grouped, report.pairs, dict(report.benchmarks))
        dealt = splits.assign_splits(marked, config.shares, config.seed)
        moved = [rebased(record, config.records, config.resplit) for record in dealt]
        if split:
            jsonl.write_jsonl(config.resplit, moved)
            split.write()
        elif moved != list(jsonl.read_jsonl(config.resplit, records.Record)):
            raise provenance.OutputError(f"{config.resplit} is of images that have changed since: {provenance.CHOICE}")
        sizes = Counter(r.split for r in dealt)
        console.say(f"new split in {config.resplit}: " + ", ".join(f"{sizes[s]} {s}" for s in records.SPLITS))
        for words in stays(dealt, report.pairs):
            console.say(words)
        return all(issue in leaks for issue in report.issues if issue.severity == "error")
    if any(issue.severity == "error" for issue in leaks):
        console.say("offer: --resplit FILE deals whole groups anew, so that no patient and no copy lies in two splits")
    return report.ok


def stays(dealt: Sequence[records.Record], copies: Sequence[tuple[str, str]] = ()) -> list[str]:
    """In words, what was kept in test since a benchmark has it there: images, of which copies count once, and what
    belongs to the same patients, studies or groups."""
    kept = [r for r in dealt if r.source.benchmark]
    image = splits.connected(copies, [r.id for r in dealt])
    words = []
    for name in sorted({r.source.benchmark for r in kept if r.source.benchmark}):
        number = len({image[r.id] for r in kept if r.source.benchmark == name})
        image_s, stay_s = ("image", "stays") if number == 1 else ("images", "stay")
        words.append(f"{number} {image_s} of the published test split of {name} {stay_s} in test")
    clusters = {r.cluster for r in kept}
    if beside := sum(r.cluster in clusters and not r.source.benchmark for r in dealt):
        words.append(f"with what is of the same patients, studies or groups: {beside} more")
    if any(r.source.published not in (None, "test") for r in kept):
        words.append(
            "what other published splits ask about them is tested too: figures are not those of that test split"
        )
    return words
