"""Pictures for measuring the privacy gate: with somebody's data drawn into them, and without.

`python -m scripts.gate_corpus.pictures FOLDER` writes `images/` and `images.jsonl`. Each picture has a half: "open"
ones may be looked at by those who write rules, "held" ones only by the measurement. The halves differ in words, fonts,
grounds and parameters; some kinds stand in one half alone. The kinds were chosen before any rule, from what comes
out of hospitals: consoles, films, stickers, screens. No font here has Chinese letters, so none are drawn.
"""

import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.gate_corpus.pictures_files import Drawn
from scripts.gate_corpus.pictures_kinds import Kind, Task, vocabulary_of
from scripts.gate_corpus.pictures_nobody import NOBODY
from scripts.gate_corpus.pictures_printed import PRINTED
from scripts.gate_corpus.pictures_single import SINGLE
from scripts.gate_corpus.pictures_things import THINGS

HALVES = ("open", "held")


@dataclass(frozen=True)
class Picture:
    """A picture that is known but not drawn yet."""

    kind: str
    identifying: bool
    task: Task
    _kind: Kind

    def draw(self) -> Drawn:
        """Once only: it uses up the task's random numbers."""
        return self._kind.draw(self.task)


def all_pictures(seed: int) -> Iterator[Picture]:
    """Every picture of the corpus, in order of kind. One picture's random numbers are its own."""
    number = 0
    for kinds, identifying in ((PRINTED, True), (THINGS, True), (SINGLE, True), (NOBODY, False)):
        for kind in kinds:
            for half, count in zip(HALVES, (kind.open, kind.held), strict=True):
                for turn in range(count):
                    rng = np.random.default_rng([seed, zlib.crc32(f"{half} {kind.name} {turn}".encode())])
                    lines = kind.words(vocabulary_of(half), rng, turn)
                    yield Picture(kind.name, identifying, Task(half, turn, rng, lines, f"picture-{number:04}"), kind)
                    number += 1


def write(folder: Path, seed: int) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (folder / "images.jsonl").open("w", encoding="utf-8") as rows:
        for picture in all_pictures(seed):
            drawn = picture.draw()
            name = f"images/{picture.task.name}.{drawn.ending}"
            (folder / name).write_bytes(drawn.content)
            row = {
                "id": picture.task.name,
                "half": picture.task.half,
                "file": name,
                "kind": picture.kind,
                "modality": drawn.modality,
                "identifying": picture.identifying,
                "words": list(picture.task.lines),
            }
            rows.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
