"""Writes the corpus: ``texts.jsonl`` and the pictures."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from scripts.gate_corpus.rows import rows


@dataclass(frozen=True)
class Config:
    """Write the corpus that measures the privacy gate."""

    out: Path
    """Folder for texts.jsonl and the pictures."""
    seed: int = 0
    """Chooses names and numbers; the sentences around them stay."""


def main(config: Config) -> None:
    """Writes the texts and the pictures, and says how many texts there are of each group."""
    from scripts.gate_corpus import pictures

    config.out.mkdir(parents=True, exist_ok=True)
    made = rows(config.seed)
    lines = (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in made)
    (config.out / "texts.jsonl").write_text("".join(lines), encoding="utf-8")
    for (half, group), count in sorted(Counter((row.half, row.group) for row in made).items()):
        print(f"{half:6} {group:10} {count:5}")
    pictures.write(config.out, config.seed)


if __name__ == "__main__":
    main(tyro.cli(Config))
