"""GLM-4.1V and GLM-4.6V: an image of its own proportions, positions of three axes."""

from __future__ import annotations

from typing import Any

import transformers as tf

from unveil.testing.processors import stills
from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer

GLM_TOKENS = [
    "[gMASK]",
    "<sop>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    *(f"<|{end}_of_{what}|>" for what in ("image", "video", "box") for end in ("begin", "end")),
]
GLM_TEMPLATE = (
    "[gMASK]<sop>\n{% for m in messages %}<|{{ m['role'] }}|>\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|begin_of_image|><|image|><|end_of_image|>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{{ '\n' if m['role'] != 'assistant' }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def glm4v(size: Size = TINY) -> tuple[Any, Any]:
    """GLM-4.1V: a tower whose positions are looked up between those that it learnt."""
    return _glm(size, tf.Glm4vForConditionalGeneration, tf.Glm4vConfig, tf.Glm4vImageProcessorPil, tf.Glm4vProcessor)


def glm46v(size: Size = TINY) -> tuple[Any, Any]:
    """GLM-4.6V: the same parts under a name of their own."""
    return _glm(
        size, tf.Glm46VForConditionalGeneration, tf.Glm46VConfig, tf.Glm46VImageProcessorPil, tf.Glm46VProcessor
    )


def _glm(size: Size, model: Any, config: Any, eyes: Any, processor: Any) -> tuple[Any, Any]:
    named = {"image_token": "<|image|>", "video_token": "<|video|>"}
    words = train_tokenizer([*GLM_TOKENS, *named.values()], size, eos="<|endoftext|>", extra_special_tokens=named)
    tower = {**size.qwen_tower, "image_size": size.picture, "patch_size": 14, "model_type": "glm4v_vision"}
    text = {**size.text, **ids_of(words), "rope_parameters": size.rope(4, 2, 2), "model_type": "glm4v_text"}
    ids = {
        f"{what}_{name}_id": words.convert_tokens_to_ids(token)
        for what in ("image", "video")
        for name, token in (
            ("token", f"<|{what}|>"),
            ("start_token", f"<|begin_of_{what}|>"),
            ("end_token", f"<|end_of_{what}|>"),
        )
    }
    found = model(config(vision_config=tower, text_config=text, **ids))
    sides = {"shortest_edge": 2 * 28 * 28 * 4, "longest_edge": 2 * 28 * 28 * size.patches}  # an image counts twice
    return found, stills(processor)(eyes(size=sides), words, chat_template=GLM_TEMPLATE)
