"""The command ``unveil export model``: a trained model as servers and other programs read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro
from tyro.conf import Positional

from unveil.core import access, console, digests, jsonl, run_folder
from unveil.core.path_types import InputFolder, OutputFolder
from unveil.core.records import KINDS, Kind, Record, RecordError
from unveil.core.registry import PluginOptions
from unveil.core.run_folder import RunModel
from unveil.export import llama_cpp, model_card, output, prompts, push
from unveil.export.left_out import LeftOut

For = Literal["vllm", "transformers", "hub", "gguf"]


@dataclass(frozen=True, kw_only=True)
class Config(PluginOptions):
    """Write a trained model as vLLM, SGLang and transformers from 4.57 on read it: weights by their published names, a
    model card with the figures of its run, the questions that it was taught, and how it was asked."""

    passing: ClassVar = {"push", "public"}
    seldom: ClassVar[tuple[str, ...]] = ("name", "dtype", "restricted", "public")

    run: Positional[InputFolder]
    """Folder that `unveil run` has filled, or that of a trained model."""
    for_: Annotated[For, tyro.conf.arg(name="for")]
    """Who reads it: vllm (SGLang too), transformers, hub (a folder to publish), or gguf (what llama.cpp's converter
    reads, and how to call it)."""
    out: OutputFolder
    """Folder that is made; what made it stands beside it, in OUT.run.json, so that it can be given on as it is."""
    name: str | None = None
    """Which model of a run, such as aar; by default sft."""
    weights: Literal["whole", "adapter"] = "whole"
    """Of an adapter: merge it into its base, or write it alone, for a server that has the base."""
    dtype: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    """What weights are kept in; auto: what the checkpoint is kept in, of an adapter its base."""
    restricted: bool = False
    """hub: write it although not all data that it learnt from are said to be open; the card says so."""
    push: str | None = None
    """hub: upload the folder to this repository, OWNER/NAME, which is made private where there is none."""
    public: bool = False
    """push: upload to a repository that all may see; a new one is made so."""
    restart: bool = False
    """Write over what another run has left in `out`."""


def main(config: Config) -> Path:
    """Writes the folder, uploads it where that is asked for, and returns it."""
    _contradictions(config)
    found = run_folder.find(config.run, config.name)
    inputs: list[Any] = [*digests.of_model(found.folder), *dict.fromkeys([*found.files, *_data(found)])]
    out = output.make("export model", config, inputs, partial(_export, config, found), "files")
    if config.push:
        push.upload(out, config.push, not config.public)
    return out


def _contradictions(config: Config) -> None:
    if config.push is not None and config.for_ != "hub":
        raise RecordError("--push: only what is written --for hub is uploaded")
    if config.push is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", config.push):
        raise RecordError("--push: a repository is OWNER/NAME")
    if config.public and config.push is None:
        raise RecordError("--public: name the repository by --push")
    if config.public and config.restricted:
        raise RecordError("--public: what is written --restricted is for those who may see the data: leave one out")
    if config.weights == "adapter" and config.for_ == "gguf":
        raise RecordError("--weights adapter: llama.cpp's converter is given whole models; leave it out")


def _export(config: Config, found: RunModel, folder: Path, left_out: LeftOut) -> int:
    rows = (record for file in _data(found) for record in jsonl.read_jsonl(file, Record))
    records = list({(record.source.dataset, record.id): record for record in rows}.values())
    if config.for_ == "hub":
        _refuse_closed(config, found, records)
    written = _weights(config, found, folder)
    model_card.write(folder, found, records, written, config.for_, config.restricted)
    if not found.scores:
        console.say(f"note: no scores of {found.name} beside it, so the card has no figures")
    return sum(path.is_file() for path in folder.rglob("*"))


def _data(found: RunModel) -> list[Path]:
    """The records that a model has learnt from, and those before it that it came of, as far as they are there."""
    return list(dict.fromkeys(of.records for of in reversed(found.lineage) if of.records))


def _refuse_closed(config: Config, found: RunModel, records: list[Record]) -> None:
    if (blank := [of.name for of in found.lineage if not of.records]) and not config.restricted:
        raise access.AccessError(
            f"--for hub is for publication, and the records that {' and '.join(blank)} learnt from are not there, so "
            "whether they are open is not known; --restricted writes it all the same"
        )
    access.refuse(records, config.restricted, "--for hub is for publication")


def _weights(config: Config, found: RunModel, folder: Path) -> dict[str, Any]:
    """Writes weights, processor and how the model is asked; returns what the card tells of them."""
    from unveil.vlm import exported

    if config.for_ == "gguf":
        llama_cpp.refuse(*exported.architecture(found.folder))
    asked = found.asked or {}
    how = (asked.get("decoding", {}).get("max_new_tokens"), _kinds(found))
    if config.weights == "adapter":
        written = exported.adapter(found.folder, folder, config.for_, *how)
    else:
        written = exported.whole(found.folder, folder, config.dtype, *how)
    written["evaluated_in"] = asked.get("config", {}).get("precision")
    prompts.write(folder, written)
    if config.for_ == "gguf":
        llama_cpp.write(folder, written)
    return written


def _kinds(found: RunModel) -> list[Kind]:
    """What the model was taught to answer; all that there is where nobody knows."""
    taught = (found.training or {}).get("config", {}).get("kinds")
    return [kind for kind in KINDS if kind in taught] if taught else list(KINDS)
