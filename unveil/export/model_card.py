"""The model card: README.md as Hugging Face reads it. It says what is known, and where nothing is known, that."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unveil import __version__
from unveil.core import access, files
from unveil.core.measures import MEASURES
from unveil.core.records import SPLITS, Record, Source
from unveil.core.run_folder import RunModel
from unveil.export import prompts
from unveil.export.card import STATEMENT, cell, licence_of, sources, synthetic, table

#: How to start a server of the folder.
SERVE = {
    "vllm": "vllm serve . --served-model-name {name} --dtype {dtype} --logprobs-mode processed_logprobs",
    "transformers": "transformers serve .",
    "hub": "vllm serve . --served-model-name {name} --dtype {dtype} --logprobs-mode processed_logprobs",
    "gguf": "LLAMA_CPP=... sh convert.sh",
}


def write(
    folder: Path, found: RunModel, records: Sequence[Record], written: Mapping[str, Any], reader: str, restricted: bool
) -> None:
    """Writes README.md; no path of this machine stands in it."""
    base = base_of(found) or (Path(written["base"]).name if written["adapter"] else None)
    top = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in _front(records, base, written).items()]
    parts = [
        *_head(found, records, restricted),
        *_base(found, base, written),
        *_data(found, records),
        *_figures(found),
        *_asking(found, written, reader),
    ]
    files.write_text(folder / "README.md", "\n".join(["---", *top, "---", "", *parts, ""]))


def base_of(found: RunModel) -> str | None:
    """The model that training began from, through all trainings before it; of a local one the folder's name alone."""
    training = found.lineage[-1].training or {}
    name = training.get("config", {}).get("model")
    if not name:
        return None
    local = name in training["inputs"] or Path(name).is_absolute() or Path(name).is_dir()
    return Path(name).name if local else str(name)


def _front(records: Sequence[Record], base: str | None, written: Mapping[str, Any]) -> dict[str, Any]:
    """The values at the top. The licence is the data's and the base's, which only a person can put together."""
    drawn = any(record.source.dataset == "synthetic" for record in records)
    values: dict[str, Any] = {
        "license": "other",
        "license_name": "see-sources",
        "library_name": "peft" if written["adapter"] else "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["medical", "research-only", "not-for-clinical-care", "grounding", *(["synthetic"] if drawn else [])],
    }
    return values | ({"base_model": base} if base and re.fullmatch(r"[\w.-]+/[\w.-]+", base) else {})


def _head(found: RunModel, records: Sequence[Record], restricted: bool) -> Iterator[str]:
    yield from (f"# {cell(found.name)}", "", f"**{STATEMENT}**", "")
    if restricted and (access.closed(records) or not all(of.records for of in found.lineage)):
        yield from ("**Do not publish**: it was written for those who may see all data that it learnt from.", "")


def _base(found: RunModel, base: str | None, written: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## What it is", "")
    kind = "A LoRA adapter on" if written["adapter"] else "A vision-language model"
    origin = f" {cell(base or 'a model that nobody has named')}" if written["adapter"] else ""
    yield f"- {kind}{origin} of the family `{written['family']}`, kept in {written['dtype']}."
    if base and not written["adapter"]:
        yield f"- It began as {cell(base)}, whose licence holds for it too."
    for of in found.lineage:
        whose = "" if of is found else f"Before that {cell(of.name)}: "
        if of.training:
            told = ", ".join(f"{name} {cell(str(value))}" for name, value in of.training.get("chosen", {}).items())
            by = f"`unveil {of.training['command']}` {of.training['versions'].get('unveil', '')}".rstrip()
            yield f"- {whose}{'t' if whose else 'T'}rained by {by}{': ' if told else ''}{told}."
        else:
            yield f"- {whose}{'h' if whose else 'H'}ow it was trained is not known: no run.json lies beside it."
    yield ""


def _data(found: RunModel, records: Sequence[Record]) -> Iterator[str]:
    yield from ("## What it learnt from", "")
    if blank := [of.name for of in found.lineage if not of.records]:
        whose = " and ".join(map(cell, blank))
        yield from (f"The records of the training of {whose} were not there when this card was written.", "")
    if not records:
        return
    counts = Counter(record.split for record in records)
    yield from table(("split", "images"), [(split, str(counts[split])) for split in SPLITS if counts[split]])
    yield ""
    yield from table(
        ("data set", "version", "images", "licence", "access"),
        [
            (
                s.dataset,
                s.version or "unknown",
                str(n),
                _licence(s),
                s.access or "unknown",
            )
            for s, n in sources(records)
        ],
    )
    strictest = access.strictest(records)
    yield ""
    yield f"It learnt from the split train alone{_chosen(found, counts['val'])}. Drawn images: {synthetic(records)}."
    yield f"Who may see these data may see the model: **{strictest}** ({access.MEANINGS[strictest]})."
    yield ""


def _chosen(found: RunModel, held: int) -> str:
    """By what its weights were chosen, where a training has kept those that answered the questions of val best."""
    if held and any("kept" in (of.training or {}).get("chosen", {}) for of in found.lineage):
        return ", and its weights were chosen by answers to the questions of val"
    return ""


def _licence(source: Source) -> str:
    known = licence_of(source.licence)
    return f"{source.licence or 'unknown'}" + (f" ({known})" if known not in ("unknown", source.licence) else "")


def _figures(found: RunModel) -> Iterator[str]:
    yield from ("## Figures", "")
    scores = found.scores
    if not scores:
        yield from ("Not measured: no scores lie beside the model.", "")
        return
    metrics, apart = scores["models"][found.name]["metrics"], scores["differences"].get(found.name, {}).get("base", {})
    base = scores["models"].get("base", {}).get("metrics", {})
    about = scores["bootstrap"]
    splits = ", ".join(split or "none" for split in scores["splits"])
    yield (
        f"Split {splits}; {100 * about['level']:g} % intervals by a bootstrap over {about['clusters']} "
        f"{about['cluster']}s ({about['resamples']} resamples); p by permutation, after Holm."
    )
    yield ""
    rows = [
        (
            measure.name,
            key,
            str(metrics[key]["n"]),
            *map(_value, (base.get(key), metrics[key])),
            _change(apart.get(key)),
        )
        for key, measure in MEASURES.items()
        if metrics.get(key, {}).get("value") is not None
    ]
    yield from table(("measure", "name", "n", "base", "this model", "difference"), rows)
    yield ""
    if note := about.get("note"):
        yield from (cell(note), "")


def _value(one: Mapping[str, Any] | None) -> str:
    if not one or one["value"] is None:
        return "–"
    return f"{one['value']:.3f}{_limits(one, '')}"


def _change(one: Mapping[str, Any] | None) -> str:
    if not one or one["value"] is None:
        return "–"
    p = f", p {one['p_holm']:.3g}" if one.get("p_holm") is not None else ""
    return f"{one['value']:+.3f}{_limits(one, '+')}{p}"


def _limits(one: Mapping[str, Any], sign: str) -> str:
    return f" ({one['low']:{sign}.3f} to {one['high']:{sign}.3f})" if one.get("low") is not None else " (no interval)"


def _asking(found: RunModel, written: Mapping[str, Any], reader: str) -> Iterator[str]:
    box = written["box"]
    yield from ("## How to ask it", "")
    name = shlex.quote(found.name)
    if written["adapter"]:
        yield from (f"`vllm serve BASE --enable-lora --lora-modules {name}=.`, where BASE is its base.", "")
    else:
        yield from ("```bash", SERVE[reader].format(name=name, dtype=written["dtype"]), "```", "")
    yield "`request.json` is a request, `prompts.json` questions in the words in which it is asked here."
    yield ""
    yield f"- **Image.** {prompts.image(box)}"
    yield f"- **Boxes** (`{written['box_format']}`). {prompts.boxes(box)}"
    yield f"  The box (100, 100, 200, 200) of an image of 300 x 300 pixels: `{box['example']}`."
    longest = f", at most {written['max_new_tokens']} tokens" if written["max_new_tokens"] else ""
    known = written["evaluated_in"] not in (None, "auto")
    precision = f", computed in {written['evaluated_in']}" if known else ""
    if found.scores:
        told = "`generation_config.json` says so"
        yield f"- **Figures are of** the likeliest token each time{longest}{precision}; {told}."
    if written["system"]:
        yield f"- **System prompt.** {cell(written['system'])}"
    yield ""
    yield f"Written by `unveil export model` {__version__}."
