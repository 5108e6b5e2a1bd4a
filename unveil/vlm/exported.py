"""A trained model written for other programs: whole or as an adapter, with what they are to draw by."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from unveil.core import console, provenance
from unveil.core.box_formats import View
from unveil.core.records import KINDS, Kind
from unveil.core.untrusted import read_json
from unveil.core.wordings import QUESTIONS, filled
from unveil.vlm import model_parts, models, released
from unveil.vlm.chat import Chat
from unveil.vlm.choice import TINY
from unveil.vlm.families import ModelError
from unveil.vlm.generate import banned
from unveil.vlm.models import Loaded

#: An image by which the form of a box is shown, and the box in its middle.
SIZE, MIDDLE = (300, 300), (100.0, 100.0, 200.0, 200.0)
#: What stands for what a question is about.
PLACES: dict[Kind, str] = {
    "localisation": "<name of a finding>",
    "recognition": "<box>",
    "grounding": "<sentence of a report>",
}
#: Weights of an adapter, as peft names them: the module that each lies on.
_LAYER = re.compile(r"base_model\.model\.(.+?)\.lora_(?:A|B|embedding_A|embedding_B|magnitude_vector)\b")


def architecture(name: str | Path) -> tuple[str, str, str]:
    """The class of a model, its family and that of its vision tower, by its configuration alone."""
    config = models.configuration(name)
    tower = getattr(config, "vision_config", None)
    family = config.model_type
    return (config.architectures or [""])[0], family, str(getattr(tower, "model_type", ""))


def whole(
    name: str | Path, folder: Path, dtype: str = "auto", longest: int | None = None, kinds: Sequence[Kind] = KINDS
) -> dict[str, Any]:
    """Writes a model, with an adapter merged into it in the type that its checkpoint is kept in; tells what it is.

    ``longest`` is the longest answer in tokens that evaluation allowed, ``kinds`` what the model was taught to answer.
    """
    kept = models.DTYPES.get(dtype) or _kept(name)
    loaded = models.load(name, device="cpu", dtype=kept)
    loaded.model.config.unveil = _declared(loaded)
    released.save(loaded.model, loaded.chat, folder)
    told = _told(loaded, folder, longest, kinds)
    return told | {"dtype": str(kept).removeprefix("torch."), "adapter": False}


def adapter(
    name: Path, folder: Path, reader: str, longest: int | None = None, kinds: Sequence[Kind] = KINDS
) -> dict[str, Any]:
    """Writes an adapter alone; tells what it is. Raises ``ModelError`` where ``reader`` could not use it."""
    about = name / "adapter_config.json"
    if not about.is_file():
        raise ModelError(f"{name}: not an adapter but a whole model: leave --weights adapter out")
    config = read_json(about)
    base = str(config["base_model_name_or_path"])
    if reader == "hub" and (base == TINY or Path(base).is_absolute() or Path(base).is_dir()):
        raise ModelError(f"--weights adapter: its base, {Path(base).name}, is on no hub: write it whole")
    weights = _read(name / "adapter_model.safetensors")
    loaded = models.load(name, device="cpu")
    _refuse_beyond_language(loaded, weights, reader)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / file).write_bytes((name / file).read_bytes())  # into a folder that is partial yet
    released.save_processor(loaded.chat, folder)
    return _told(loaded, folder, longest, kinds) | {"dtype": _of(weights), "adapter": True, "base": base}


def without_sight(name: Path, folder: Path) -> Path | None:
    """An adapter with its part on vision tower and projector taken away, as a server has it that applies adapters to
    the language model only; None of whatever has no such part, and of DoRA, whose magnitudes replace the base's own."""
    from safetensors.torch import save_file

    if not (name / "adapter_config.json").is_file():
        return None
    weights = _read(name / "adapter_model.safetensors")
    beyond = set(_beyond_language(models.blank(name), weights))
    if not beyond or any("lora_magnitude_vector" in key for key in weights):
        return None
    for key, value in weights.items():
        if (at := _LAYER.match(key)) and at[1] in beyond:
            value.zero_()
    folder.mkdir(parents=True)
    for file in name.iterdir():
        if file.suffix in (".json", ".jinja", ".txt", ".model") and not file.name.endswith("run.json"):
            shutil.copy(file, folder)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder


def _beyond_language(model: Any, weights: dict[str, torch.Tensor]) -> list[str]:
    """The layers that an adapter lies on outside of the language model."""
    part_of = model_parts.parts_of(model)
    layers = {found[1] for key in weights if (found := _LAYER.match(key))}
    return sorted(layer for layer in layers if part_of(layer) != "language")


def _refuse_beyond_language(loaded: Loaded, weights: dict[str, torch.Tensor], reader: str) -> None:
    beyond = _beyond_language(loaded.model, weights)
    if beyond and reader != "vllm":
        console.say(
            f"note: it lies on {beyond[0]} too; transformers before 5 calls such layers otherwise: write it whole"
        )
    if beyond and reader == "vllm":
        raise ModelError(
            f"--weights adapter: it has trained {beyond[0]} too ({len(beyond)} layers beside the language model), and "
            "vLLM applies adapters to the language model only: write it whole"
        )


def _read(file: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    weights: dict[str, torch.Tensor] = load_file(file)
    return weights


def _of(weights: dict[str, torch.Tensor]) -> str:
    return str(next(iter(weights.values())).dtype).removeprefix("torch.")


def _kept(name: str | Path) -> torch.dtype:
    """The type that a checkpoint's weights are kept in, of an adapter those of its base."""
    return getattr(models.configuration(name), "dtype", None) or torch.float32


def _declared(loaded: Loaded) -> dict[str, Any]:
    own: dict[str, Any] | None = getattr(loaded.model.config, "unveil", None)
    return own or {"box_format": loaded.chat.box_format.name, "hint": loaded.chat.profile.hint}


def _told(loaded: Loaded, folder: Path, longest: int | None, kinds: Sequence[Kind]) -> dict[str, Any]:
    """Writes how answers are drawn, as in evaluation: the likeliest token, none that stands for an image.

    Returns what a person must know to ask, and to read boxes.
    """
    chat, config = loaded.chat, loaded.model.config
    never = banned(chat, config)
    rule: dict[str, Any] = {
        "do_sample": False,
        "temperature": 0.0,
        "num_beams": 1,
        "repetition_penalty": 1.0,
        "eos_token_id": sorted(chat.stops),
        "pad_token_id": chat.tokenizer.pad_token_id,
        "suppress_tokens": never,
    }
    provenance.write_json(folder / "generation_config.json", rule | ({"max_new_tokens": longest} if longest else {}))
    provenance.write_json(folder / "unveil.json", _declared(loaded))
    form, dialect = chat.box_format, chat.dialect
    view = View(form, SIZE, SIZE)
    return {
        "family": config.model_type,
        "box_format": form.name,
        "box": {"grid": form.grid, "order": list(form.order), "square": form.square, "bins": form.token_bins}
        | {"example": view.write(MIDDLE), "black": dialect.black},
        "system": dialect.system,
        "questions": {kind: _question(chat, kind, view) for kind in kinds if kind in QUESTIONS},
        "stop": [chat.decode([i]) for i in sorted(chat.stops)],
        "stop_token_ids": sorted(chat.stops),
        "banned_ids": never,
        "max_new_tokens": longest,
        "context": getattr(config.get_text_config(), "max_position_embeddings", None),
    }


def _question(chat: Chat, kind: Kind, view: View) -> str:
    """A question of a kind as the model was taught it; what it is about stands in angle brackets."""
    about = "report" if kind == "report" else PLACES.get(kind, "")
    return chat.question(filled(kind, QUESTIONS[kind][0], about), kind, view)
