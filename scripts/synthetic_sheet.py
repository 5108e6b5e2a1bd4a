"""Draws the sheet of synthetic images that the README shows.

python -m studies.synthetic_sheet --out docs/figures/synthetic.jpg
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image, ImageDraw

from unveil.core.geometry import box_of_mask
from unveil.synthetic.dataset import MODALITIES


@dataclass(frozen=True)
class Config:
    """Draw the sheet: a row for each modality, normal on the left, then each abnormality in its box."""

    out: Path = Path("docs/figures/synthetic.jpg")
    """The picture."""
    seed: int = 11
    """Seed of the drawings."""
    size: int = 232
    """Width and height of a tile."""


def tile(modality: str, labels: list[str], rng: np.random.Generator, size: int) -> Image.Image:
    """One synthetic image with its boxes and names."""
    module = MODALITIES[modality]
    picture = module.draw(module.draw_anatomy(rng), labels, rng, 256)
    image = Image.fromarray(picture.pixels).resize((size, size), Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(image)
    for drawn in picture.findings:
        pen.rectangle([v * size / 256 for v in box_of_mask(drawn.mask)], outline=(255, 196, 61), width=2)
    caption = ", ".join(labels) or f"{modality}, normal"
    pen.rectangle((0, size - 17, 8 + 6.2 * len(caption), size), fill=(0, 0, 0))
    pen.text((4, size - 15), caption, fill=(255, 255, 255))
    return image


def main(config: Config) -> None:
    """Writes the sheet."""
    step = config.size + 4
    rows = [(name, [[], *([label] for label in module.ABNORMALITIES)]) for name, module in MODALITIES.items()]
    sheet = Image.new("RGB", (step * max(len(tiles) for _, tiles in rows), step * len(rows)), "white")
    for y, (modality, tiles) in enumerate(rows):
        for x, labels in enumerate(tiles):
            rng = np.random.default_rng([config.seed, y, x])
            sheet.paste(tile(modality, labels, rng, config.size), (x * step, y * step))
    sheet.save(config.out, quality=86)


if __name__ == "__main__":
    main(tyro.cli(Config))
