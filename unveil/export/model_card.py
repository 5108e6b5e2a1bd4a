"""The model card: README.md as Hugging Face reads it. It says what is known, and where nothing is known, that."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unveil import __version__
from unveil.core import files
from unveil.core.digests import about_run
from unveil.core.measures import MEASURES
from unveil.core.records import SPLITS, Record, Source
from unveil.core.run_folder import RunModel
from unveil.export import access, prompts
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
    base = base_of(found.training) or (Path(written["base"]).name if written["adapter"] else None)
    top = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in _front(records, base, written).items()]
    parts = [
        *_head(found, records, restricted),
        *_base(found, base, written),
        *_data(found, records),
        *_figures(found),
        *_asking(found, written, reader),
    ]
    files.write_text(folder / "README.md", "\n".join(["---", *top, "---", "", *parts, ""]))


def base_of(training: Mapping[str, Any] | None) -> str | None:
    """The model that training began from, through all trainings before it; of a local one the folder's name alone."""
    name = next((one["config"]["model"] for one in trainings(training) if one["config"].get("model")), None)
    if name is None:
        return None
    return Path(name).name if Path(name).is_absolute() or Path(name).is_dir() else str(name)


def trainings(training: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The run.json of each training that a model went through, the first one first."""
    if training is None:
        return []
    name = training["config"].get("model")
    return [*trainings(about_run(Path(name) / "run.json") if name else None), training]


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
    if (restricted and access.closed(records)) or (restricted and not records):
        yield from ("**Do not publish**: it was written for those who may see all data that it learnt from.", "")


def _base(found: RunModel, base: str | None, written: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## What it is", "")
    kind = "A LoRA adapter on" if written["adapter"] else "A vision-language model"
    origin = f" {cell(base or 'a model that nobody has named')}" if written["adapter"] else ""
    yield f"- {kind}{origin} of the family `{written['family']}`, kept in {written['dtype']}."
    if base and not written["adapter"]:
        yield f"- It began as {cell(base)}, whose licence holds for it too."
    for number, training in enumerate(trainings(found.training)):
        told = ", ".join(f"{name} {cell(str(value))}" for name, value in _settings(training).items() if name != "kept")
        by = f"`unveil {training['command']}` {training.get('versions', {}).get('unveil', '')}".rstrip()
        kept = (
            f"; its answers on val chose the weights of step {_settings(training)['kept']}" if _picked(training) else ""
        )
        yield f"- {'Then trained' if number else 'Trained'} by {by}{': ' if told else ''}{told}{kept}."
    if found.training is None:
        yield "- How it was trained is not known: no run.json lies beside it."
    yield ""


def _settings(training: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = training.get("chosen", {})
    return found


def _picked(training: Mapping[str, Any]) -> bool:
    """Whether answers on val chose among the weights of a training."""
    return "kept" in _settings(training)


def _data(found: RunModel, records: Sequence[Record]) -> Iterator[str]:
    yield from ("## What it learnt from", "")
    if not records:
        yield from ("The records of its training were not there when this card was written.", "")
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
    if found.training:
        val = ", and val chose among its weights" if any(map(_picked, trainings(found.training))) else ""
        yield f"It learnt from the split train alone{val}."
    yield f"Drawn images: {synthetic(records)}."
    yield f"Who may see these data may see the model: **{strictest}** ({access.MEANINGS[strictest]})."
    yield ""


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
            f"`{key}`",
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
    if written["adapter"]:
        yield from (f"`vllm serve BASE --enable-lora --lora-modules {found.name}=.`, where BASE is its base.", "")
    else:
        name, kept = found.name, written["dtype"]
        yield from ("```bash", SERVE[reader].format(name=name, dtype=kept), "```", "")
    questions = "the questions that it was taught" if written["taught"] else "all questions that `unveil` asks"
    yield f"`request.json` is a request, `prompts.json` has {questions}."
    yield ""
    yield f"- **Image.** {prompts.image(box)}"
    yield f"- **Boxes** (`{written['box_format']}`). {prompts.boxes(box)}"
    yield f"  The box (100, 100, 200, 200) of an image of 300 x 300 pixels: `{box['example']}`."
    longest = f", at most {written['max_new_tokens']} tokens" if written["max_new_tokens"] else ""
    precision = f", --precision {written['evaluated_in']}" if written["evaluated_in"] else ""
    of = "Figures are of" if found.scores else "It is asked for"
    yield f"- **{of}** the likeliest token each time{longest}{precision}; `generation_config.json` has it so."
    if written["system"]:
        yield f"- **System prompt.** {cell(written['system'])}"
    yield ""
    yield f"Written by `unveil export model` {__version__}."
