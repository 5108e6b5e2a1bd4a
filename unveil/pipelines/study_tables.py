"""A study's findings as tables of Markdown, and the part of a document that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unveil.core import records
from unveil.core.bootstrap import ROUNDING
from unveil.core.files import write_text


def text(about: Mapping[str, Any]) -> str:
    """All tables of a study, as ``study.json`` has it."""
    return "\n".join([*_models(about), *_claims(about), *_settings(about), *_by_place(about), *_looking(about)])


def review_text(about: Mapping[str, Any]) -> str:
    """The tables of the study of reviews."""
    seeds, metrics = about["seeds"], about["metrics"]
    wrong = [sum(errors.values()) / images for errors, images in zip(about["errors"], about["images"], strict=True)]
    kinds = list(next(iter(about["found"].values()))["by_kind"])
    lines = [
        f"Seeds {', '.join(map(str, seeds))}; {about['patients']} synthetic patients each, model {about['model']},",
        f"{min(about['images'])} to {max(about['images'])} training images, of which {min(wrong):.0%} to",
        f"{max(wrong):.0%} have a planted error. Mean over seeds and 95 % interval (Student's t, n {len(seeds)}).",
        "",
        "Errors found per 100 decisions, among the first 100; and the share of each kind of error that is among the",
        "first tenth:",
        "",
        f"| order | errors in 100 | more than at random | {' | '.join(kinds)} |",
        f"|---|---|---|{'---|' * len(kinds)}",
    ]
    for order, row in about["found"].items():
        cells = [_cell(row["by_kind"][kind]) for kind in kinds]
        apart = "–" if order == "random" else _judged(row["more_than_random"])
        lines.append(f"| {order} | {_cell(row['errors'])} | {apart} | {' | '.join(cells)} |")
    lines += ["", "The model that is trained then, on test images whose annotation is true:", ""]
    lines += [f"| trained on | {' | '.join(metrics.values())} |", f"|---|{'---|' * len(metrics)}"]
    for arm, title in about["arms"].items():
        lines.append(f"| {title} | {' | '.join(_cell(about['scores'][arm][m]) for m in metrics)} |")
    lines += ["", f"| difference | {' | '.join(metrics.values())} |", f"|---|{'---|' * len(metrics)}"]
    for row in about["differences"]:
        cells = [_judged(row["metrics"][m]) for m in metrics]
        lines.append(f"| {row['better']} − {row['than']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _models(about: Mapping[str, Any]) -> list[str]:
    metrics, seeds = about["metrics"], ", ".join(map(str, about["seeds"]))
    lines = [
        f"Seeds {seeds}; {about['patients']} synthetic patients each, model {about['model']}. Mean over seeds and",
        f"95 % interval (Student's t, n {len(about['seeds'])} seeds). Synthetic images, a small model, rules as expert",
        "and judge: this tells of the methods at this scale and nothing of patients.",
        "",
    ]
    published, titles = about["published"], list(metrics.values())
    if published:
        lines[-1:] = [
            "The paper's column: category accuracy by PPO, mean of five sets of real images, one run of a far larger",
            "model; here it is GRPO unless the name says PPO.",
            "",
        ]
        titles.insert(0, "the paper")
    lines += [f"| model | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for name, figures in about["values"].items():
        cells = [_cell(figures[m]) for m in metrics]
        if published:
            cells.insert(0, f"{published[name]:.2f}" if name in published else "–")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _claims(about: Mapping[str, Any]) -> list[str]:
    metrics = about["metrics"]
    lines = ["", f"| claim | difference | {' | '.join(metrics.values())} |", f"|---|---|{'---|' * len(metrics)}"]
    for row in about["claims"]:
        cells = [_judged(row["differences"][m]) for m in metrics]
        lines.append(f"| {row['claim']} | {row['better']} − {row['than']} | {' | '.join(cells)} |")
    return lines


def _settings(about: Mapping[str, Any]) -> list[str]:
    """Where training lacks something: fine-tuning with and without the lack, and what is compared with it."""
    if not about["settings"]:
        return []
    varied = about["settings"][0]["varied"]
    lines = [
        "",
        f"What training lacks, on the test images that this is about; `sft` and `{varied}` lack it, `sft, all` has it:",
        "",
        f"| training lacks | measure | sft, all | sft | {varied} | {varied} − sft |",
        "|---|---|---|---|---|---|",
    ]
    for setting in about["settings"]:
        what = f"{setting['says']} ({', '.join(setting['of'])})" if setting["of"] else f"all but {setting['says']}"
        for metric, row in setting["metrics"].items():
            cells = [_cell(row[name]) for name in ("taught", "sft", varied)]
            lines.append(
                f"| {what} | {about['metrics'][metric]} | {' | '.join(cells)} | {_judged(row['difference'])} |"
            )
    return lines


def _by_place(about: Mapping[str, Any]) -> list[str]:
    if not about["by_place"]:
        return []
    names = [name for name in about["by_place"][0] if name != "place"]
    lines = [
        "",
        "Right names by the IoU of the place, and images of all seeds:",
        "",
        f"| IoU | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for row in about["by_place"]:
        cells = [f"{_cell(row[n]['share']) if row[n]['share'] else '–'}, n {row[n]['images']}" for n in names]
        lines.append(f"| {row['place']} | {' | '.join(cells)} |")
    return lines


def _looking(about: Mapping[str, Any]) -> list[str]:
    """How closely models look: measures by model, and claims of them."""
    if "looking" not in about:
        return []
    told = about["looking"]
    models, titles = list(told["values"]), told["measures"]
    lines = [
        "",
        "With the image taken away (`unveil predict --image`), on the same test questions:",
        "",
        f"| measure | {' | '.join(models)} |",
        f"|---|{'---|' * len(models)}",
    ]
    for name, title in titles.items():
        cells = [_cell(told["values"][m][name]) if name in told["values"][m] else "–" for m in models]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    claims = told["claims"]
    lines += ["", "Differences of these within each seed; more is a closer look:", ""]
    pairs = [f"{claim['better']} − {claim['than']}" for claim in claims]
    lines += [f"| measure | {' | '.join(pairs)} |"]
    lines += [f"|---|{'---|' * len(claims)}"]
    for name in dict.fromkeys(name for claim in claims for name in claim["differences"]):
        cells = [_judged(c["differences"][name]) if name in c["differences"] else "–" for c in claims]
        lines.append(f"| {titles[name]} | {' | '.join(cells)} |")
    return lines


def _cell(figure: Mapping[str, float], signed: bool = False) -> str:
    sign = "+" if signed else ""
    if figure["high"] - figure["low"] <= ROUNDING:
        return f"{figure['value']:{sign}.3f}"  # all seeds alike
    return f"{figure['value']:{sign}.3f} [{figure['low']:{sign}.3f}, {figure['high']:{sign}.3f}]"


def _judged(difference: Mapping[str, Any]) -> str:
    return f"{_cell(difference, True)} {difference['verdict']}"


def write_part(document: Path, part: str, marks: tuple[str, str]) -> None:
    """Puts the tables between the two marks of a document; a document without them is refused."""
    whole = document.read_text(encoding="utf-8") if document.is_file() else ""
    first, last = marks
    before, begin, rest = whole.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise records.RecordError(f"{document}: the marks {first} and {last} are not in it")
    write_text(document, f"{before}{first}\n{part}\n{last}{after}")
