"""How often the gate finds letters burned into drawn images, and how often it finds some where there are none.

python -m studies.burned_in
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont
from scipy.stats import binomtest

from unveil.gate.burned_in import read_pixels
from unveil.ingest.phantom import MODALITIES

TEXTS = ("DOE JANE 12345", "SMITH^ANNA F", "ID 4815162", "born 1961-04-02")


@dataclass(frozen=True)
class Config:
    """Draw phantoms with and without letters and look for them as before an image leaves."""

    images: int = 6
    """Images of each modality."""
    sizes: tuple[int, ...] = (10, 14, 20)
    """Heights of letters in pixels."""
    side: int = 512
    """Width and height of an image."""
    seed: int = 0
    """Seed of drawings, letters and places."""


def lettered(image: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """The image with a light text in one of its corners, whatever lies below it."""
    image, side = image.copy(), image.width
    text, pen = str(rng.choice(TEXTS)), ImageDraw.Draw(image)
    font = ImageFont.load_default(size)
    width = round(pen.textlength(text, font=font))
    at = (int(rng.choice([8, side - 8 - width])), int(rng.choice([8, side - 8 - 2 * size])))
    pen.text(at, text, fill=int(rng.choice([230, 255])), font=font)
    return image


def found(image: Image.Image) -> bool:
    out = io.BytesIO()
    image.save(out, "PNG")
    return read_pixels(out.getvalue())


def main(config: Config) -> None:
    rng = np.random.default_rng(config.seed)
    hits: dict[int, list[bool]] = {size: [] for size in (0, *config.sizes)}
    for module in MODALITIES.values():
        for i in range(config.images):
            labels = [module.ABNORMALITIES[i % len(module.ABNORMALITIES)]]
            picture = module.draw(module.draw_anatomy(rng), labels, rng, config.side)
            plain = Image.fromarray(picture.pixels).convert("L")
            for size, seen in hits.items():
                seen.append(found(lettered(plain, size, rng) if size else plain))
    for size, seen in hits.items():
        share = binomtest(sum(seen), len(seen)).proportion_ci(method="exact")
        what = f"letters of {size} px" if size else "no letters"
        print(f"{what}: found in {sum(seen)} of {len(seen)}, 95 % interval {share.low:.2f} to {share.high:.2f}")


if __name__ == "__main__":
    main(tyro.cli(Config))
