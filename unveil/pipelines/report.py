"""``unveil report``: the report of a folder that the main job has filled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unveil.core.paths import InputFolder
from unveil.core.untrusted import read_json
from unveil.evaluate.report import write_report
from unveil.evaluate.report_data import Inputs


@dataclass(frozen=True)
class Config:
    """Write the report of a folder that `unveil run` has filled, again."""

    run: InputFolder
    """The folder that was --out of `unveil run`."""
    seed: int = 0
    """Seed of the random examples."""


def main(config: Config) -> Path:
    """Writes report.html and returns it."""
    out = config.run
    about = read_json(out / "run.json") if (out / "run.json").is_file() else {"config": {}}
    source = about["config"].get("data") or "synthetic images"
    names = list(read_json(out / "scores.json", lenient=True)["models"])
    inputs = Inputs(
        title=f"{about['config'].get('model', 'model')} on {source}",
        records=records_of(out),
        scores=out / "scores.json",
        outcomes=out / "outcomes.jsonl",
        predictions={name: out / name / "predictions.jsonl" for name in names},
        dialogues=out / "dialogues.jsonl",
        training={name: out / name / "metrics.jsonl" for name in names if name != "base"},
        attention={name: file for name in names if (file := out / name / "attention.jsonl").is_file()},
        rejected=out / "data" / "rejected.jsonl",
        check=out / "check.json",
        runs=sorted(out.rglob("*run.json")),
        dealt=resplit(out).is_file(),
    )
    return write_report(inputs, out / "report.html", seed=config.seed)


def records_of(run: Path) -> Path:
    """The records that a run works on: those of the new split if there is one."""
    return resplit(run) if resplit(run).is_file() else run / "data" / "records.jsonl"


def resplit(run: Path) -> Path:
    """Where the records of a new split lie."""
    return run / "resplit.jsonl"
