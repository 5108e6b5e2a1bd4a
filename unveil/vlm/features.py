"""What a frozen vision tower makes of an image, computed once and used for every epoch, question, answer and recipe.

What can be kept depends on what is trained: with tower and projector frozen, the features that enter the language
model; with only the tower frozen, its hidden states (LLaVA family); with the tower trained, nothing. Each image is
looked at alone, so that its features do not depend on which others were new in the same batch, and a resumed run
computes the same bits.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unveil.core import files, provenance
from unveil.vlm import crossed
from unveil.vlm.families import ModelError, family_of
from unveil.vlm.inputs import ImageInput, stack_images
from unveil.vlm.model_parts import Part, fingerprint, parts_of
from unveil.vlm.tower_states import Remembering, frozen, remember, with_states

LOG = logging.getLogger(__name__)
Kept = Literal["features", "hidden states", "nothing"]


@dataclass(frozen=True)
class ImageFeatures:
    """Features of one or more images as the language model takes them, and those of deeper layers (Qwen3-VL)."""

    pooled: list[Tensor]
    deep: list[list[Tensor]]
    stacked: bool
    """Whether the family hands its features over as one tensor, else as a list with one for each image."""
    marks: Tensor | None = None
    """What stands for the tokens around an image and between its tiles, the same for all images (Ovis2)."""

    @property
    def nbytes(self) -> int:
        marks = [] if self.marks is None else [self.marks]
        return sum(t.nbytes for t in [*self.pooled, *marks, *(t for layer in self.deep for t in layer)])

    def alone(self) -> ImageFeatures:
        """The same in memory of its own, without that of images beside it."""
        return ImageFeatures(
            [t.clone() for t in self.pooled], [[t.clone() for t in one] for one in self.deep], self.stacked, self.marks
        )

    def apart(self, images: int) -> list[ImageFeatures] | None:
        """The features of each of so many images of one size; None where they cannot be told apart."""
        if (sum(map(len, self.pooled)) if self.stacked else len(self.pooled)) % images:
            return None

        def parts(given: list[Tensor]) -> list[list[Tensor]]:
            if self.stacked:
                return [[part] for part in torch.cat(given).chunk(images)]
            each = len(given) // images
            return [given[i * each : (i + 1) * each] for i in range(images)]

        pooled, deep = parts(self.pooled), [parts(layer) for layer in self.deep]
        return [ImageFeatures(pooled[i], [layer[i] for layer in deep], self.stacked, self.marks) for i in range(images)]

    def output(self) -> Any:
        """As ``mm_encoder_outputs["image"]`` of transformers."""
        pooled = torch.cat(self.pooled) if self.stacked else self.pooled
        return SimpleNamespace(pooler_output=pooled, deepstack_features=self.deep, visual_indicator_features=self.marks)


class Features:
    """The image part of a model with a memory. Which part is remembered is decided once, from what is trained.

    ``room_mb`` bounds the memory: what comes first stays, since every epoch needs everything again and whatever was
    forgotten to make room would be missed as soon. With a ``folder``, features are also kept on disk, up to
    ``disk_mb``, for other runs: one file per image, named by a hash of the processed pixels and written all or nothing,
    so that several processes may share it. The folder belongs to one tower, processor and dtype; another one is refused
    with ``ModelError``, never mixed in.

    ``trained`` are the parts of the model that are trained, by default those with a parameter that takes a gradient.
    ``together`` lets images of one size that are new pass by one run, which is faster; their features then depend on
    one another in their last bits.
    """

    def __init__(
        self,
        base: Any,
        image_processor: Any,
        room_mb: int,
        folder: Path | None = None,
        disk_mb: int = 20_000,
        trained: Collection[Part] | None = None,
        together: bool = False,
    ):
        self.base = base
        self.room = room_mb * 2**20
        self.together = together
        self.disk = disk_mb * 2**20
        self.known: dict[bytes, ImageFeatures] = {}
        self.stored: set[bytes] = set()
        """What this process has found or written in the folder."""
        self.encodings = 0
        """Images that passed the tower so far."""
        self.keeps: Kept = "nothing"
        self.tower: Remembering | None = None
        part_of = parts_of(base)
        if trained is None:
            trained = {part_of(name) for name, p in base.named_parameters() if p.requires_grad}
        if not {"tower", "projector"} & set(trained):
            self.keeps = "features"
        elif "tower" not in trained and (tower := remember(base, room_mb, self._count)):
            self.keeps, self.tower = "hidden states", tower
        self.folder = folder if self.keeps == "features" else None
        if folder and not self.folder:
            LOG.warning("%s is not used: it keeps what enters the language model, and the projector is trained", folder)
        if self.folder:
            _claim(self.folder, base, image_processor)
            self.disk -= sum(p.stat().st_size for p in self.folder.glob("*.safetensors"))

    def __call__(self, images: Sequence[ImageInput]) -> Any:
        """The features of images in order, as ``mm_encoder_outputs["image"]`` of transformers."""
        if self.keeps != "features":
            if self.keeps == "nothing":
                self.encodings += len(images)
            return self._encode(stack_images([s.tensors for s in images])).output()
        new = self._together(images) if self.together else {}
        encoded = [new.get(seen.digest) or self._remembered(seen) for seen in images]
        pooled = [t for one in encoded for t in one.pooled]
        deep = [[t for one in encoded for t in one.deep[i]] for i in range(len(encoded[0].deep))]
        return ImageFeatures(pooled, deep, encoded[0].stacked, encoded[0].marks).output()

    def _together(self, images: Sequence[ImageInput]) -> dict[bytes, ImageFeatures]:
        """The features of images that are not known yet, those of one size by one run; others are left out."""
        alike: dict[tuple[object, ...], dict[bytes, ImageInput]] = {}
        for seen in images:
            if not self.holds(seen):
                alike.setdefault(_shape(seen.tensors), {})[seen.digest] = seen
        found: dict[bytes, ImageFeatures] = {}
        for group in alike.values():
            tensors = stack_images([seen.tensors for seen in group.values()])
            encoded = frozen(self.base, partial(self._encode, tensors)).apart(len(group))
            if encoded is not None:
                found |= zip(group, encoded, strict=True)
                self.encodings += len(group)
        for digest, encoded in found.items():
            self._keep(digest, encoded)
        return found

    def _keep(self, digest: bytes, encoded: ImageFeatures) -> None:
        """Remembers features as long as there is room."""
        if encoded.nbytes <= self.room:
            self.room -= encoded.nbytes
            self.known[digest] = encoded.alone() if self.together else encoded

    def _count(self) -> None:
        self.encodings += 1

    def _encode(self, tensors: dict[str, Tensor]) -> ImageFeatures:
        """One run of tower and projector."""
        family = family_of(self.base.config)
        if family.crossed:
            eyes = inspect.signature(self.base.model.vision_model.forward).parameters
            return ImageFeatures([crossed.features(self.base, **self._placed(tensors, eyes))], [], True)
        known = family.shares != "rows"  # others must name what they take themselves
        takes = inspect.signature((self.base.model if known else self.base).get_image_features).parameters
        found = self.base.model.get_image_features(**self._placed(tensors, takes), return_dict=True)
        pooled, deep = found.pooler_output, getattr(found, "deepstack_features", None) or []
        stacked = isinstance(pooled, Tensor)
        return ImageFeatures(
            [pooled] if stacked else list(pooled),
            [[layer] if isinstance(layer, Tensor) else list(layer) for layer in deep],
            stacked,
            getattr(found, "visual_indicator_features", None),
        )

    def _placed(self, tensors: dict[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
        """Those of the tensors that are named, where the model is and in what it computes in."""
        weight = next(self.base.parameters())
        placed = {k: v.to(weight.device) for k, v in tensors.items() if k in names}
        return {k: v.to(weight.dtype) if v.is_floating_point() else v for k, v in placed.items()}

    def holds(self, seen: ImageInput) -> bool:
        """Whether the features of an image are known, so that its pixels are not needed any more."""
        return seen.digest in self.known or seen.digest in self.stored

    def forget(self) -> None:
        """Lets go of everything and keeps nothing from now on: features of this model cannot be used apart from it."""
        if self.folder:
            LOG.warning("%s is not used: this model is run as a whole", self.folder)
        self.known, self.stored, self.folder, self.keeps = {}, set(), None, "nothing"
        if self.tower:
            self.tower.leave()
            self.tower = None

    @contextmanager
    def unremembered(self) -> Iterator[None]:
        """Lets the tower look at every image itself for a while, wherever it is called from."""
        if self.tower:
            self.tower.leave()
        try:
            yield
        finally:
            if self.tower:
                self.tower.enter()

    def _remembered(self, seen: ImageInput) -> ImageFeatures:
        key = seen.digest
        if key in self.known:
            return self.known[key]
        path = self.folder / f"{key.hex()}.safetensors" if self.folder else None
        encoded = _read(path, next(self.base.parameters()).device) if path and path.is_file() else None
        if encoded is None:
            if not seen.whole:
                raise ModelError(f"{path} was there and is gone or damaged: leave the folder alone while a run uses it")
            self.encodings += 1
            encoded = frozen(self.base, lambda: self._encode(seen.tensors))
        if path and (path.is_file() or self._write(path, encoded)):
            self.stored.add(key)
        self._keep(key, encoded)
        return encoded

    def _write(self, path: Path, encoded: ImageFeatures) -> bool:
        """Onto the disk, as long as there is room. What does not fit is computed anew in each run, and said so once."""
        if encoded.nbytes > self.disk:
            if self.disk >= 0:
                LOG.warning("%s is full; further features are computed anew in each run", path.parent)
            self.disk = -1
            return False
        self.disk -= encoded.nbytes
        tensors = {f"pooled.{i}": t for i, t in enumerate(encoded.pooled)}
        tensors |= {f"deep.{i}.{j}": t for i, layer in enumerate(encoded.deep) for j, t in enumerate(layer)}
        if encoded.marks is not None:
            tensors["marks"] = encoded.marks
        try:
            with files.whole(path, private=True) as partial:
                about = {"stacked": str(int(encoded.stacked))}
                save_file({k: t.contiguous() for k, t in tensors.items()}, partial, about)
        except files.WriteError as error:
            self.disk = -1
            LOG.warning("%s; further features are computed anew in each run", error)
            return False
        return True


def _shape(tensors: dict[str, Tensor]) -> tuple[object, ...]:
    """What must be the same for two images to be looked at by one run: sizes, and grids of patches."""
    small = {k: v.tolist() for k, v in tensors.items() if not v.is_floating_point() and v.dim() <= 2}
    return tuple((k, tuple(v.shape), v.dtype, str(small.get(k))) for k, v in sorted(tensors.items()))


def _read(path: Path, device: torch.device) -> ImageFeatures | None:
    """The features of a file; None, and the file is removed, if it is damaged."""
    from safetensors import safe_open

    try:
        tensors = load_file(path, device=str(device))
        with safe_open(path, "pt") as file:
            stacked = file.metadata()["stacked"] == "1"
    except SafetensorError as error:
        LOG.warning("%s is damaged (%s) and is made anew", path, error)
        path.unlink(missing_ok=True)
        return None
    layers = 1 + max((int(k.split(".")[1]) for k in tensors if k.startswith("deep.")), default=-1)
    pooled = [tensors[f"pooled.{i}"] for i in range(sum(k.startswith("pooled.") for k in tensors))]
    deep = [[tensors[f"deep.{i}.{j}"] for j in range(len(pooled))] for i in range(layers)]
    return ImageFeatures(pooled, deep, stacked, tensors.get("marks"))


def _claim(folder: Path, base: Any, image_processor: Any) -> None:
    """Makes the folder that of this tower, processor and dtype, or refuses it."""
    settings = json.dumps(image_processor.to_dict(), sort_keys=True, default=str)
    mine = {
        "tower": fingerprint(base, ("tower", "projector")),
        "processor": hashlib.sha256(settings.encode()).hexdigest()[:16],
        "dtype": str(next(base.parameters()).dtype),
    }
    about = folder / "features.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not about.is_file():
        provenance.write_json(about, mine)
    theirs = json.loads(about.read_text())
    if changed := sorted(k for k in mine if mine[k] != theirs.get(k)):
        raise ModelError(
            f"{folder} holds features of another {' and '.join(changed)}: name another folder or remove it"
        )


def remembered(base: Any, patches: float) -> int:
    """Bytes that ``Features`` keeps of a token of an image by what is trained of a model; 0 where it keeps nothing.

    ``patches`` of the tower make a token. The model needs no weights.
    """
    part_of = parts_of(base)
    vision: Any = getattr(base.config, "vision_config", None)
    trained = {part_of(name) for name, p in base.named_parameters() if p.requires_grad}
    size = next(base.parameters()).element_size()
    if not {"tower", "projector"} & trained:
        deep = getattr(vision, "deepstack_visual_indexes", None) or []
        states = patches + vision.max_num_tiles if family_of(base.config).crossed else 1  # a class token for each tile
        return int(base.config.get_text_config().hidden_size * size * (states + len(deep)))
    if "tower" in trained or (found := with_states(base)) is None:
        return 0
    return int(patches * vision.hidden_size * size * (2 if found[1] == -1 else 1))
