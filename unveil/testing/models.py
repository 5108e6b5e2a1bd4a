"""The models that are built here, what each stands for, and how tests get one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from unveil.testing import (
    cohere,
    gemma,
    glm,
    hybrid,
    llava,
    mistral,
    mllama,
    ovis,
    perception,
    qwen,
    tiles,
    unknown_families,
)
from unveil.testing.sizes import TINY, Size
from unveil.vlm import families, model_parts
from unveil.vlm.chat import Chat
from unveil.vlm.models import Loaded


@dataclass(frozen=True)
class Entry:
    """A model that is built here, and what docs/reference/architectures.md tells of it."""

    build: Callable[..., tuple[Any, Any]]
    """Makes model and processor of a ``Size``, ``TINY`` by default."""
    model_type: str
    """Of its configuration: the row in ``families.FAMILIES``, if it has one."""
    title: str
    """What it is called, and what it stands for."""
    needed: str
    """What its token tree needed, or why none is grown."""
    tree: bool = True
    """Whether a tree is grown for it."""
    box_format: str | None = None
    """What users name with ``--box-format`` where no row declares it."""
    like: str | None = None
    """An entry whose language model is asked in the same way, so that what depends on nothing else is tested there."""


LLAVAS = (
    Entry(llava.llava_siglip, "llava", "LLaVA with a SigLIP tower (the tiny base model)", "as LLaVA-1.5"),
    Entry(llava.llava_clip, "llava", "LLaVA-1.5 (Llama, CLIP tower)", "a mask, positions along the path"),
    Entry(
        llava.llava_mistral,
        "llava",
        "LLaVA with Mistral (the shape of LLaVA-Med 1.5)",
        "the sliding window counted along the path",
    ),
    Entry(
        llava.llava_next,
        "llava_next",
        "LLaVA-NeXT",
        "as LLaVA-1.5; the learnt end of image rows counts as part of the projector",
    ),
    Entry(llava.llava_onevision, "llava_onevision", "LLaVA-OneVision", "as LLaVA-NeXT", like="llava_next"),
)
QWENS = (
    Entry(
        qwen.qwen2_vl,
        "qwen2_vl",
        "Qwen2-VL",
        "three rows of positions: the model's own rule for the shared beginning, then counting on from its largest",
    ),
    Entry(qwen.qwen2_5_vl, "qwen2_5_vl", "Qwen2.5-VL", "as Qwen2-VL"),
    Entry(qwen.qwen3_vl, "qwen3_vl", "Qwen3-VL", "as Qwen2-VL, and features of deeper layers"),
    Entry(qwen.qwen3_vl_moe, "qwen3_vl_moe", "Qwen3-VL with experts", "as Qwen3-VL", like="qwen3_vl"),
)
GLMS = (
    Entry(glm.glm4v, "glm4v", "GLM-4.1V", "as Qwen2-VL", like="qwen2_vl"),
    Entry(glm.glm46v, "glm46v", "GLM-4.6V", "as Qwen2-VL", like="qwen2_vl"),
)
MISTRALS = (
    Entry(
        mistral.mistral3,
        "mistral3",
        "Mistral Small 3.1",
        "as LLaVA-1.5; tokens at the ends of image rows are text",
        box_format="json-1000",
        like="llava_clip",
    ),
)
HYBRIDS = (
    Entry(
        hybrid.qwen3_5,
        "qwen3_5",
        "Qwen3.5",
        "states of linear attention and of its convolutions handed to the branches; positions as Qwen2-VL",
    ),
    Entry(hybrid.qwen3_5_moe, "qwen3_5_moe", "Qwen3.5 with experts", "as Qwen3.5"),
    Entry(hybrid.minicpmv4_6, "minicpmv4_6", "MiniCPM-V 4.6", "as Qwen3.5, positions along the path"),
    Entry(hybrid.lfm2_vl, "lfm2_vl", "LFM2-VL", "states of short convolutions handed to the branches"),
)
TILES = (
    Entry(tiles.internvl, "internvl", "InternVL", "as LLaVA-1.5, tiles in order"),
    Entry(tiles.idefics3, "idefics3", "Idefics3", "as LLaVA-1.5, tiles in order"),
    Entry(tiles.smolvlm, "smolvlm", "SmolVLM", "as Idefics3"),
)
DEEPSEEKS = (
    Entry(
        llava.deepseek_vl,
        "deepseek_vl",
        "DeepSeek-VL 1.3B",
        "as LLaVA-1.5",
        box_format="json-1000",
        like="llava_clip",
    ),
)
TIMMS = (
    Entry(
        perception.perception_lm,
        "perception_lm",
        "PerceptionLM (with another tower)",
        "as LLaVA-1.5, tiles in order",
        box_format="json-1000",
        like="llava_clip",
    ),
    Entry(
        llava.fast_vlm,
        "fast_vlm",
        "FastVLM (with another tower)",
        "as LLaVA-1.5",
        box_format="json-1000",
        like="llava_clip",
    ),
)
OVISES = (
    Entry(
        ovis.ovis2,
        "ovis2",
        "Ovis2",
        "as LLaVA-1.5; words of the visual vocabulary stand around and between tiles",
        box_format="json-1000",
        like="llava_clip",
    ),
)
MLLAMAS = (
    Entry(
        mllama.mllama,
        "mllama",
        "Llama 3.2 Vision",
        "as LLaVA-1.5; a mask of what each token sees of the images beside its row, whose projected states are kept "
        "and whose keys answers share",
        box_format="json-1000",
    ),
)
GEMMAS = (
    Entry(
        gemma.gemma3,
        "gemma3",
        "Gemma 3 (MedGemma)",
        "image tokens see one another both ways; one mask for full and one for sliding layers",
    ),
    Entry(
        gemma.gemma4,
        "gemma4",
        "Gemma 4",
        "as Gemma 3 in sliding layers, causal in full ones; layers that read others' keys read the tree's",
        box_format="json-yx-1000",
    ),
    Entry(
        gemma.paligemma,
        "paligemma",
        "PaliGemma",
        "the whole prompt sees itself both ways, so an image is shared by the answers to one question, not by "
        "questions; positions begin at 1",
    ),
    Entry(gemma.paligemma2, "paligemma", "PaliGemma 2", "none: it builds its sliding masks itself", tree=False),
)
COHERES = (
    Entry(
        cohere.aya_vision,
        "aya_vision",
        "Aya Vision",
        "a mask for sliding layers, which alone know positions, and one for full ones",
        box_format="json-1000",
    ),
    Entry(
        cohere.cohere2_vision,
        "cohere2_vision",
        "Command A Vision",
        "as Aya Vision",
        box_format="json-1000",
        like="aya_vision",
    ),
)
#: Each has something that no declared family has, to hold that the model's own forward pass is used there.
UNDECLARED = (
    Entry(
        unknown_families.scaled_head,
        "hyperclovax_vision_v2",
        "HyperCLOVA X",
        "none: logits are scaled behind the head",
        tree=False,
        box_format="json-1000",
    ),
    Entry(
        unknown_families.no_features,
        "deepseek_vl_hybrid",
        "DeepSeek-VL 7B",
        "none: features of images cannot be had apart",
        tree=False,
        box_format="json-1000",
    ),
    Entry(
        unknown_families.more_than_pixels,
        "video_llama_3",
        "VideoLLaMA 3",
        "none: its tower takes more than pixels",
        tree=False,
        box_format="json-1000",
    ),
)
#: By the name of the function that builds it.
ENTRIES = {
    e.build.__name__: e
    for e in (
        *LLAVAS,
        *QWENS,
        *GLMS,
        *MISTRALS,
        *HYBRIDS,
        *TILES,
        *DEEPSEEKS,
        *TIMMS,
        *OVISES,
        *MLLAMAS,
        *GEMMAS,
        *COHERES,
        *UNDECLARED,
    )
}
#: The names of those that a tree is grown for.
TREES = tuple(name for name, entry in ENTRIES.items() if entry.tree)
#: The names of those of them that are like no other.
KINDS = tuple(name for name in TREES if ENTRIES[name].like is None)


@cache
def parts(name: str, size: Size = TINY) -> tuple[Any, Any]:
    """Model and processor of an entry, built once, with weights large enough that answers differ."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, processor = ENTRIES[name].build(size)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() >= 2:
                    parameter.normal_(0, 0.85 * size.hidden**-0.5)
    return model.eval(), processor


@cache
def loaded(name: str, size: Size = TINY) -> Loaded:
    """An entry's model, built once: to be asked, not to be trained."""
    model, processor = parts(name, size)
    profile = families.profile_of(model.config, ENTRIES[name].box_format)
    return Loaded(name, model, Chat(processor, profile), model_parts.fingerprint(model))


@cache
def pristine(name: str) -> dict[str, torch.Tensor]:
    """A copy of an entry's weights as they were built."""
    return {k: v.clone() for k, v in parts(name)[0].state_dict().items()}


def fresh(name: str) -> Loaded:
    """An entry with a model of its own, which may be trained."""
    model, _ = ENTRIES[name].build()
    model.load_state_dict(pristine(name))
    return replace(loaded(name), model=model)


def saved(name: str, folder: Path) -> Path:
    """Model and processor of an entry, saved; returns the folder."""
    model, processor = parts(name)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
