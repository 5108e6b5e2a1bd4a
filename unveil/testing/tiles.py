"""Models that cut an image into tiles of one size and look at the whole of it besides."""

from __future__ import annotations

from typing import Any
from unittest import mock

import transformers as tf

from unveil.testing.processors import IM_TEMPLATE, stills
from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer

IDEFICS_TOKENS = ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>"]
IDEFICS_TOKENS += [f"<row_{i}_col_{j}>" for i in range(1, 4) for j in range(1, 4)]
IDEFICS_TEMPLATE = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}"
    "{% if m['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}"
    "{{ c['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def internvl(size: Size = TINY) -> tuple[Any, Any]:
    """Tiles of a fixed size: one to three and an overview, all behind one another."""
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = train_tokenizer(
        ["<|im_start|>", "<|im_end|>", *named.values()], size, eos="<|im_end|>", extra_special_tokens=named
    )
    tower = tf.InternVLVisionConfig(**{**size.tower, "image_size": [size.picture] * 2, "patch_size": [14, 14]})
    config = tf.InternVLConfig(
        vision_config=tower,
        text_config=tf.Qwen2Config(**size.text, **ids_of(words)),
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=size.patches // 4,
    )
    eyes = tf.GotOcr2ImageProcessorPil(size=size.siglip["size"], crop_to_patches=True, max_patches=3)
    processor = stills(tf.InternVLProcessor)(
        eyes, words, image_seq_length=size.patches // 4, chat_template=IM_TEMPLATE.format(image="<IMG_CONTEXT>\n")
    )
    return tf.InternVLForConditionalGeneration(config), processor


def idefics3(size: Size = TINY) -> tuple[Any, Any]:
    """Rows and columns of tiles, named by tokens, and an overview; a batch is padded to the most tiles."""
    words = train_tokenizer(["<|im_start|>", *IDEFICS_TOKENS], size)
    config = tf.Idefics3Config(
        vision_config=size.tower,
        text_config=tf.LlamaConfig(**size.text, **ids_of(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    eyes = tf.Idefics3ImageProcessorPil(**size.idefics)
    processor = tf.Idefics3Processor(eyes, words, image_seq_len=size.patches // 4, chat_template=IDEFICS_TEMPLATE)
    return tf.Idefics3ForConditionalGeneration(config), processor


def smolvlm(size: Size = TINY) -> tuple[Any, Any]:
    """Idefics 3 made smaller. Its processor asks for num2words, which only videos need."""
    from transformers.models.smolvlm import processing_smolvlm

    words = train_tokenizer(["<|im_start|>", *IDEFICS_TOKENS], size)
    config = tf.SmolVLMConfig(
        vision_config=size.tower,
        text_config=tf.LlamaConfig(**size.text, **ids_of(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    eyes = tf.SmolVLMImageProcessorPil(**size.idefics)
    with mock.patch.object(processing_smolvlm, "num2words", str):
        processor = stills(tf.SmolVLMProcessor)(
            eyes, words, None, image_seq_len=size.patches // 4, chat_template=IDEFICS_TEMPLATE
        )
    return tf.SmolVLMForConditionalGeneration(config), processor
