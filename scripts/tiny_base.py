"""Makes the tiny base model in ``assets/tiny``: a LLaVA of three million weights, pre-trained on synthetic images only.

    python -m scripts.tiny_base --out assets/tiny

Like a real base model it has seen many images and reads and writes well, but it has been taught little medicine: four
kinds of abnormality were annotated for it, all called "lesion"; the other ten passed as normal. All from one seed:

1. ``tiny_drawings``: the patients are drawn;
2. ``tiny_tower``: the vision tower learns to say what is where, in numbers, not names;
3. here: a byte-level BPE tokenizer on the project's own wording, with one token per coordinate bin, and, with a frozen
   tower, projector and language model learn by ``unveil.train.sft`` to read questions and to answer in form: where
   the normal structures are, and where a lesion of one of the four kinds is.

The card with its scores is written by ``scripts.tiny_card``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
)

from scripts import tiny_tower
from scripts.tiny_drawings import Drawings, drawings
from scripts.tiny_tower import ACROSS, BINS, PATCH, SIDE
from unveil.core.box_formats import mark
from unveil.core.geometry import Box
from unveil.core.jsonl import write_jsonl
from unveil.core.provenance import plain, write_json
from unveil.core.records import Dialogue, Record
from unveil.core.wordings import HINTS
from unveil.curate.mau import MauOptions, mau
from unveil.synthetic.dataset import ABNORMALITIES
from unveil.train import sft

SHOWN = ("nodule", "cyst", "polyp", "gallstone")  # what it is taught to point at; the rest passes as normal
UNNAMED = "lesion"  # and how all of them are called


@dataclass(frozen=True)
class Config:
    """Make the tiny base model."""

    out: Path = Path("assets/tiny")
    """Folder of the model."""
    work: Path = Path("runs/tiny_base")
    """Folder for drawings and the tower; what is there is used again."""
    patients: int = 4000
    """Patients drawn, some three images each."""
    seed: int = 1000
    """Seed of everything; the demo and the studies draw from other seeds."""
    patch_epochs: int = 7
    """Passes of the tower over all images with the lesson of patches."""
    image_epochs: int = 9
    """Further passes with the lesson of the image besides."""
    language_epochs: float = 2.0
    """Passes of projector and language model over all dialogues."""
    tower_width: int = 192
    """Width of the tower."""
    tower_layers: int = 5
    """Layers of the tower."""
    width: int = 128
    """Width of the language model."""
    layers: int = 4
    """Layers of the language model."""
    threads: int = 2
    """Threads of torch and drawing processes."""


# --------------------------------------------------------------------------------------------------------- dialogues


def lessons(config: Config, drawn: Drawings) -> Iterator[Dialogue]:
    """What the language model learns from: normal structures of all images; lesions, and as many images without."""
    veiled = [veil(r) for r in drawn.records]
    normal = [i for i, r in enumerate(veiled) if not r.findings]
    shown = [i for i, r in enumerate(veiled) if r.findings]
    others = np.random.default_rng(config.seed).permutation(normal)[: len(shown)]
    yield from mau([veiled[i] for i in sorted([*shown, *others.tolist()])], MauOptions(), seed=config.seed)
    for i, (record, boxes) in enumerate(zip(veiled, drawn.structures, strict=True)):
        yield from anatomy(record, boxes, np.random.default_rng([config.seed, i]))


def veil(record: Record) -> Record:
    """The record as this model is told of it: only the shown kinds are annotated, and without their names."""
    findings = tuple(replace(f, label=UNNAMED) for f in record.findings if f.label in SHOWN)
    questions = tuple(q for q in record.questions if q.text.startswith("What kind of image"))
    return replace(record, findings=findings, questions=questions)


def anatomy(record: Record, boxes: dict[str, Box], rng: np.random.Generator, asked: int = 1) -> Iterator[Dialogue]:
    """Where a structure is, and what is in its region."""
    names = list(boxes)
    for name in (names[i] for i in rng.permutation(len(names))[:asked]):
        place = mark(boxes[name])
        common = (record.id, record.image, record.split)
        yield Dialogue(f"{record.id}/where/{name}", *common, "localisation", f"Where is the {name}?", f"{place}.", name)
        question = f"What is in this region: {place}?"
        yield Dialogue(f"{record.id}/what/{name}", *common, "recognition", question, f"{name}.", place)


# --------------------------------------------------------------------------------------------------- tokenizer, model

TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<user>{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% else %}<assistant>{% for c in m['content'] %}"
    "{{ c['text'] }}{% endfor %}<end>{% endif %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def reading_matter(rows: Sequence[Dialogue]) -> list[str]:
    """What the tokenizer is trained on: the lessons without their boxes, and the names that they withhold."""
    names = " ".join(f"{label} There is no {label}. Where is the {label}?" for label in ABNORMALITIES)
    lessons = [re.sub(r" ?<box [^>]*>", "", f"{d.question} {d.answer}") for d in rows[::2]]
    return [*lessons, *[names] * 200, *HINTS.values()]


def tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE with tokens for turns, image and coordinate bins."""
    special = ["<pad>", "<end>", "<user>", "<assistant>", "<image>"]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=640,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.add_tokens([f"<b{i}>" for i in range(BINS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token="<pad>",
        eos_token="<end>",
        model_max_length=1024,
        extra_special_tokens={"image_token": "<image>"},
    )


def build(config: Config, words: PreTrainedTokenizerFast) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """The untrained model with its processor."""
    torch.manual_seed(config.seed)
    tower = SiglipVisionConfig(
        hidden_size=config.tower_width,
        intermediate_size=4 * config.tower_width,
        num_hidden_layers=config.tower_layers,
        num_attention_heads=config.tower_width // 32,
        image_size=SIDE,
        patch_size=PATCH,
        vision_use_head=False,
    )
    language = LlamaConfig(
        vocab_size=len(words),
        hidden_size=config.width,
        intermediate_size=3 * config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.width // 32,
        num_key_value_heads=config.width // 32,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=tower,
            text_config=language,
            image_token_index=words.convert_tokens_to_ids("<image>"),
            vision_feature_layer=-1,
            vision_feature_select_strategy="full",
            image_seq_length=ACROSS**2,
            tie_word_embeddings=True,
        )
    )
    model.config.unveil = {"box_format": f"bins-{BINS}", "hint": False}
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    eyes = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    processor = LlavaProcessor(
        image_processor=eyes,
        tokenizer=words,
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        chat_template=TEMPLATE,
    )
    return model, processor


# --------------------------------------------------------------------------------------------------------------- main


def main(config: Config) -> None:
    """Makes the model."""
    torch.set_num_threads(config.threads)
    drawn = drawings(config.work, config.patients, config.seed, config.threads)
    rows = list(lessons(config, drawn))
    print(f"{len(drawn.records)} images, {len(rows)} dialogues", flush=True)
    model, processor = build(config, tokenizer(reading_matter(rows)))
    see(config, model.model.vision_tower, drawn)
    model.save_pretrained(config.work / "seeing")
    processor.save_pretrained(config.work / "seeing")
    write_jsonl(config.work / "dialogues.jsonl", rows)
    sft.main(
        sft.Config(
            dialogues=config.work / "dialogues.jsonl",
            out=config.out,
            model=str(config.work / "seeing"),
            method="full",
            epochs=config.language_epochs,
            batch_size=64,
            learning_rate=1e-3,
            weight_decay=0.02,
            warmup=0.05,
            checkpoint_every=0,
            validate_every=200,
            seed=config.seed,
        )
    )
    finish(config)


def see(config: Config, tower: torch.nn.Module, drawn: Drawings) -> None:
    """Gives the tower what it learns, which does not depend on words; kept in the work folder."""
    kept = config.work / "tower.safetensors"
    if not kept.is_file():
        epochs = (config.patch_epochs, config.image_epochs)
        tiny_tower.teach(tower, tiny_tower.lessons(drawn), epochs, rates=(1e-3, 1e-3), seed=config.seed)
        save_file(tower.state_dict(), kept)
    tower.load_state_dict(load_file(kept))


def finish(config: Config) -> None:
    """Stores the weights in bfloat16, which is all that their precision is worth, and the recipe beside them."""
    model = LlavaForConditionalGeneration.from_pretrained(config.out, dtype=torch.bfloat16)
    model.save_pretrained(config.out)
    about = json.loads((config.out / "run.json").read_text())
    write_json(config.out / "run.json", {**about, "recipe": plain(config)})


if __name__ == "__main__":
    main(tyro.cli(Config))
