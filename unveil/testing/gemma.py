"""Google's, on Gemma: tokens that see one another both ways, of an image or of the whole prompt."""

from __future__ import annotations

from typing import Any

import transformers as tf

from unveil.testing.processors import partly, stills
from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer


def gemma3(size: Size = TINY) -> tuple[Any, Any]:
    """Line feeds around the image that merge with the template's, <bos> written by the template, two-way attention;
    a system's words at the beginning of the user's turn."""
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    words = train_tokenizer(
        ["<start_of_turn>", "<end_of_turn>", *named.values()],
        size,
        bos="<bos>",
        eos="<eos>",
        extra_special_tokens=named,
    )
    config = tf.Gemma3Config(
        text_config={**size.text, **ids_of(words), "head_dim": size.head, "sliding_window": size.window + 40},
        vision_config={**size.tower, "vision_use_head": False},
        mm_tokens_per_image=size.patches // 4,
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
    )
    template = (
        "{{ bos_token }}"
        "{% set told = messages[0]['content'][0]['text'] + '\n\n' if messages[0]['role'] == 'system' else '' %}"
        "{% for m in messages if m['role'] != 'system' %}<start_of_turn>"
        "{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n{{ told if loop.first }}{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}<start_of_image>{% else %}{{ c['text'] | trim }}{% endif %}{% endfor %}"
        "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
    )
    eyes = tf.Gemma3ImageProcessorPil(**size.siglip)
    return tf.Gemma3ForConditionalGeneration(config), tf.Gemma3Processor(
        eyes, words, chat_template=template, image_seq_length=size.patches // 4
    )


def paligemma(size: Size = TINY, gemma: Any = tf.GemmaConfig) -> tuple[Any, Any]:
    """No chat template; the whole prompt sees itself both ways, positions begin at 1, location tokens for boxes."""
    words = train_tokenizer(["<image>", *(f"<loc{i:04d}>" for i in range(1024))], size, bos="<bos>", eos="<eos>")
    config = tf.PaliGemmaConfig(
        text_config=gemma(**{**size.text, **ids_of(words)}, head_dim=size.head).to_dict(),
        vision_config={**size.tower, "vision_use_head": False, "model_type": "siglip_vision_model"},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        projection_dim=size.hidden,
        hidden_size=size.hidden,
    )
    eyes = tf.SiglipImageProcessorPil(**size.siglip)
    eyes.image_seq_length = size.patches
    return tf.PaliGemmaForConditionalGeneration(config), tf.PaliGemmaProcessor(eyes, words)


def paligemma2(size: Size = TINY) -> tuple[Any, Any]:
    """With a Gemma 2, every other layer of which has a sliding window and makes its masks itself."""
    return paligemma(size, tf.Gemma2Config)


def gemma4(size: Size = TINY, both_ways: str | None = "vision") -> tuple[Any, Any]:
    """Gemma 4: image tokens see one another in sliding layers only (in small ones nowhere, ``both_ways`` None), full
    layers have wider heads, the last two layers read the keys of those before, and each layer is told the tokens."""
    marks = {"image": "<|image|>", "boi": "<|image>", "eoi": "<image|>", "audio": "<|audio|>", "boa": "<|audio>"}
    named = {f"{name}_token": mark for name, mark in {**marks, "eoa": "<audio|>"}.items()}
    words = train_tokenizer(
        ["<|turn>", "<turn|>", "<|video|>", *named.values()], size, bos="<bos>", eos="<eos>", extra_special_tokens=named
    )
    layers, kinds = max(5, size.layers), ["sliding_attention", "full_attention"]
    text = {
        **size.text,
        **ids_of(words),
        "num_hidden_layers": layers,
        "layer_types": [*[kinds[i % 2] for i in range(layers - 2)], *kinds],
        "num_kv_shared_layers": 2,
        "head_dim": size.head,
        "global_head_dim": 2 * size.head,
        "sliding_window": size.window + 40,
        "vocab_size_per_layer_input": len(words),
        "hidden_size_per_layer_input": size.head,
        "final_logit_softcapping": 30.0,
        "use_bidirectional_attention": both_ways,
    }
    tower = {name: value for name, value in size.tower.items() if name != "image_size"}
    heads = {"head_dim": size.head, "num_key_value_heads": size.hidden // size.head}
    config = tf.Gemma4Config(
        text_config=text,
        vision_config={**tower, **heads, "patch_size": 4, "pooling_kernel_size": 2, "position_embedding_size": 160},
        audio_config=None,
        **{f"{name}_token_id": words.convert_tokens_to_ids(mark) for name, mark in marks.items()},
        eoa_token_index=words.convert_tokens_to_ids("<audio|>"),
        video_token_id=words.convert_tokens_to_ids("<|video|>"),
    )
    template = (
        "{{ bos_token }}{% for m in messages %}<|turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
        "{% for c in m['content'] %}{% if c['type'] == 'image' %}<|image|>{% else %}{{ c['text'] | trim }}{% endif %}"
        "{% endfor %}<turn|>\n{% endfor %}{% if add_generation_prompt %}<|turn>model\n{% endif %}"
    )
    eyes = tf.Gemma4ImageProcessorPil(patch_size=4, max_soft_tokens=70, pooling_kernel_size=2)
    names = ["feature_extractor", "image_processor", "tokenizer", "video_processor"]
    processor = partly(stills(tf.Gemma4Processor), names, None, eyes, words, None, chat_template=template)
    return tf.Gemma4ForConditionalGeneration(config), processor
