"""Ovis2: a tower that says how much of each word of a visual vocabulary a patch is."""

from __future__ import annotations

from typing import Any

import transformers as tf

from unveil.testing.processors import IM_TEMPLATE
from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer

MARKS = ["<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"]


def ovis2(size: Size = TINY) -> tuple[Any, Any]:
    """Words of that vocabulary stand for what is around an image and between its tiles, too."""
    words = train_tokenizer(["<|im_start|>", "<|im_end|>", "<image>", "<IMG_ATOM>", *MARKS], size, eos="<|im_end|>")
    config = tf.Ovis2Config(
        vision_config={**size.tower, "vocab_size": 4 * size.hidden, "hidden_stride": 2},
        text_config={**size.text, **ids_of(words), "model_type": "qwen2"},
        image_token_id=words.convert_tokens_to_ids("<IMG_ATOM>"),
        visual_indicator_token_ids=words.convert_tokens_to_ids(MARKS),
        vocab_size=len(words),
        hidden_size=size.hidden,
        tie_word_embeddings=False,
    )
    eyes = tf.Ovis2ImageProcessorPil(size=size.siglip["size"], crop_to_patches=True, max_patches=4)
    processor = tf.Ovis2Processor(
        eyes, words, image_seq_length=size.patches // 4, chat_template=IM_TEMPLATE.format(image="<image>\n")
    )
    return tf.Ovis2ForConditionalGeneration(config), processor
