"""Rows for the loop. Each image is decoded and processed once, by worker processes, before it is needed."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from unveil.encoding import Chat, Encoded, ModelError, Seen
from unveil.pixels import ImageError
from unveil.records import Dialogue, image_path
from unveil.train import loop
from unveil.train.adapt import Options
from unveil.train.engine import Scorer, whole

Batch = TypeVar("Batch", bound=Sequence[Any])


class Stream:
    """Turns batches into encoded rows, in order and without end if the batches have none.

    An image is decoded and processed by one of ``workers`` processes ahead of its first batch (by this process if there
    are none) and kept. Where tower and projector are frozen, its pixels are let go once its features are known
    (``features``). Pixels that are needed again and again stay up to ``cache_mb``; what finds no room then is decoded
    anew for each batch. Raises ``ImageError``, ``ModelError`` and ``TrainingError`` with the id of the row that cannot
    be used.
    """

    def __init__(self, scorer: Scorer, file: Path, config: Options):
        self.chat, self.features, self.file = scorer.chat, scorer.features, file
        on_gpu = next(scorer.parameters()).device.type == "cuda"
        usual = min(4, os.cpu_count() or 1) if on_gpu else 0
        self.workers = usual if config.workers is None else config.workers
        self.room = config.cache_mb * 2**20
        self.late = config.accumulate
        context = getattr(whole(scorer.model).config.get_text_config(), "max_position_embeddings", None)
        self.limit = config.max_length or min((n for n in (self.chat.longest, context) if n), default=None)
        self.kept: dict[Path, Seen] = {}

    def __call__(
        self, batches: Iterable[Batch], dialogues: Callable[[Batch], Sequence[Dialogue]] = list
    ) -> Iterator[tuple[Batch, list[Encoded]]]:
        """Each batch with the rows of its ``dialogues``."""
        planned: deque[tuple[Batch, list[Dialogue]]] = deque()
        needed: Counter[Path] = Counter()  # by how many batches that are planned or not settled
        arrived: dict[Path, Seen | ValueError] = {}
        unsettled: deque[list[Path]] = deque()

        def wanted() -> Iterator[list[Path]]:
            for batch in batches:
                asked = list(dialogues(batch))
                paths = self._paths(asked)
                new = [path for path in paths if path not in self.kept and not needed[path]]
                needed.update(paths)
                planned.append((batch, asked))
                yield new

        def settle(paths: list[Path]) -> None:
            for path in paths:
                needed[path] -= 1
                self._settle(path, arrived)
                if path in self.kept or not needed[path]:
                    arrived.pop(path, None)

        all_known = isinstance(batches, Sequence) and all(
            path in self.kept for batch in batches for path in self._paths(dialogues(batch))
        )
        for found in _loader(self.chat, wanted(), 0 if all_known else self.workers):
            arrived.update(found)
            batch, asked = planned.popleft()
            yield batch, loop.fitting([self._row(d, arrived) for d in asked], self.limit)
            unsettled.append(self._paths(asked))
            if len(unsettled) == self.late:  # an update fetches so many batches before it uses the first
                settle(unsettled.popleft())
        while unsettled:
            settle(unsettled.popleft())

    def _paths(self, dialogues: Sequence[Dialogue]) -> list[Path]:
        return list(dict.fromkeys(image_path(d, self.file) for d in dialogues))

    def _row(self, dialogue: Dialogue, arrived: dict[Path, Seen | ValueError]) -> Encoded:
        path = image_path(dialogue, self.file)
        seen = self.kept.get(path) or arrived[path]
        if isinstance(seen, ValueError):
            raise type(seen)(f"{dialogue.id}: {seen}") from seen
        return self.chat.encode(dialogue, seen, with_answer=True)

    def _settle(self, path: Path, arrived: dict[Path, Any]) -> None:
        """Keeps an image after its batch: without pixels if its features are held, with them while there is room."""
        seen = self.kept.get(path) or arrived[path]
        if not seen.whole:
            return
        if self.features.holds(seen):
            self.room += seen.nbytes if path in self.kept else 0
            self.kept[path] = seen.light()
        elif path not in self.kept and seen.nbytes <= self.room:
            self.room -= seen.nbytes
            self.kept[path] = seen


@dataclass(frozen=True)
class _Images(Dataset):
    """Images by their path, as the model sees them, or the error that they end in."""

    chat: Chat

    def __getitem__(self, path: Path) -> tuple[Path, Seen | ValueError]:
        try:
            seen = self.chat.see(path)
        except (ImageError, ModelError) as error:
            return path, error
        except ValueError as error:  # a processor's own, which does not know the file
            return path, ModelError(f"{path}: {error}")
        seen.digest  # noqa: B018 - computed here, not by the process that trains
        return path, seen


def _loader(chat: Chat, paths: Iterator[list[Path]], workers: int) -> Iterable[list[tuple[Path, Seen | ValueError]]]:
    """The images of each list of paths, list after list; the lists are asked for some way ahead."""
    own = torch.Generator().manual_seed(0)  # else it draws from the one that dropout uses
    return DataLoader(_Images(chat), batch_sampler=paths, collate_fn=list, num_workers=workers, generator=own)  # type: ignore[arg-type]
