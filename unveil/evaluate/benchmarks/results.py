"""What a benchmark's run comes to: each metric with n and interval, on unseen images, by group, beside the published.

The values are JSON's: a file beside the scores, of which the page of one or of all benchmarks is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unveil.core.grading import Outcome
from unveil.core.records import Record
from unveil.evaluate.benchmarks.benchmark import Benchmark
from unveil.evaluate.benchmarks.questions import unseen
from unveil.evaluate.estimates import Estimate
from unveil.evaluate.intervals import estimates, plain_mean
from unveil.evaluate.report_tables import absent

#: What metrics are called on pages.
TITLES = {
    "closed": "closed: accuracy",
    "open_recall": "open: recall of words",
    "open_f1": "open: F1 of words",
    "exact": "exact match",
    "choice": "accuracy",
    "accuracy": "name is right",
    "iou": "mean IoU",
    "iou50": "IoU at least 0.5",
    "f1_50": "F1 at IoU 0.5",
    "f1_50_named": "F1 at IoU 0.5, with the name",
    "localisation_iou": "mean IoU, place of a name",
    "grounding_iou": "mean IoU, place of a phrase",
    "grounding_iou50": "IoU at least 0.5, place of a phrase",
    "report_rougeL": "ROUGE-L",
    "report_found": "F1 of findings named",
    "report_denied": "F1 of findings denied",
    "bleu4_sacre": "BLEU-4",
    "meteor_nltk": "METEOR",
    "parse_failures": "unparsable",
    "boxes_f1_50": "F1 at IoU 0.5 of all boxes",
    "counting_mae": "counts: mean absolute error",
    "regression_mae": "measures: mean absolute error",
}


#: Of a metric that none of the answers counts in.
NOTHING = Estimate(None, None, None, 0, 0, "no items")


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn."""

    resamples: int
    seed: int

    def figures(self, metrics: Sequence[str], rows: Sequence[Outcome]) -> dict[str, Any]:
        """The metrics of some answers as JSON values; without a value, and why, where there is nothing to count."""
        if not rows:
            return {m: asdict(NOTHING) for m in metrics}
        found = estimates(rows, self.resamples, self.seed)
        return {m: asdict(found[m]) for m in metrics}


def result(
    benchmark: Benchmark, records: Sequence[Record], rows: Sequence[Outcome], bootstrap: Bootstrap
) -> dict[str, Any]:
    """The figures of one model's answers to a benchmark's questions."""
    images = {r.id: r for r in records}
    asked = {row.record for row in rows}
    fresh = asked & unseen(records)

    def shown(names: Iterable[str]) -> int:
        return len({images[name].source.sha256 or images[name].image for name in names})

    metrics = [*benchmark.metrics, "parse_failures"]
    about: dict[str, Any] = {
        "questions": len(rows),
        "size": benchmark.size,
        "images": shown(asked),
        "clusters": len({row.cluster for row in rows}),
        "patients_known": all(images[name].patient is not None for name in asked),
        "metrics": bootstrap.figures(metrics, rows),
        "unseen": {"images": shown(fresh), "of": shown(asked)},
    }
    if len(fresh) < len(asked):
        about["unseen"]["metrics"] = bootstrap.figures(metrics, [row for row in rows if row.record in fresh])
    if benchmark.group:
        about["groups"] = _groups(benchmark, images, rows, bootstrap)
    return about


def _groups(
    benchmark: Benchmark, images: Mapping[str, Record], rows: Sequence[Outcome], bootstrap: Bootstrap
) -> dict[str, Any]:
    """The first metric by group, and its plain mean over the groups that have a value."""
    assert benchmark.group
    by: dict[str, list[Outcome]] = {}
    for row in rows:
        by.setdefault(benchmark.group(images[row.record]), []).append(row)
    first = benchmark.metrics[0]
    found = {name: bootstrap.figures([first], of)[first] for name, of in sorted(by.items())}
    counting = [of for name, of in by.items() if found[name]["value"] is not None]
    return {
        "what": benchmark.group_title,
        "metric": first,
        "of": found,
        "mean": asdict(plain_mean(counting, first, bootstrap.resamples, bootstrap.seed) if counting else NOTHING),
        "groups": len(counting),
    }


def outcomes(folder: Path) -> dict[str, list[Outcome]]:
    """What became of each model's answers, as `unveil score` has written it."""
    found: dict[str, list[Outcome]] = {}
    with (folder / "outcomes.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            found.setdefault(row.pop("model"), []).append(Outcome(**row))
    return found


def cell(estimate: Mapping[str, Any] | None) -> str:
    """A figure as tables show it: value and interval, or why there is none."""
    if estimate is None:
        return "–"
    if estimate["value"] is None:
        return f"none: {absent(estimate)}"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f} ({absent(estimate)})"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def of_reports(scores: Mapping[str, Any], model: str) -> dict[str, Any]:
    """BLEU and METEOR over English references, as the section of scores has them; of one that was not measured why."""
    section = scores.get("sections", {}).get("reports") or {"tables": {}, "unmeasured": {}}
    table = section["tables"].get("13a", {"models": {}, "n": 0, "clusters": 0})
    found = table["models"].get(model, {}).get("metrics", {})
    about = {"value": None, "low": None, "high": None, "n": table["n"], "clusters": table["clusters"], "reason": None}
    why = section["unmeasured"]
    return {
        name: about | found.get(name, {"reason": why.get(f"{name} (13a)", "no report in English")})
        for name in ("bleu4_sacre", "meteor_nltk")
    }


def published(benchmark: Benchmark, scores: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The same answers by the scorings of others that the benchmark names, as the section of scores has them."""
    section = scores.get("sections", {}).get("as_published") or {}
    own = section.get("models", {}).get(model, {})
    return {
        name: {"n": own[name]["n"], "reason": None, **own[name]["published"]}
        for name in benchmark.published
        if name in own
    }
