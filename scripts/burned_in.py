"""How often the gate finds letters drawn into images, how often it finds some where there are none, and what it costs.

python -m scripts.burned_in
"""

from __future__ import annotations

import io
import time
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont
from scipy.stats import binomtest

from unveil.gate.burned_in import read_image
from unveil.gate.ocr import OcrOptions, TimeLimit
from unveil.synthetic.dataset import MODALITIES

TEXTS = ("DOE JANE 12345", "SMITH^ANNA F", "ID 4815162", "born 1961-04-02")
NOBODY = ("PORTABLE", "AP SUPINE", "120 kV 200 mAs", "T2 TSE AX")


@dataclass(frozen=True)
class Config:
    """Draw synthetic images with and without letters and look for them as before an image leaves."""

    images: int = 6
    """Images of each modality."""
    sizes: tuple[int, ...] = (10, 14, 20)
    """Heights of letters in pixels."""
    angles: tuple[int, ...] = (0, 90, 180, 270, 15, -15)
    """Degrees by which letters are turned, by turns."""
    side: int = 512
    """Width and height of an image."""
    seed: int = 0
    """Seed of drawings, letters and places."""


def lettered(image: Image.Image, text: str, size: int, angle: int, rng: np.random.Generator) -> Image.Image:
    """The image with a light text in one of its corners, whatever lies below it."""
    font = ImageFont.load_default(size)
    mask = Image.new("L", (round(font.getlength(text)) + 8, 2 * size))
    ImageDraw.Draw(mask).text((4, size // 3), text, fill=255, font=font)
    mask = mask.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    image, side = image.copy(), image.width
    at = tuple(int(rng.choice([4, max(4, side - 4 - n)])) for n in mask.size)
    image.paste(int(rng.choice([230, 255])), (at[0], at[1]), mask)
    return image


def found(image: Image.Image) -> bool:
    out = io.BytesIO()
    image.save(out, "PNG")
    try:
        return bool(read_image(out.getvalue(), OcrOptions()).identifying)
    except TimeLimit:
        return True


def main(config: Config) -> None:
    rng = np.random.default_rng(config.seed)
    hits: dict[str, list[bool]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    turn = 0
    for module in MODALITIES.values():
        for i in range(config.images):
            labels = [module.ABNORMALITIES[i % len(module.ABNORMALITIES)]]
            picture = module.draw(module.draw_anatomy(rng), labels, rng, config.side)
            plain = Image.fromarray(picture.pixels).convert("L")
            shown = {"no letters": plain}
            for size in config.sizes:
                angle = config.angles[turn % len(config.angles)]
                shown[f"letters of {size} px"] = lettered(plain, str(rng.choice(TEXTS)), size, angle, rng)
                turn += 1
            shown["words that name nobody"] = lettered(plain, str(rng.choice(NOBODY)), config.sizes[-1], 0, rng)
            for what, image in shown.items():
                start = time.perf_counter()
                hits[what].append(found(image))
                seconds[what].append(time.perf_counter() - start)
    for what, seen in hits.items():
        share = binomtest(sum(seen), len(seen)).proportion_ci(method="exact")
        print(
            f"{what}: stopped {sum(seen)} of {len(seen)}, 95 % interval {share.low:.2f} to {share.high:.2f}; "
            f"{np.mean(seconds[what]):.1f} s an image, {max(seconds[what]):.1f} s at most"
        )


if __name__ == "__main__":
    main(tyro.cli(Config))
