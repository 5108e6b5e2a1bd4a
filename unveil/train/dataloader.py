"""Rows for the loop. Each image is decoded and processed once, by worker processes, before it is needed."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from unveil.core.box_formats import View
from unveil.core.lesion_noise import Noise
from unveil.core.pixels import ImageError
from unveil.core.records import Dialogue, image_path
from unveil.core.workers import end_with_parent
from unveil.train import loop
from unveil.train.options import RecipeOptions
from unveil.vlm.chat import Chat
from unveil.vlm.families import ModelError
from unveil.vlm.inputs import EncodedExample, ImageInput
from unveil.vlm.scorer import Scorer, whole

Batch = TypeVar("Batch", bound=Sequence[Any])
LIGHT = 1024
"""Bytes of an image that is kept without pixels, its tensors apart: its name and what holds it together (measured)."""

ID = 48
"""Bytes of an id, or a type, in what images of one size share: the number, and its places in two lists (measured)."""


@dataclass(frozen=True)
class Key:
    """A picture: a file, and what is hidden in it. Noise is known by the hash of what it makes."""

    path: Path
    noise: Noise | None = field(default=None, compare=False)
    made: str = ""


class Stream:
    """Turns batches into encoded rows, in order and without end if the batches have none.

    An image is decoded and processed by one of ``workers`` processes ahead of its first batch (by this process if there
    are none) and kept. Where tower and projector are frozen, its pixels are let go once its features are known
    (``features``); what is left of it is kept, and counted. Pixels that are needed again and again stay up to
    ``cache_mb``; what finds no room then is decoded anew for each batch. Raises ``ImageError``, ``ModelError`` and
    ``TrainingError`` with the id of the row that cannot be used.
    """

    def __init__(self, scorer: Scorer, file: Path, config: RecipeOptions):
        self.chat, self.features, self.file = scorer.chat, scorer.features, file
        on_gpu = next(scorer.parameters()).device.type == "cuda"
        usual = min(4, os.cpu_count() or 1) if on_gpu else 0
        self.workers = usual if config.workers is None else config.workers
        self.room = config.cache_mb * 2**20
        self.late = config.accumulate
        context = getattr(whole(scorer.model).config.get_text_config(), "max_position_embeddings", None)
        self.limit = config.max_length or min((n for n in (self.chat.longest, context) if n), default=None)
        self.kept: dict[Key, ImageInput] = {}
        self.layouts: dict[Any, ImageInput] = {}
        self.views: dict[View, View] = {}

    def __call__(
        self, batches: Iterable[Batch], dialogues: Callable[[Batch], Sequence[Dialogue]] = list
    ) -> Iterator[tuple[Batch, list[EncodedExample]]]:
        """Each batch with the rows of its ``dialogues``."""
        planned: deque[tuple[Batch, list[Dialogue]]] = deque()
        needed: Counter[Key] = Counter()  # by how many batches that are planned or not settled
        arrived: dict[Key, ImageInput | ValueError] = {}
        unsettled: deque[list[Key]] = deque()

        def wanted() -> Iterator[list[Key]]:
            for batch in batches:
                asked = list(dialogues(batch))
                keys = self._keys(asked)
                new = [key for key in keys if key not in self.kept and not needed[key]]
                needed.update(keys)
                planned.append((batch, asked))
                yield new

        def settle(keys: list[Key]) -> None:
            for key in keys:
                needed[key] -= 1
                self._settle(key, arrived)
                if key in self.kept or not needed[key]:
                    arrived.pop(key, None)

        all_known = isinstance(batches, Sequence) and all(
            key in self.kept for batch in batches for key in self._keys(dialogues(batch))
        )
        for found in _loader(self.chat, wanted(), 0 if all_known else self.workers):
            arrived.update(found)
            batch, asked = planned.popleft()
            yield batch, loop.fitting([self._row(d, arrived) for d in asked], self.limit)
            unsettled.append(self._keys(asked))
            if len(unsettled) == self.late:  # an update fetches so many batches before it uses the first
                settle(unsettled.popleft())
        while unsettled:
            settle(unsettled.popleft())

    def first(self, dialogues: Sequence[Dialogue]) -> list[EncodedExample]:
        """The row of the first dialogue, and that of the first one on another image, outside of the stream."""
        other = next((d for d in dialogues if d.image != dialogues[0].image), None)
        chosen = dialogues[:1] if other is None else [dialogues[0], other]
        rows = [self.chat.encode(d, image_path(d, self.file), with_answer=True) for d in chosen]
        return loop.fitting(rows, self.limit)

    def _key(self, dialogue: Dialogue) -> Key:
        noise = dialogue.noise
        return Key(image_path(dialogue, self.file), noise, noise.sha256 if noise else "")

    def _keys(self, dialogues: Sequence[Dialogue]) -> list[Key]:
        return list(dict.fromkeys(map(self._key, dialogues)))

    def _row(self, dialogue: Dialogue, arrived: dict[Key, ImageInput | ValueError]) -> EncodedExample:
        key = self._key(dialogue)
        seen = self.kept.get(key) or arrived[key]
        if isinstance(seen, ValueError):
            raise type(seen)(f"{dialogue.id}: {seen}") from seen
        return self.chat.encode(dialogue, seen, with_answer=True)

    def _settle(self, key: Key, arrived: dict[Key, Any]) -> None:
        """Keeps an image after its batch: without pixels if its features are held, with them while there is room."""
        seen = self.kept.get(key) or arrived[key]
        if not seen.whole:
            return
        if self.features.holds(seen):
            self.room += seen.nbytes if key in self.kept else 0
            self.kept[key] = light = self._shared(seen.light())
            self.room -= light.nbytes + LIGHT
        elif key not in self.kept and seen.nbytes <= self.room:
            self.room -= seen.nbytes
            self.kept[key] = seen

    def _shared(self, light: ImageInput) -> ImageInput:
        """The same with the text, ids and view of the first image that has equal ones, as all of one size have."""
        layout = light.text, tuple(light.block), tuple((key, tuple(ids)) for key, ids in light.types.items())
        first = self.layouts.setdefault(layout, light)
        if first is light:
            self.room -= len(light.text) + ID * (len(light.block) + sum(map(len, light.types.values())))
        view = self.views.setdefault(light.view, light.view)
        return replace(light, text=first.text, block=first.block, types=first.types, view=view)


@dataclass(frozen=True)
class _Images(Dataset[tuple[Key, ImageInput | ValueError]]):
    """Pictures as the model sees them, or the errors that they end in."""

    chat: Chat

    def __getitem__(self, key: Key) -> tuple[Key, ImageInput | ValueError]:
        try:
            seen = self.chat.read_image(key.path, key.noise)
        except (ImageError, ModelError) as error:
            return key, error
        seen.digest  # noqa: B018 - computed here, not by the process that trains
        return key, seen


def _loader(chat: Chat, keys: Iterator[list[Key]], workers: int) -> Iterable[list[tuple[Key, ImageInput | ValueError]]]:
    """The pictures of each list, list after list; the lists are asked for some way ahead."""
    own = torch.Generator().manual_seed(0)  # else it draws from the one that dropout uses
    many = {"num_workers": workers, "worker_init_fn": end_with_parent}
    return DataLoader(_Images(chat), batch_sampler=keys, collate_fn=list, generator=own, **many)  # type: ignore[arg-type]
