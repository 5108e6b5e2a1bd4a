"""Models of realistic shape with random weights, and pictures and pairs to train them on. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as tf
from PIL import Image

from unveil.testing.vocabulary import byte_level

WORDS = ("the", "in", "with", "round", "sharp", "soft", "edge", "left", "right", "lung", "liver", "cyst", "nodule")


@dataclass(frozen=True)
class Preset:
    """A model shape, the size of its pictures, and how many pairs a step has."""

    build: Callable[[], tuple[Any, Any]]
    picture: int
    pairs: int = 2
    answer: tuple[int, int] = (16, 64)
    """Fewest and most tokens of an answer."""
    dtype: torch.dtype = torch.float32


def words(special: list[str], **options: Any) -> Any:
    """A tokenizer in which each of the words above is one token; the model's vocabulary may be larger."""
    return byte_level([" ".join(WORDS)] * 8, special, 4096, size=400, **options)


TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<user>{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% else %}<assistant>{% for c in m['content'] %}{{ c['text'] }}{% endfor %}<end>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def llava(tower: dict[str, int], text: dict[str, int], picture: int, vocabulary: int) -> tuple[Any, Any]:
    """The shape of LLaVA-1.5: a CLIP tower with patches of 14 pixels, a two-layer projector, a Llama."""
    tokens = words(["<user>", "<assistant>", "<image>"], extra_special_tokens={"image_token": "<image>"})
    ids = {"eos_token_id": tokens.eos_token_id, "pad_token_id": tokens.pad_token_id, "bos_token_id": None}
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(image_size=picture, patch_size=14, **tower),
        text_config=tf.LlamaConfig(**text, vocab_size=vocabulary, max_position_embeddings=4096, **ids),
        image_token_index=tokens.convert_tokens_to_ids("<image>"),
        image_seq_length=(picture // 14) ** 2,
    )
    torch.manual_seed(0)
    model = tf.LlavaForConditionalGeneration(config)
    eyes = tf.CLIPImageProcessorPil(size={"shortest_edge": picture}, crop_size={"height": picture, "width": picture})
    processor = tf.LlavaProcessor(
        eyes,
        tokens,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("IMAGE", "<image>"),
    )
    return model, processor


def small(picture: int = 336) -> tuple[Any, Any]:
    """Some 60 million weights, 576 image tokens if the picture's width is the default one."""
    return llava(
        {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 6},
        {
            "hidden_size": 512,
            "intermediate_size": 1408,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
            "num_key_value_heads": 8,
        },
        picture=picture,
        vocabulary=8192,
    )


def tiny() -> tuple[Any, Any]:
    """For tests of the counts and equalities."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return llava(shape, {**shape, "num_key_value_heads": 2}, picture=56, vocabulary=512)


def qwen(tenth: bool = False) -> tuple[Any, Any]:
    """The shape of Qwen2.5-VL-3B, or of something like it with a tenth of the weights."""
    images_only(tf.Qwen2_5_VLProcessor)
    names = ["<user>", "<assistant>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokens = words(names)
    at = {n: tokens.convert_tokens_to_ids(n) for n in names}
    text = tf.models.qwen2_5_vl.configuration_qwen2_5_vl.Qwen2_5_VLTextConfig(
        hidden_size=1024 if tenth else 2048,
        intermediate_size=4096 if tenth else 11008,
        num_hidden_layers=16 if tenth else 36,
        num_attention_heads=8 if tenth else 16,
        num_key_value_heads=2,
        vocab_size=32000 if tenth else 151936,
        max_position_embeddings=32768,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
        bos_token_id=None,
    )
    vision = {
        "depth": 12 if tenth else 32,
        "hidden_size": 640 if tenth else 1280,
        "intermediate_size": 1728 if tenth else 3420,
        "num_heads": 8 if tenth else 16,
        "out_hidden_size": text.hidden_size,
        "fullatt_block_indexes": [3, 7, 11] if tenth else [7, 15, 23, 31],
        "window_size": 112,
    }
    config = tf.Qwen2_5_VLConfig(
        vision_config=vision,
        text_config=text.to_dict(),
        tie_word_embeddings=True,
        image_token_id=at["<|image_pad|>"],
        video_token_id=at["<|video_pad|>"],
        vision_start_token_id=at["<|vision_start|>"],
        vision_end_token_id=at["<|vision_end|>"],
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() and not tenth else "cpu"):
        model = tf.Qwen2_5_VLForConditionalGeneration(config)
    eyes = tf.Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * 1024})
    template = TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    return model, tf.Qwen2_5_VLProcessor(eyes, tokens, chat_template=template)


def qwen3_5() -> tuple[Any, Any]:
    """The shape of Qwen3.5, about as large as ``small``: three layers of linear attention to one of full attention.

    576 image tokens of 32 x 32 pixels each, which four patches of the tower make.
    """
    images_only(tf.Qwen3VLProcessor)
    names = ["<user>", "<assistant>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokens = words(names)
    at = {n: tokens.convert_tokens_to_ids(n) for n in names}
    text = {
        "hidden_size": 512,
        "intermediate_size": 1408,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "linear_num_key_heads": 4,
        "linear_num_value_heads": 8,
        "linear_key_head_dim": 64,
        "linear_value_head_dim": 64,
        "vocab_size": 8192,
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25}
        | {"mrope_section": [3, 3, 2]},
        "eos_token_id": tokens.eos_token_id,
        "pad_token_id": tokens.pad_token_id,
    }
    tower = {"hidden_size": 384, "intermediate_size": 1536, "depth": 12, "num_heads": 6, "out_hidden_size": 512}
    config = tf.Qwen3_5Config(
        vision_config={**tower, "num_position_embeddings": 2304},
        text_config=text,
        image_token_id=at["<|image_pad|>"],
        video_token_id=at["<|video_pad|>"],
        vision_start_token_id=at["<|vision_start|>"],
        vision_end_token_id=at["<|vision_end|>"],
    )
    torch.manual_seed(0)
    model = tf.Qwen3_5ForConditionalGeneration(config)
    size = {"shortest_edge": 32 * 32 * 4, "longest_edge": 32 * 32 * 576}
    eyes = tf.Qwen2VLImageProcessorPil(patch_size=16, size=size)
    template = TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    return model, tf.Qwen3VLProcessor(eyes, tokens, chat_template=template)


def gemma3() -> tuple[Any, Any]:
    """The shape of Gemma 3 and MedGemma, about as large as ``small``: 256 image tokens, which see one another."""
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    tokens = words(["<user>", "<assistant>", *named.values()], extra_special_tokens=named)
    at = {name: tokens.convert_tokens_to_ids(word) for name, word in named.items()}
    ids = {"eos_token_id": tokens.eos_token_id, "pad_token_id": tokens.pad_token_id, "bos_token_id": None}
    text = {
        "hidden_size": 512,
        "intermediate_size": 1408,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "sliding_window": 1024,
        "vocab_size": 8192,
        "max_position_embeddings": 4096,
    }
    tower = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 6}
    config = tf.Gemma3Config(
        text_config={**text, **ids},
        vision_config={**tower, "image_size": 448, "patch_size": 14, "vision_use_head": False},
        mm_tokens_per_image=256,
        image_token_index=at["image_token"],
        boi_token_index=at["boi_token"],
        eoi_token_index=at["eoi_token"],
    )
    torch.manual_seed(0)
    model = tf.Gemma3ForConditionalGeneration(config)
    eyes = tf.Gemma3ImageProcessorPil(size={"height": 448, "width": 448}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    template = TEMPLATE.replace("IMAGE", "<start_of_image>")
    return model, tf.Gemma3Processor(eyes, tokens, chat_template=template, image_seq_length=256)


def images_only(kind: type) -> None:
    """Takes the part for videos from a processor class where torchvision, which that part needs, is not installed."""
    if importlib.util.find_spec("torchvision") is None:
        kind.get_attributes = classmethod(lambda cls: ["image_processor", "tokenizer"])  # type: ignore[attr-defined]
        kind.video_processor = None  # type: ignore[attr-defined]


PRESETS: dict[str, Preset] = {
    "tiny": Preset(tiny, picture=56, answer=(4, 12)),
    "small": Preset(small, picture=336),
    "qwen3_5": Preset(qwen3_5, picture=768),
    "gemma3": Preset(gemma3, picture=448),
    "3b": Preset(qwen, picture=896, pairs=4, dtype=torch.bfloat16),
    "3b-tenth": Preset(lambda: qwen(tenth=True), picture=896, pairs=1),
}


def texts(rng: np.random.Generator, size: tuple[int, int]) -> str:
    """Words of some ``size`` tokens, fewest and most: each word is one, and so is the end."""
    return " ".join(rng.choice(WORDS, int(rng.integers(size[0], size[1] + 1)) - 1))


def make_picture(path: Path, width: int, seed: int) -> Path:
    """A square picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 255, (width, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def make(folder: Path, preset: Preset, images: int, questions: int = 1) -> Path:
    """Saves model, processor, pictures and data into ``folder``; returns it.

    ``pairs.jsonl`` holds one pair per image, ``dialogues.jsonl`` some questions per image.
    """
    model, processor = preset.build()
    model.config.unveil = {"box_format": "unit", "hint": False}  # questions as they are, as TRL asks them
    model.to(preset.dtype).save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    rng = np.random.default_rng(0)
    pairs, dialogues = [], []
    for i in range(images):
        make_picture(folder / f"{i}.png", preset.picture, seed=i)
        common = {"record": f"r{i}", "image": f"{i}.png", "split": "train", "kind": "open"}
        asked = [texts(rng, (16, 16)) for _ in range(questions)]
        answers = [texts(rng, preset.answer) for _ in range(questions + 1)]
        pairs.append({"id": f"p{i}", **common, "question": asked[0], "chosen": answers[0], "rejected": answers[-1]})
        dialogues += [
            {"id": f"d{i}-{q}", **common, "question": asked[q], "answer": answers[q]} for q in range(questions)
        ]
    for name, rows in (("pairs", pairs), ("dialogues", dialogues)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return folder
