"""What a model is, told without asking it anything: its chat, what images cost, its parts, what it cannot do here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from unveil.core import pixels
from unveil.vlm import resolution
from unveil.vlm.chat import Chat
from unveil.vlm.families import by_name, family_of
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.masks import refusal
from unveil.vlm.model_parts import linear_layers, parts_of
from unveil.vlm.scorer import Scorer, whole

#: Widths and heights at which an image is priced: a small one, two usual ones, a chest X-ray.
SIZES = ((224, 224), (512, 512), (1024, 768), (2048, 2500))
_REPEATED = re.compile(r"(<[^<>\n]{1,60}>|\[[A-Z_]{2,30}\])(?:\s?\1){3,}")


def folded(text: str) -> str:
    """A text with each token that stands in it many times in a row once, and how often."""
    return _REPEATED.sub(lambda run: f"{run[1]} × {run[0].count(run[1])}", text)


def chat_as_seen(chat: Chat, row: EncodedExample) -> str:
    """A question with its answer as the model sees it: its ids as text, special tokens and all, image tokens folded."""
    return folded(chat.decode([*row.prompt, *row.answer]))


def image_costs(chat: Chat, sizes: Sequence[tuple[int, int]] = SIZES) -> list[dict[str, Any]]:
    """Tokens and pixels of an image of each size, or why it is refused."""
    found = list[dict[str, Any]]()
    for size in sizes:
        try:
            cost = resolution.cost(chat, size)
        except pixels.ImageError as error:
            found.append({"size": list(size), "refused": str(error)})
        else:
            found.append({"size": list(size), "tokens": cost.tokens, "pixels": cost.pixels})
    return found


def declared_by(config: Any, box_format: str | None) -> str | None:
    """What declares how a model writes boxes, as ``families.profile_of`` takes it; None where nothing does."""
    if box_format is not None:
        return "--box-format"
    if getattr(config, "unveil", None) is not None:
        return "its own configuration"
    if by_name(config):
        return "its name"
    return f"its family, {config.model_type}" if family_of(config).box_format else None


def parts(model: Any) -> dict[str, int]:
    """The number of weights of each part of a model; tied ones count once."""
    part_of, found = parts_of(model), Counter[str]()
    for name, weight in model.named_parameters():
        found[part_of(name)] += weight.numel()
    return {part: found[part] for part in ("language", "projector", "tower")}


def lora_layers(model: Any) -> dict[str, int]:
    """The linear layers of the language model, which adapters are put on, by the last part of their names."""
    return dict(Counter(name.rpartition(".")[2] for name in linear_layers(model, ["language"])))


def unsupported(scorer: Scorer) -> list[dict[str, str]]:
    """What cannot be done with a model here, and why."""
    base, chat = whole(scorer.model), scorer.chat
    family, found = family_of(base.config), dict[str, str | None]()
    found["shared prefix"] = refusal(base)
    if family.both_ways == "prompt":
        found["questions that share an image"] = (
            "its prompts see themselves both ways; answers to one question share it"
        )
    found["attention maps"] = scorer.blind
    if not resolution.resizes(chat):
        found["--image-tokens, --max-pixels"] = "it has one size for all images"
    if not getattr(base, "supports_gradient_checkpointing", True):
        found["--gradient-checkpointing"] = "transformers has none for this family"
    if not getattr(base, "_supports_flex_attn", True):
        found["--attention flex_attention"] = "transformers has none for this family"
    if chat.box_format.token_bins:
        found["answers of a server that gives text alone"] = (
            "its boxes are special tokens, which such a server leaves out"
        )
    return [{"what": what, "why": why} for what, why in found.items() if why]
