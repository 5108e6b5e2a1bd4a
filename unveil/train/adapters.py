"""What of a model is trained: all weights or LoRA adapters; how it is loaded for that, and written in the end."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor

from unveil.core import digests, files, provenance
from unveil.train import compiled, loop, optimizers, quantised
from unveil.train.offload import Offloaded
from unveil.train.options import RecipeOptions
from unveil.vlm import imports, model_parts, models
from unveil.vlm.chat import Chat
from unveil.vlm.choice import TINY
from unveil.vlm.families import family_of
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer, whole

SMALL = 50_000_000
#: Files of a trained model, any of which makes a folder one.
MODEL = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")
#: The same and what belongs to them, parts of a large model above all.
WEIGHTS = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json", "adapter_*")


Some = TypeVar("Some", bound=RecipeOptions)


def resolved(config: Some, accelerator: Accelerator, lora: float, full: float, small: float) -> Some:
    """The configuration with what was left open chosen; the rates are for adapters, all weights, a small model's."""
    loop.refuse_sharding([accelerator.distributed_type.value])
    size = models.size(config.model, config.revision)
    config = chosen(config, size)
    usual = lora if config.method != "full" else (small if size < SMALL else full)
    rate = usual if config.learning_rate is None else config.learning_rate
    precision: Any = "float32" if accelerator.mixed_precision == "no" else accelerator.mixed_precision
    return replace(config, learning_rate=rate, precision=precision)


def chosen(config: Some, size: int) -> Some:
    """The configuration with what is trained chosen, for a model of so many weights."""
    method = config.method if config.method != "auto" else ("full" if size < SMALL else "lora")
    projector = method == "full" if config.train_projector is None else config.train_projector
    return replace(config, method=method, train_projector=projector)


def chat_of(config: RecipeOptions) -> Chat:
    """How to speak with the model to start from; its weights are not read."""
    return models.chat_of(config.model, **config.how)


def load(config: RecipeOptions, device: torch.device, teaches_form: bool = False) -> Loaded:
    """The model to start from. What is frozen needs no more than the precision that is computed in.

    A recipe that teaches the form of an answer asks without a hint at it; others ask as the model is asked. ``save``
    declares the form in which was asked, so that the trained model is asked in the same.
    """
    refuse(config, device)
    four_bits = config.method == "qlora"
    loaded = models.load(
        config.model,
        **config.how,
        device="cpu" if four_bits else device,
        dtype=torch.float32 if config.method == "full" else models.DTYPES.get(config.precision),
    )
    if four_bits:
        quantised.quantise(loaded.model, device)
    attend(loaded.model, config)
    if config.offload_activations:
        Offloaded(model_parts.language_model(loaded.model))
    if config.compile:
        compiled.compile_layers(loaded.model)
    if teaches_form or config.blind:
        chat = loaded.chat
        profile = replace(chat.profile, hint=False) if teaches_form else chat.profile
        return replace(loaded, chat=Chat(chat.processor, profile, bound=chat.bound, blind=config.blind))
    return loaded


def refuse(config: RecipeOptions, device: torch.device) -> None:
    """Raises ``TrainingError`` for what cannot be had here, and for what is of use, or possible, on a GPU only."""
    optimizers.refuse(config.optimizer, device)
    if device.type == "cuda":
        if config.method == "qlora":
            optimizers.bitsandbytes("--method qlora")
        return
    if config.attention == "flex_attention":
        raise loop.TrainingError(f"--attention flex_attention has no backward pass on {device.type}: use sdpa")
    if config.method == "qlora":
        raise loop.TrainingError(
            f"--method qlora needs a GPU, and this is {device.type}, where unpacking 4 bits takes longer than the "
            "product itself: use lora; --gradient-checkpointing saves memory on any device"
        )
    if config.offload_activations:
        raise loop.TrainingError(
            f"--offload-activations spares a GPU's memory, and this is {device.type}: --gradient-checkpointing saves "
            "memory on any device"
        )


def attend(model: Any, config: RecipeOptions) -> None:
    """Lets the language model compute attention as is asked; raises ``TrainingError`` where it cannot."""
    if config.attention not in ("auto", "sdpa"):
        try:
            model.set_attn_implementation({"text_config": config.attention})
        except ValueError as error:
            raise loop.TrainingError(f"{config.model} cannot use --attention {config.attention}: {error}") from error


def prepare(model: Any, config: RecipeOptions) -> Any:
    """The model with what is trained unfrozen, or with adapters."""
    if config.gradient_checkpointing:  # a frozen tower keeps no activations, so there is nothing to recompute
        recomputed = model if config.train_tower else model_parts.language_model(model)
        recomputed.activation_checkpointing_enable({"use_reentrant": False})
    parts = {"language"} | {n for n, on in (("tower", config.train_tower), ("projector", config.train_projector)) if on}
    if config.method == "full":
        loop.trainable(model, parts)
        return model
    peft = imports.peft()
    lora = peft.LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        revision=config.revision,
        target_modules=model_parts.linear_layers(model, sorted(parts)),
    )
    with imports.calm_peft():
        return peft.get_peft_model(model, lora)


def spread(accelerator: Accelerator, scorer: Scorer, optimizer: Any, train_tower: bool) -> tuple[Any, Any]:
    """Scorer and optimiser as processes train them together.

    A tower goes on behind the layer whose states are used, and of a family that is not known here it is not known what
    of it has a part in the loss: there no process must wait for gradients that never come.
    """
    known = family_of(whole(scorer.model).config).shares == "tree"
    if train_tower or not known:
        accelerator.ddp_handler = DistributedDataParallelKwargs(find_unused_parameters=True)
    together: tuple[Any, Any] = accelerator.prepare(scorer, optimizer)
    return together


def declared(chat: Chat) -> dict[str, Any]:
    """What a model's folder tells of how it was asked: the box format, whether with a hint at the answer's form, and
    that it was shown no image, where that is so."""
    return {"box_format": chat.box_format.name, "hint": chat.profile.hint} | ({"blind": True} if chat.blind else {})


ROOM = "model.room" + files.PARTIAL
"""File that holds the room for the trained model while it is trained."""


def reserve(model: Any, config: RecipeOptions) -> None:
    """Takes the room that the trained model will need on the disk; raises ``WriteError`` where there is not as much.

    Else a disk that others fill meanwhile could not take what hours have made.
    """
    written = [p for p in model.parameters() if config.method == "full" or p.requires_grad]
    files.reserve(config.out / ROOM, sum(p.nbytes for p in written) + SURPLUS)


SURPLUS = 8 * 2**20
"""Bytes of what stands beside the weights: configuration, processor, vocabulary."""


def save(model: Any, chat: Chat, config: RecipeOptions) -> None:
    """The trained model (or its adapter), its processor and how it was asked. Raises ``WriteError``.

    All of it is on the disk before anything of an earlier model goes. Then the old run.json goes first, by which that
    counted as finished; files take their places one by one, the weights last, and what is left of old weights goes.
    """
    (config.out / ROOM).unlink(missing_ok=True)
    partial = config.out / f"trained{files.PARTIAL}"
    try:
        with files.refusals(config.out, partial):
            _write(model, chat, config, partial)
            files.sync(partial)
            (config.out / "run.json").unlink(missing_ok=True)
            made = sorted(partial.iterdir(), key=lambda file: (any(map(file.match, WEIGHTS)), file.name))
            for file in made:
                if (there := config.out / file.name).is_dir():
                    shutil.rmtree(there)
                file.replace(there)
        for old in {old for names in WEIGHTS for old in config.out.glob(names)}:  # of another run: perhaps more parts
            if old.name not in {file.name for file in made}:
                old.unlink()
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(model: Any, chat: Chat, config: RecipeOptions, folder: Path) -> None:
    """A model in training (or its adapter) with its processor, and how it was asked in training."""
    about = declared(chat)
    if config.method == "full":
        model.config.unveil = about
        model.save_pretrained(folder)
    else:  # what the adapter was put on, which may be an adapter itself
        at = digests.folder_of(config.model)
        local = config.model != TINY and at.is_dir()
        model.active_peft_config.base_model_name_or_path = str(at.resolve()) if local else config.model
        model.save_pretrained(folder, save_embedding_layers=False)
    chat.processor.save_pretrained(folder)
    provenance.write_json(folder / "unveil.json", about)


def hand_over(model: Any, chat: Chat, config: RecipeOptions, folder: Path, whole: bool) -> None:
    """The policy as it is now in a folder for another program, all or nothing: a whole model, or its adapter alone.

    The weights in training are only read: merging and parting them again would move them by rounding.
    """
    if config.method == "full" and not whole:
        raise loop.TrainingError("all weights are trained, so there is no adapter to hand over: use --method lora")
    try:
        with files.whole_folder(folder) as partial:
            if config.method != "full" and whole:
                model.get_base_model().config.unveil = declared(chat)
                model.get_base_model().save_pretrained(partial, state_dict=merged(model))
                chat.processor.save_pretrained(partial)
            else:
                _write(model, chat, config, partial)
            (partial / "generation_config.json").unlink(missing_ok=True)  # who draws is told how with each question
    except files.WriteError as error:
        raise loop.TrainingError(f"the policy could not be written: {error}") from error


@torch.no_grad()
def merged(model: Any) -> dict[str, Tensor]:
    """The weights of a model with adapters by the names that they have without, what adapters add being added.

    What is changed is put together on the CPU, a matrix at a time: a second model would not fit beside the first.
    """
    base = model.get_base_model()
    layers = {name: m for name, m in base.named_modules() if isinstance(m, imports.peft().tuners.lora.LoraLayer)}
    adapters = tuple(f"{name}.lora_" for name in layers)
    out = {}
    for name, value in base.state_dict().items():
        layer, _, part = name.partition(".base_layer.")
        if part.startswith("weight."):  # scales of 4 bits, which are unpacked with their weight
            continue
        if part == "weight":
            value = quantised.weight_of(base.get_submodule(f"{layer}.base_layer"))
            delta = layers[layer].get_delta_weight(layers[layer].active_adapters[0])
            value = (value.float() + delta.float()).to(value.dtype).cpu()  # rounded once, as where peft merges
        if not name.startswith(adapters):
            out[f"{layer}.{part}" if part else name] = value
    return out
