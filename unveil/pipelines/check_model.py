"""The command ``unveil check-model``: what a model is to this program; the first thing to run with a new one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unveil.core import console, digests, faults, pixels, provenance
from unveil.core.bootstrap import beyond_zero
from unveil.core.box_formats import mark
from unveil.core.geometry import Box, box_of_mask
from unveil.core.records import Dialogue
from unveil.core.wordings import QUESTIONS
from unveil.pipelines.check_model_words import told
from unveil.pipelines.options import CheckModelOptions
from unveil.rl.options import GrpoOptions
from unveil.synthetic import dataset
from unveil.train import adapters, footprint, lengths, loop, resources
from unveil.train.lengths import Asked
from unveil.train.options import DpoOptions, RecipeOptions, SftOptions
from unveil.vlm import agreement, dialect_trial, families, models, portrait
from unveil.vlm.chat import Chat
from unveil.vlm.dialect_trial import LesionImage, Trial
from unveil.vlm.families import ModelError, UndeclaredError
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded

Config = CheckModelOptions
#: How a model is asked that does not say how it writes boxes, until its answers tell.
STAND_IN = "json-1000"


def main(config: Config) -> bool:
    """Whether the engine computes what the model computes by itself, in all that it is used for with this model."""
    if not config.precisions:
        raise ModelError("--precisions: float32, bf16 or both are needed")
    with ExitStack() as stack:
        made = config.json and provenance.output(
            config.json, "check-model", config, digests.of_model(config.model), derived=True
        )
        output = stack.enter_context(made) if made else None
        free = resources.free_memory(models.default_device())  # before the model itself takes of it
        with _memory_explained():
            found = looked_at(*_loaded(config), config, free)
        told(found)
        if config.json and output:
            provenance.write_json(config.json, found)
            output.write(model=found["fingerprint"])
    return bool(found["agrees"])


@contextmanager
def _memory_explained() -> Iterator[None]:
    """What helps where memory has run out: the weights take most of it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if faults.out_of_memory(error):
            vars(error).setdefault("needs", "--precisions bf16 takes half of it, --image-tokens shows less of an image")
        raise


def _loaded(config: Config) -> tuple[Loaded, str | None]:
    """The model in the first precision, and why it does not tell how it writes boxes, where it does not."""
    dtype = models.DTYPES[config.precisions[0]]
    try:
        return models.load(config.model, **config.how, dtype=dtype), None
    except UndeclaredError as error:
        return models.load(config.model, **{**config.how, "box_format": STAND_IN}, dtype=dtype), str(error)


def looked_at(loaded: Loaded, undeclared: str | None, config: Config, free: int) -> dict[str, Any]:
    """All that is found, as JSON values; ``free`` bytes of memory are told beside what training takes.

    The model is left in the last precision.
    """
    chat, base = loaded.chat, loaded.model
    pictures = drawn(max(2, config.images), config.seed)
    rows = compared_rows(chat, pictures[:2])
    comparisons, trials = list[agreement.EnginePart](), list[Trial]()
    usual = models.default_dtype(loaded.device)
    for precision in config.precisions:
        dtype = models.DTYPES[precision]
        with console.progress(f"compare {precision}", None):
            found = agreement.compared(base.to(dtype), chat, rows, precision)
        comparisons += found.comparisons
        if config.images and not trials and (dtype == usual or precision == config.precisions[-1]):
            trials = dialect_trial.tried(found.scorer, pictures[: config.images], config.max_new_tokens)
    return {
        "model": loaded.name,
        "fingerprint": loaded.fingerprint,
        "family": base.config.model_type,
        "known": base.config.model_type in families.FAMILIES,
        "device": loaded.device.type,
        "agrees": all(one.agrees is not False for one in comparisons),
        "agreement": [_finite(asdict(one)) | {"agrees": one.agrees} for one in comparisons],
        "chat": portrait.chat_as_seen(chat, rows[1]),
        "image_tokens": portrait.image_costs(chat),
        "boxes": boxes(chat, base.config, config, undeclared, trials),
        "parts": portrait.parts(base),
        "lora": portrait.lora_layers(base),
        "memory": memory(loaded, config, free) if config.batch_size else [],
        "not_supported": portrait.unsupported(found.scorer),
    }


def _finite(one: dict[str, Any]) -> dict[str, Any]:
    """A comparison without a number that JSON does not have: of what could not be computed."""
    return one | {"apart": None} if one["apart"] == float("inf") else one


# --------------------------------------------------------------------------------------------------------- synthetic


def drawn(count: int, seed: int) -> list[LesionImage]:
    """So many synthetic images, each of another patient, with one abnormality; every second one is wider than high."""
    found = list[LesionImage]()
    for number in range(count):
        image, _ = dataset.draw_one(dataset.Patient(seed, number))
        [lesion] = image.findings
        picture = LesionImage(pixels.to_rgb(image.pixels), lesion.label, box_of_mask(lesion.mask))
        found.append(_cropped(picture) if number % 2 else picture)
    return found


def _cropped(picture: LesionImage) -> LesionImage:
    """The picture without rows above or below the abnormality, so that it is wider than high where that can be."""
    height = picture.pixels.shape[0]
    x1, y1, x2, y2 = picture.box
    top = min(int(y1), height // 4) if y1 >= height - y2 else 0
    bottom = max(math.ceil(y2), height - height // 4) if not top else height
    box: Box = (x1, y1 - top, x2, y2 - top)
    return LesionImage(picture.pixels[top:bottom], picture.label, box)


def compared_rows(chat: Chat, pictures: Sequence[LesionImage]) -> list[EncodedExample]:
    """Questions with answers: three on one image, of which two are the same, and one on another."""
    seen = [chat.process(picture.pixels, "a synthetic image") for picture in pictures]
    first, (place, detect) = pictures[0], (QUESTIONS["localisation"][0], QUESTIONS["detection"][0])
    asked = [
        (seen[0], _dialogue("detection", detect, "Yes.")),
        (seen[0], _dialogue("localisation", place.format(first.label), mark(first.box), first.label)),
        (seen[0], _dialogue("detection", detect, "No, nothing is.")),
        (seen[1], _dialogue("detection", detect, "Yes.")),
    ]
    return [chat.encode(dialogue, image, with_answer=True) for image, dialogue in asked]


def _dialogue(kind: Any, question: str, answer: str, target: str | None = None, image: str = "synthetic") -> Dialogue:
    return Dialogue(f"a synthetic {kind}", "synthetic", image, "test", kind, question, answer, target=target)


# ------------------------------------------------------------------------------------------------------------- boxes


def boxes(chat: Chat, config: Any, asked: Config, undeclared: str | None, trials: Sequence[Trial]) -> dict[str, Any]:
    """Which box dialect is declared, and by what; what was answered in each; in which one boxes are best."""
    declared = None if undeclared else chat.profile.box_format
    found: dict[str, Any] = {
        "declared": declared,
        "by": portrait.declared_by(config, asked.box_format),
        "undeclared": undeclared,
        "asked": [_trial(trial) for trial in trials],
    }
    tried = [trial for trial in trials if trial.ious]
    if not tried:
        return found
    best = max(tried, key=lambda trial: trial.iou)
    found["best"] = best.box_format if best.iou > 0 else None
    own = next((trial for trial in tried if trial.box_format == declared), None)
    if own and best is not own:
        gap, interval = dialect_trial.beyond(best, own)
        sure = not isinstance(interval, str) and beyond_zero(*interval)
        found["beyond_declared"] = {"iou": gap, "interval": interval, "sure": sure}
    return found


def _trial(trial: Trial) -> dict[str, Any]:
    """A trial as JSON values: the mean IoU with its interval, and what the answers hold."""
    if trial.left_out is not None:
        return {"box_format": trial.box_format, "left_out": trial.left_out}
    counted = {k: v for k, v in asdict(trial).items() if k not in ("ious", "left_out")}
    return counted | {"n": len(trial.ious), "iou": trial.iou, "interval": trial.interval()}


# ------------------------------------------------------------------------------------------------------------ memory


def memory(loaded: Loaded, config: Config, free: int) -> list[dict[str, Any]]:
    """Memory of an update by recipe, foretold: a pass without weights, as ``--dry-run`` tells it."""
    how: dict[str, Any] = {"model": config.model, "out": Path(), "batch_size": config.batch_size}
    data: dict[str, Any] = {"dialogues": Path(), "records": Path()}
    grpo = GrpoOptions(**how, **data)
    long, short = "Nodule in the right lung: round, with a sharp edge. No other abnormality is seen.", "It is normal."
    recipes: list[tuple[str, RecipeOptions, tuple[str, ...]]] = [
        ("sft", SftOptions(**how, dialogues=Path()), (long,)),
        ("dpo", DpoOptions(**how, pairs=Path()), (long, short)),
        ("grpo", grpo, (long,) * grpo.answers),
    ]
    precision = loop.computing("auto", loaded.device)[0]
    kind, found = footprint.kind_of(loaded.device), list[dict[str, Any]]()
    question = QUESTIONS["diagnosis"][0]
    for name, options, answers in recipes:
        base = models.unfilled(loaded.model.config)
        chosen = adapters.chosen(options, base.num_parameters())
        taken = footprint.of(base, options, precision)
        asked = [
            Asked(_dialogue("diagnosis", question, answers[0], image=f"{i}"), config.image_size, answers)
            for i in range(config.batch_size)
        ]
        rows = lengths.measured(loaded.chat, asked)
        needed = resources.memory(taken, rows, options, kind)
        found.append(
            {
                "recipe": name,
                "method": chosen.method,
                "precision": precision,
                "batch_size": config.batch_size,
                "answers": len(answers),
                "image_size": list(config.image_size),
                "image_tokens": rows.images[2],
                "trained": taken.trained,
                "bytes": needed,
                "free": free,
            }
        )
    return found
