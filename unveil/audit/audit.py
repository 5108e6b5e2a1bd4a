"""The command that looks at preference pairs before anything is learnt from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unveil.core import console, provenance
from unveil.core.number_types import CountOrNone
from unveil.core.path_types import InputFile, OutputFolder

if TYPE_CHECKING:  # scikit-learn is imported only when something is audited
    from unveil.audit.pairs import Audit


@dataclass(frozen=True)
class Config:
    """Look for what a model could learn from preference pairs instead of medicine, and for what is wrong in them."""

    pairs: InputFile
    """File of pairs: pairs.jsonl of `unveil curate`, or in the form that TRL reads."""
    records: InputFile | None = None
    """records.jsonl: then leaks by patient and image, maps beside the lesion and hostile reports are looked for too."""
    out: OutputFolder | None = None
    """Folder for audit.json and audit.html; by default one beside the pairs, PAIRS.audit."""
    seed: int = 0
    """Seed of folds, resamples and of the examples that are shown."""
    limit_examples: CountOrNone = 4
    """Examples that the page shows of each finding."""
    restart: bool = False
    """Write over what another command has left in `out`, or the audit of other pairs."""


def main(config: Config) -> bool:
    """Whether nothing forbids to train on the pairs."""
    out = config.out or config.pairs.with_name(f"{config.pairs.stem}.audit")
    inputs = [config.pairs, *([config.records] if config.records else [])]
    with provenance.output(out, "audit", config, inputs, ("audit.json", "audit.html"), derived=True) as output:
        assert output  # what is derived is always made
        ok = _audit(config, out)
        output.write()
    return ok


def _audit(config: Config, out: Path) -> bool:
    from unveil.audit import pairs as checks
    from unveil.audit.page import write_page

    console.say(f"reading {config.pairs} and its images")
    material = checks.read(config.pairs, config.records, config.seed)
    with console.progress("audit", None):
        found = checks.audit(material)
    provenance.write_json(out / "audit.json", found.json())
    page = write_page(found, material, out / "audit.html", config.limit_examples)
    _show(found)
    console.say(f"page: {page}")
    return found.ok


def _show(found: Audit) -> None:
    rows = [[check.title, check.verdict, check.summary] for check in found.told]
    if rows:
        console.table(f"{found.pairs} pairs on {found.images} images", ["check", "verdict", "found"], rows)
    for check in found.told:
        console.say(f"{check.verdict}: {check.title}, {check.summary}. {check.message}")
        if check.ids:
            more = f" … {len(check.ids) - 5} more" if len(check.ids) > 5 else ""
            console.say(f"  {', '.join(check.ids[:5])}{more}")
    if fine := found.of("fine"):
        console.say(f"without a fault: {', '.join(check.title for check in fine)}")
    skipped = found.of("skipped")
    for why in dict.fromkeys(check.message for check in skipped):
        console.say(f"not looked at: {', '.join(check.title for check in skipped if check.message == why)}. {why}")
    console.say(found.settings["clusters"])
    console.say(f"{found.pairs} pairs on {found.images} images: {found.headline}")
