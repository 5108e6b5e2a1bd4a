"""Mistral Small 3: Pixtral's tower, whose picture keeps its proportions; a token ends each row of patches."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any
from unittest import mock

import transformers as tf

from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer

MISTRAL_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'system' %}[SYSTEM_PROMPT]{{ m['content'][0]['text'] }}[/SYSTEM_PROMPT]"
    "{% elif m['role'] == 'user' %}[INST]{% for c in m['content'] %}{% if c['type'] == 'image' %}[IMG]{% else %}"
    "{{ c['text'] }}{% endif %}{% endfor %}[/INST]"
    "{% else %}{{ m['content'][0]['text'] + eos_token }}{% endif %}{% endfor %}"
)


def mistral3(size: Size = TINY) -> tuple[Any, Any]:
    """Patches are merged by squares of two; a batch is padded to the largest picture."""
    roles = ["[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]"]
    words = train_tokenizer([*roles, "[IMG]", "[IMG_BREAK]", "[IMG_END]"], size, bos="<s>", eos="</s>")
    config = tf.Mistral3Config(
        vision_config={**size.tower, "model_type": "pixtral"},
        text_config={
            **size.text,
            **ids_of(words),
            "bos_token_id": words.bos_token_id,
            "model_type": "mistral",
            "sliding_window": None,
            "head_dim": size.head,
        },
        image_token_index=words.convert_tokens_to_ids("[IMG]"),
        tie_word_embeddings=False,
    )
    pixtral = "transformers.models.pixtral"
    pil = import_module(f"{pixtral}.image_processing_pil_pixtral")
    with mock.patch.dict(sys.modules, {f"{pixtral}.image_processing_pixtral": pil}):  # which needs torchvision
        kind = import_module(f"{pixtral}.processing_pixtral").PixtralProcessor
    eyes = tf.PixtralImageProcessorPil(size={"longest_edge": 2 * size.picture}, patch_size=28)
    processor = kind(eyes, words, patch_size=14, spatial_merge_size=2, chat_template=MISTRAL_TEMPLATE)
    return tf.Mistral3ForConditionalGeneration(config), processor
