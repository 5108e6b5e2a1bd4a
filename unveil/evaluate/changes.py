"""What changed between models, and what may be said of it: verdicts, the sentence that sums them up, and its doubts.

The report and the terminal take their words from here, so that they say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from unveil.core.bootstrap import MANY, TELLING
from unveil.core.measures import ASKED, DIAGNOSIS, MEASURES, OTHER, Measure

Verdict = Literal["better", "worse", "different", "undecided", "too few", "no interval"]

#: Measures of one kind tell much the same, so in the sentence they count once: the first of them that has a verdict
#: speaks for all. ``question_accuracy`` is not among them, since it adds up what the others tell.
KINDS: dict[str, tuple[str, ...]] = {
    "whether anything is abnormal": (
        "detection",
        "diagnosis_detection",
        "sensitivity",
        "specificity",
        "diagnosis_sensitivity",
        "diagnosis_specificity",
    ),
    "where findings are": ("iou", "iou50", "f1_50", "f1_50_named"),
    "what findings are": ("accuracy",),
    "the place for a name": ("localisation_iou", "localisation_refusal"),
    "the place for a phrase": ("grounding_iou", "grounding_iou50"),
    "the name for a place": ("recognition", "recognition_refusal"),
    "closed questions": ("closed",),
    "multiple choice": ("choice", "choice_likelihood"),
    "open questions": ("open_f1", "open_recall", "exact"),
    "reports": ("report_found", "report_denied", "report_rougeL"),
    "readable answers": ("parse_failures",),
}
FAMILY = 0.05
"""The probability of calling any of the metrics of two models different where none is."""
UNITS = {"patient": "patients", "study": "studies", "image": "images"}
"""What a bootstrap draws, in words; all else are groups of images."""

#: From so many models on they stand side by side, and only the first ones are shown in full, as many as a page is wide.
FEW, IN_FULL = 4, 3
SIDE_BY_SIDE = ("accuracy", "iou", "f1_50_named", "question_accuracy", "closed")


# ------------------------------------------------------------------------------------------------------------- words


def verdict(difference: Mapping[str, Any], measure: Measure) -> Verdict | None:
    """What a paired difference says; None where there is none.

    "too few": it rests on fewer than ``MANY`` clusters, whatever its interval. "undecided": the interval holds 0, or
    the models differ in too few clusters for a verdict.
    """
    if difference.get("value") is None:
        return None
    if behind(difference) < MANY:
        return "too few"
    if difference.get("low") is None:
        return "no interval"
    if not difference["excludes_zero"]:
        return "undecided"
    sign = measure.better * difference["value"]
    return "different" if sign == 0 else "better" if sign > 0 else "worse"


def alone(difference: Mapping[str, Any]) -> bool:
    """Whether a difference whose interval leaves out 0 is not significant among all metrics of its models (Holm)."""
    return bool(difference.get("excludes_zero")) and difference.get("p_holm", 0.0) > FAMILY


def behind(cell: Mapping[str, Any]) -> int:
    """The clusters that stand behind a figure: of a mean of two shares, behind the one with fewer."""
    clusters: int = cell.get("fewest", cell["clusters"])
    return clusters


def headline(changes: Mapping[str, Any], named: bool = True) -> str:
    """What came out of the last model against the first (of the second against the first, where others are compared
    with that), in a sentence or two, or without the kinds ``named`` in one; empty where there is nothing to compare."""
    if len(changes["models"]) < 2:
        return ""
    first, last = changes["models"][0], changes["last"]
    rows = {row["key"]: row["differences"].get(f"{last} − {first}") for row in changes["rows"]}
    found = {kind: _of_kind([d for key in keys if (d := rows.get(key))]) for kind, keys in _kinds(rows).items()}
    on = {word: [kind for kind, one in found.items() if one == word] for word in dict.fromkeys(found.values())}
    judged = {word: on.get(word, []) for word in ("better", "worse", "different", "undecided")}
    count, few, unit = sum(map(len, judged.values())), len(on.get("too few", [])), changes["unit"]
    if not count:
        most = max((behind(d) for d in rows.values() if d and d.get("value") is not None), default=0)
        told = (
            f"Too few {unit} to tell whether {last} is better than {first}: there are {most}, a verdict takes {MANY}."
        )
        return told if few else ""
    kinds = f"{count} {'kind' if count == 1 else 'kinds'} of measures"
    told = f"Of {kinds}, {last} is better than {first} on {_listed(judged['better'], named)}"
    told += f" and worse on {_listed(judged['worse'], named)}"
    told += f"; different, not better, on {_listed(judged['different'], named)}" if judged["different"] else ""
    told += f"; on {len(judged['undecided'])} the data cannot tell" if judged["undecided"] else ""
    told += f"; on {few} more there are too few {unit} to tell" if few else ""
    return f"{told}. Measures of one kind count once." if named else f"{told}."


def _kinds(rows: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """The kinds of measures, and each measure that nobody knows as a kind of its own."""
    return KINDS | {key.replace("_", " "): (key,) for key in rows if key not in MEASURES}


def _of_kind(differences: Sequence[Mapping[str, Any]]) -> Verdict | None:
    """The verdict of the first measure that has one; "different" where another one says the contrary."""
    said: list[Verdict] = [d["verdict"] for d in differences if d["verdict"] not in (None, "no interval")]
    if not said:
        return None
    contrary = {"better": "worse", "worse": "better"}.get(said[0])
    return "different" if contrary in said else said[0]


def _listed(kinds: Sequence[str], named: bool) -> str:
    return (f"{len(kinds)} ({', '.join(kinds)})" if named else str(len(kinds))) if kinds else "none"


def doubts(scores: Mapping[str, Any]) -> str:
    """Why the intervals are to be doubted: clusters that may not be independent, measures and groups with few."""
    boot, models = scores["bootstrap"], list(scores["models"].values())
    unit, notes = units(boot), []
    if not boot["patients_known"]:
        notes.append(f"Patients are not known for all images: whether {unit} are independent is unknown.")
    sizes = {_title(key): n for one in models for key, n in _clusters(one["metrics"]).items()}
    few = {name: n for name, n in sizes.items() if n < MANY}
    if few and len(few) == len(sizes):
        if (most := max(few.values())) >= TELLING:
            notes.append(f"Only {most} {unit}: the intervals are too narrow, and no verdict is given.")
        else:
            told = "there are no percentile intervals, and no verdict is given"
            notes.append(f"Fewer than {TELLING} {unit} ({most}): {told}.")
    elif few:
        notes.append(
            f"Fewer than {MANY} {unit} stand behind {_some(few)}: their intervals are too narrow, or there are none."
        )
    groups = {name: max(held.values()) for name, held in _grouped(scores) if held}
    small = {name: n for name, n in groups.items() if n < MANY}
    if small and len(few) < len(sizes):
        notes.append(f"Groups of fewer than {MANY} {unit}: {_some(small)}.")
    return " ".join(notes)


def units(bootstrap: Mapping[str, Any]) -> str:
    """What the clusters of a bootstrap are, in words."""
    return UNITS.get(bootstrap.get("cluster", ""), "groups of images")


def _clusters(metrics: Mapping[str, Any]) -> dict[str, int]:
    return {key: behind(cell) for key, cell in metrics.items() if cell["value"] is not None}


def _grouped(scores: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, int]]]:
    for groups in scores.get("sections", {}).get("subgroups", {}).get("by", {}).values():
        for name, held in groups.items():
            yield from ((name, _clusters(metrics)) for metrics in held["models"].values())


def _title(key: str) -> str:
    """A measure's name, with its group where two have the same."""
    measure = MEASURES.get(key) or _unknown(key)
    twice = [other for other in MEASURES.values() if other.name == measure.name]
    where = {DIAGNOSIS: "in the diagnosis", ASKED: "asked alone"}.get(measure.group, measure.group)
    return f"{measure.name} {where}" if len(twice) > 1 else measure.name


def _some(sizes: Mapping[str, int], most: int = 6) -> str:
    """Names with their numbers, the smallest first."""
    ordered = sorted(sizes.items(), key=lambda item: (item[1], item[0]))
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(f"{name} ({n})" for name, n in ordered[:most]) + more


# ------------------------------------------------------------------------------------------------------------- table


def changes(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The table of measures: a row for each metric with a value, and the names of those without one.

    Of ``FEW`` models and more the first ``IN_FULL`` are shown in full, with their differences from the second (the
    first being where all came from); ``beside`` then has the main measures of all of them.
    """
    every = list(scores.get("models", {}))
    models = every if len(every) < FEW else every[:IN_FULL]
    metrics = {m: scores["models"][m].get("metrics", {}) for m in models}
    present = dict.fromkeys(k for values in metrics.values() for k in values)
    order = [k for k in MEASURES if k in present] + [k for k in present if k not in MEASURES]
    differences = scores.get("differences", {})
    compared = {f"{b} − {a}": (b, a) for b, others in differences.items() for a in others}
    apart = {pair: differences[b][a] for pair, (b, a) in compared.items()}
    beside = _beside(scores, every, apart) if len(every) >= FEW else None
    if beside:
        told = [f"{every[1]} − {every[0]}", *(f"{name} − {every[1]}" for name in models[2:])]
        apart = {pair: values for pair, values in apart.items() if pair in told}
    constant = scores.get("baselines", {}).get("majority", {}).get("metrics", {})
    if guess := scores.get("baselines", {}).get("chance"):
        constant = constant | {key: {"value": guess["choice"]} for key in ("choice", "choice_likelihood")}
    rows = [_row(key, metrics, apart, constant) for key in order]
    measured = [row for row in rows if row["measured"]]
    return {
        "models": models,
        "last": (models[1] if beside else models[-1]) if models else None,
        "unit": units(scores.get("bootstrap", {})),
        "beside": beside,
        "pairs": list(apart),
        "compared": [compared[pair] for pair in apart],
        "rows": measured,
        "groups": list(dict.fromkeys(row["measure"].group for row in measured)),
        "unmeasured": [row["measure"] for row in rows if not row["measured"]],
        "constant": bool(constant),
    }


def _beside(scores: Mapping[str, Any], every: Sequence[str], apart: Mapping[str, Any]) -> dict[str, Any]:
    """All models in rows, the main measures in columns, each with its difference from the second model."""
    known = [key for key in SIDE_BY_SIDE if any(_value(scores, name, key) is not None for name in every)]
    rows = []
    for name in every:
        differences = apart.get(f"{name} − {every[1]}", {})
        given = {key: differences.get(key) for key in known}
        judged = {key: d and _judged(d, MEASURES[key]) for key, d in given.items()}
        cells = {key: scores["models"][name].get("metrics", {}).get(key) for key in known}
        rows.append({"model": name, "cells": cells, "differences": judged})
    return {"second": every[1], "measures": {key: MEASURES[key] for key in known}, "rows": rows}


def _judged(difference: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    return {**difference, "verdict": verdict(difference, measure), "alone": alone(difference)}


def _value(scores: Mapping[str, Any], name: str, key: str) -> float | None:
    return (scores["models"][name].get("metrics", {}).get(key) or {}).get("value")


def _row(key: str, metrics: Mapping[str, Any], apart: Mapping[str, Any], constant: Mapping[str, Any]) -> dict[str, Any]:
    measure = MEASURES.get(key) or _unknown(key)
    cells = {m: values.get(key) for m, values in metrics.items()}
    numbers = [c[k] for c in cells.values() if c for k in ("value", "low", "high") if c.get(k) is not None]
    given = {pair: values.get(key) for pair, values in apart.items()}
    return {
        "key": key,
        "measure": measure,
        "cells": cells,
        "differences": {
            pair: d and {**d, "verdict": verdict(d, measure), "alone": alone(d)} for pair, d in given.items()
        },
        "constant": (constant.get(key) or {}).get("value"),
        "measured": bool(numbers),
        "plotted": bool(numbers) and min(numbers) >= 0 and max(numbers) <= 1,
        "sizes": sorted({(c["n"], c.get("clusters")) for c in cells.values() if c}, key=str),
    }


def _unknown(key: str) -> Measure:
    return Measure(OTHER, key.replace("_", " ").capitalize(), "", 0)
