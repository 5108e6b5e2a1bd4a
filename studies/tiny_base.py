"""Makes the tiny base model in ``assets/tiny``: a LLaVA of three million weights, pre-trained on drawn images only.

    python -m studies.tiny_base --out assets/tiny

Like a real base model it has seen many images and reads and writes well, but it has not been taught medicine: most
abnormalities are only "lesion" to it, and it points at them weakly. Three stages, all from one seed:

1. a byte-level BPE tokenizer on the project's own wording, with one token per coordinate bin;
2. the vision tower learns to say what is where: for each cell of a patch, which structures and which kinds of
   abnormality cover it (numbers, not names), for each patch on an object, that object's box, and then for all patches
   together, which abnormalities the image has and where;
3. tower frozen, projector and language model learn by ``unveil.train.sft`` to read questions and to answer in form:
   about normal structures of all patients, about abnormalities of one patient in five.

The card with its scores is written by ``studies.tiny_card``.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import (
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
)

from unveil.curate.mau import Rules, mau
from unveil.geometry import Box, BoxError, area, box_of_mask, coverage, scale
from unveil.ingest.drawing import Picture
from unveil.ingest.phantom import ABNORMALITIES, MODALITIES, Patient, draw_patient, write_patient
from unveil.records import Dialogue, Record, read_jsonl, write_jsonl
from unveil.syntax import mark
from unveil.train import sft
from unveil.wording import HINTS

SIDE = 128  # pixels of the picture that the tower sees
PATCH = 16
CELLS = 2  # cells per patch and axis in the tower's lessons
BINS = 64  # of a box's coordinates, as in its syntax
LESIONS_FROM = 5  # one patient in so many is asked about abnormalities
GRID = SIDE // PATCH * CELLS
NAMED = ("nodule", "cyst", "polyp", "gallstone")  # what the base has heard of; the rest is "lesion" to it
UNNAMED = "lesion"
KINDS = [(m.MODALITY, label) for m in MODALITIES.values() for label in m.ABNORMALITIES]
STRUCTURES = sorted({(m.MODALITY, s) for m in MODALITIES.values() for s in m.STRUCTURES})
CLASSES = {key: i for i, key in enumerate([*KINDS, *STRUCTURES])}


@dataclass(frozen=True)
class Config:
    """Make the tiny base model."""

    out: Path = Path("assets/tiny")
    """Folder of the model."""
    work: Path = Path("runs/tiny_base")
    """Folder for drawings and intermediate results; drawings that are there are used again."""
    patients: int = 2000
    """Patients drawn, some three images each."""
    seed: int = 1000
    """Seed of everything; the demo and the studies draw from other seeds."""
    tower_epochs: int = 14
    """Passes of the tower over all images with the lessons of single patches."""
    whole_epochs: int = 5
    """Further passes with the lesson of the whole image besides."""
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


# ---------------------------------------------------------------------------------------------------------- drawings


def draw(patient: Patient, folder: Path) -> tuple[list[Record], list[dict[str, Box]], np.ndarray]:
    """One patient: records with PNG files, the structures' boxes, the cells' classes (images, class, row, column)."""
    pictures = list(draw_patient(patient))
    records = write_patient(patient, pictures, folder)
    cells = np.stack([cell_classes(picture, modality) for picture, modality in pictures])
    return records, [structure_boxes(picture) for picture, _ in pictures], cells


def structure_boxes(picture: Picture) -> dict[str, Box]:
    """Boxes of the normal structures that are large enough to be asked about."""
    boxes = {}
    for name, mask in picture.structures.items():
        try:
            box = box_of_mask(mask)
        except BoxError:
            continue  # out of this image's frame
        if min(box[2] - box[0], box[3] - box[1]) >= 12:
            boxes[name] = box
    return boxes


def cell_classes(picture: Picture, modality: str) -> np.ndarray:
    """The share of each cell that each class covers, as bytes (class, GRID, GRID)."""
    out = np.zeros((len(CLASSES), GRID, GRID), np.uint8)
    for name, mask in picture.structures.items():
        out[CLASSES[modality, name]] = _shares(mask)
    for drawn in picture.findings:
        own = out[CLASSES[modality, drawn.label]]
        np.maximum(own, _shares(drawn.mask), out=own)
    return out


def _shares(mask: np.ndarray) -> np.ndarray:
    block = mask.shape[0] // GRID
    return (mask.reshape(GRID, block, GRID, block).mean((1, 3)) * 255).astype(np.uint8)


def drawings(config: Config) -> tuple[Path, np.ndarray]:
    """All drawings: ``records.jsonl`` and ``structures.jsonl`` in the work folder, and the cells' classes."""
    records_file, cells_file = config.work / "records.jsonl", config.work / "cells.npy"
    if not records_file.is_file():
        folder = config.work / "images"
        folder.mkdir(parents=True, exist_ok=True)
        todo = [Patient(config.seed, n) for n in range(config.patients)]
        with ProcessPoolExecutor(config.threads, mp_context=get_context("spawn")) as pool:
            done = list(pool.map(draw, todo, [folder] * len(todo), chunksize=8))
        np.save(cells_file, np.concatenate([cells for _, _, cells in done]))
        write_jsonl(config.work / "structures.jsonl", (s for _, structures, _ in done for s in structures))
        write_jsonl(records_file, (r for records, _, _ in done for r in records))
    return records_file, np.load(cells_file, mmap_mode="r")


# --------------------------------------------------------------------------------------------------------- dialogues


def lessons(config: Config, records: Sequence[Record]) -> Iterator[Dialogue]:
    """What the language model learns from: MAU dialogues with most names withheld, questions on normal structures."""
    veiled = [veil(r) for r in records]
    yield from mau([r for r in veiled if number(r) % LESIONS_FROM == 0], Rules(), seed=config.seed)
    for i, (record, boxes) in enumerate(zip(veiled, structures(config), strict=True)):
        yield from anatomy(record, boxes, np.random.default_rng([config.seed, i]))


def structures(config: Config) -> list[dict[str, Box]]:
    """The boxes of the normal structures of each image."""
    lines = (config.work / "structures.jsonl").read_text().splitlines()
    return [{name: (x1, y1, x2, y2) for name, (x1, y1, x2, y2) in json.loads(line).items()} for line in lines]


def veil(record: Record) -> Record:
    """The record with all but the named kinds called a lesion, and validation patients set apart."""
    findings = tuple(replace(f, label=f.label if f.label in NAMED else UNNAMED) for f in record.findings)
    questions = tuple(q for q in record.questions if not q.text.startswith("Is there") or q.text[11:-1] in NAMED)
    return replace(record, findings=findings, questions=questions, split="val" if number(record) % 50 == 0 else "train")


def number(record: Record) -> int:
    """The number of the record's patient."""
    return int(record.id.split("-")[1])


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
    bpe.add_tokens([f"<b{i}>" for i in range(64)])
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
            image_seq_length=(SIDE // PATCH) ** 2,
            tie_word_embeddings=True,
        )
    )
    model.config.unveil = {"syntax": "bins-64", "hint": False}
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


# ------------------------------------------------------------------------------------------------------ tower lessons


def pictures(records_file: Path, records: Sequence[Record]) -> Tensor:
    """All images as the tower sees them, as bytes (N, 3, SIDE, SIDE)."""
    out = torch.empty(len(records), 3, SIDE, SIDE, dtype=torch.uint8)
    for i, record in enumerate(records):
        image = Image.open(records_file.parent / record.image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        out[i] = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
    return out


def owners(records: Sequence[Record], structures: Sequence[dict[str, Box]]) -> tuple[Tensor, Tensor]:
    """For each patch the box, in bins, of the object that it lies on, and how much that counts: (N, P, 4), (N, P).

    An abnormality goes before a structure, a small structure before a large one; a patch on nothing counts 0.
    """
    across = SIDE // PATCH
    boxes, weights = torch.zeros(len(records), across**2, 4, dtype=torch.long), torch.zeros(len(records), across**2)
    for i, (record, normal) in enumerate(zip(records, structures, strict=True)):
        large_first = sorted(normal.values(), key=area, reverse=True)
        objects = [*((b, 0.3) for b in large_first), *((f.box, 1.0) for f in record.boxed if f.box)]
        for box, weight in objects:
            share = torch.from_numpy(coverage(box, across, across, *record.size)).flatten()
            mine = share >= min(0.25, float(share.max()))
            boxes[i, mine], weights[i, mine] = torch.tensor(in_bins(box, record.size)), weight
    return boxes, weights


def slots(records: Sequence[Record]) -> tuple[Tensor, Tensor]:
    """The first two abnormalities from left to right: their kinds (N, 2), 0 for none, and boxes in bins (N, 2, 4)."""
    kinds, boxes = torch.zeros(len(records), 2, dtype=torch.long), torch.zeros(len(records), 2, 4, dtype=torch.long)
    for i, record in enumerate(records):
        for j, f in enumerate(record.boxed[:2]):
            assert f.box is not None and record.modality is not None
            kinds[i, j] = 1 + KINDS.index((record.modality, f.label))
            boxes[i, j] = torch.tensor(in_bins(f.box, record.size))
    return kinds, boxes


def in_bins(box: Box, size: tuple[int, int]) -> list[int]:
    return [min(int(v), BINS - 1) for v in scale(box, size, (BINS, BINS))]


@dataclass(frozen=True)
class Lessons:
    """What the tower is taught about all images; see ``owners`` and ``slots``."""

    images: Tensor
    cells: np.ndarray
    owned: tuple[Tensor, Tensor]
    slots: tuple[Tensor, Tensor]


def patch_loss(lesson: nn.Linear, seen: Tensor, shares: Tensor, boxes: Tensor, weights: Tensor) -> Tensor:
    """What covers each cell (cross-entropy per class, abnormalities weigh more) and whose box it is (per coordinate).

    Shapes: seen (B, P, D), shares (B, C, GRID, GRID), boxes (B, P, 4), weights (B, P).
    """
    out = lesson(seen)
    covered, edges = out[..., : CELLS * CELLS * len(CLASSES)], out[..., CELLS * CELLS * len(CLASSES) :]
    size, classes, across = len(seen), len(CLASSES), SIDE // PATCH
    target = shares.view(size, classes, across, CELLS, across, CELLS).permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
    importance = torch.tensor([3.0] * len(KINDS) + [0.5] * len(STRUCTURES)).repeat(CELLS * CELLS)
    what = nn.functional.binary_cross_entropy_with_logits(covered, target, importance, reduction="sum")
    where = nn.functional.cross_entropy(edges.unflatten(-1, (4, BINS)).permute(0, 3, 1, 2), boxes, reduction="none")
    return what / target[..., 0].numel() / CELLS**2 + (where.mean(-1) * weights).sum() / weights.sum()


def whole_loss(lesson: nn.Linear, seen: Tensor, kinds: Tensor, boxes: Tensor) -> Tensor:
    """Which abnormalities the image has and where, from the mean over patches: seen (B, P, D), kinds (B, 2), boxes."""
    out = lesson(seen.mean(1)).unflatten(-1, (2, 1 + len(KINDS) + 4 * BINS))
    named = nn.functional.cross_entropy(out[..., : 1 + len(KINDS)].flatten(0, 1), kinds.flatten())
    edges = out[..., 1 + len(KINDS) :].unflatten(-1, (4, BINS))
    there = kinds > 0
    return named + nn.functional.cross_entropy(edges[there].flatten(0, 1), boxes[there].flatten())


def teach_tower(config: Config, model: LlavaForConditionalGeneration, about: Lessons, whole: bool, rate: float) -> None:
    """Trains the tower on the lessons of patches, with ``whole`` on that of the image too; their heads are dropped."""
    tower = model.model.vision_tower
    torch.manual_seed(config.seed)
    patches = nn.Linear(config.tower_width, CELLS * CELLS * len(CLASSES) + 4 * BINS)
    image = nn.Linear(config.tower_width, 2 * (1 + len(KINDS) + 4 * BINS))
    chosen = [*tower.parameters(), *patches.parameters(), *image.parameters()]
    optimizer = torch.optim.AdamW(chosen, lr=rate, weight_decay=0.02)
    size, step, began = 32, 0, time.monotonic()
    epochs = config.whole_epochs if whole else config.tower_epochs
    total = epochs * (len(about.images) // size)
    for epoch in range(epochs):
        order = np.random.default_rng([config.seed, epoch, whole]).permutation(len(about.images))
        for start in range(0, len(order) - size + 1, size):
            rows = np.sort(order[start : start + size])
            for group in optimizer.param_groups:
                group["lr"] = rate * sft.loop.cosine(step, total, 0.05)
            seen = tower(about.images[rows].float() / 127.5 - 1, output_hidden_states=True).hidden_states[-1]
            shares = torch.from_numpy(about.cells[rows]).float() / 255
            loss = patch_loss(patches, seen, shares, about.owned[0][rows], about.owned[1][rows])
            if whole:
                loss = 0.3 * loss + whole_loss(image, seen, about.slots[0][rows], about.slots[1][rows])
            loss.backward()
            nn.utils.clip_grad_norm_(chosen, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            if step % 50 == 0:
                print(f"tower {step}/{total} loss {loss.item():.4f} {time.monotonic() - began:.0f} s", flush=True)


def see(
    config: Config, records_file: Path, records: Sequence[Record], cells: np.ndarray, rows: Sequence[Dialogue]
) -> Path:
    """The model whose tower has learnt; the folders of both halves of its lessons are kept and used again."""
    half, whole = config.work / "half-seeing", config.work / "seeing"
    if (whole / "config.json").is_file():
        return whole
    model, processor = build(config, tokenizer(reading_matter(rows)))
    about = Lessons(pictures(records_file, records), cells, owners(records, structures(config)), slots(records))
    if (half / "config.json").is_file():
        model.model.vision_tower.load_state_dict(
            LlavaForConditionalGeneration.from_pretrained(half).model.vision_tower.state_dict()
        )
    else:
        teach_tower(config, model, about, whole=False, rate=1e-3)
        model.save_pretrained(half)
    teach_tower(config, model, about, whole=True, rate=7e-4)
    model.save_pretrained(whole)
    processor.save_pretrained(whole)
    return whole


# --------------------------------------------------------------------------------------------------------------- main


def main(config: Config) -> None:
    """Makes the model."""
    torch.set_num_threads(config.threads)
    records_file, cells = drawings(config)
    records = list(read_jsonl(records_file, Record))
    rows = list(lessons(config, records))
    write_jsonl(config.work / "dialogues.jsonl", rows)
    print(f"{len(records)} images, {len(rows)} dialogues", flush=True)
    seeing = see(config, records_file, records, cells, rows)
    sft.main(
        sft.SftConfig(
            dialogues=config.work / "dialogues.jsonl",
            out=config.out,
            model=str(seeing),
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
    halve(config.out)


def halve(folder: Path) -> None:
    """Stores the weights in bfloat16, which is all that their precision is worth."""
    model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16)
    model.save_pretrained(folder)


if __name__ == "__main__":
    main(tyro.cli(Config))
