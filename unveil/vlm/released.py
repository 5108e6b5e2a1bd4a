"""Models saved as they are published: by the names and settings that released servers and libraries read.

transformers 5 keeps weights under names of its own, and writes them back under those of the checkpoint that it has
read. One that it has itself made, or that was saved without a part of the published names, is written without: SigLIP
and CLIP then lack ``vision_model``, and vLLM refuses the folder. Here the whole of transformers' own table between
published names and its own is applied, whatever was read. Its settings are written by the older names too (positions'
base above all, which older readers would take from their defaults without a word), and the image processor in a file
of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping

from unveil.core import files, provenance
from unveil.core.untrusted import read_json
from unveil.vlm.chat import Chat

#: What the parts of ``rope_parameters`` that have other positions than the rest are called in older configurations.
_LOCAL = "rope_local_base_freq"
#: Rules of positions that older readers have. Others came with ``rope_parameters``, and are told by them alone: a
#: ``rope_scaling`` beside them would be read in their place (Gemma 4).
_OLDER_ROPE = ("default", "linear", "dynamic", "yarn", "longrope", "llama3")


def save(model: PreTrainedModel, chat: Chat, folder: Path) -> None:
    """Weights, configuration, tokenizer, processor and chat template, for every reader of published models."""
    with _published_names(model):
        model.save_pretrained(folder, max_shard_size="5GB")
    save_processor(chat, folder)
    about = read_json(folder / "config.json")
    provenance.write_json(folder / "config.json", completed(about))


def save_processor(chat: Chat, folder: Path) -> None:
    """Tokenizer, image processor and chat template; a family that is published without a template gets ours."""
    processor = chat.processor
    processor.save_pretrained(folder)
    if processor.chat_template is None and chat.profile.template is not None:
        files.write_text(folder / "chat_template.jinja", chat.profile.template)
    images = processor.image_processor.to_dict() | {"processor_class": type(processor).__name__}
    provenance.write_json(folder / "preprocessor_config.json", json.loads(json.dumps(images, default=str)))
    provenance.write_json(
        folder / "tokenizer_config.json", older_tokenizer(read_json(folder / "tokenizer_config.json"))
    )


def older_tokenizer(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of a tokenizer as transformers 4 reads them too: its class, and tokens with a name."""
    out = dict(config)
    if config.get("tokenizer_class") == "TokenizersBackend":
        out["tokenizer_class"] = "PreTrainedTokenizerFast"
    named = config.get("model_specific_special_tokens") or {}
    if isinstance(more := config.get("extra_special_tokens", []), list):
        out |= {"extra_special_tokens": named} | ({"additional_special_tokens": more} if more else {})
    return out


@contextmanager
def _published_names(model: PreTrainedModel) -> Iterator[None]:
    """Lets ``save_pretrained`` write names as they are published, and not as they happen to have been read."""
    before = getattr(model, "_weight_conversions", None)
    model._weight_conversions = get_model_conversion_mapping(model, add_legacy=False)
    try:
        yield
    finally:
        if before is None:
            del model._weight_conversions
        else:
            model._weight_conversions = before


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with what older readers call otherwise: type of the weights, and positions."""
    out = {name: completed(value) if isinstance(value, dict) else value for name, value in config.items()}
    if isinstance(config.get("dtype"), str):
        out.setdefault("torch_dtype", config["dtype"])
    tied = config.get("tie_word_embeddings")
    if tied is not None and "text_config" in out:  # where older readers look
        out["text_config"]["tie_word_embeddings"] = tied
    rope = config.get("rope_parameters")
    if not isinstance(rope, dict):
        return out
    main, local = rope.get("full_attention", rope), rope.get("sliding_attention")
    if main.get("rope_type", "default") not in _OLDER_ROPE:
        return out
    for name in ("rope_theta", "partial_rotary_factor"):
        if name in main:
            out.setdefault(name, main[name])
    if local and "rope_theta" in local:
        out.setdefault(_LOCAL, local["rope_theta"])
    scaling = {name: value for name, value in main.items() if name not in ("rope_theta", "partial_rotary_factor")}
    if scaling.get("rope_type", "default") != "default" or len(scaling) > 1:
        out.setdefault("rope_scaling", scaling)
    return out
