"""Letters as masks (float32, 0 to 1, cropped to the ink), and where they are put.

A size is the font's, in pixels: capitals are about 0.7 of it. The halves use other fonts. DejaVu and Liberation are
Debian's `fonts-dejavu` and `fonts-liberation`; no font of theirs has Chinese, so the corpus has none. Arabic is put
into its joined forms here, since Pillow's own layout knows none.
"""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter, map_coordinates

from scripts.gate_corpus.pictures_grounds import Rng, clouds

FOLDER = Path("/usr/share/fonts/truetype")
PILLOW, BITMAP = "Pillow", "Pillow's bitmap"
FONTS = {
    "open": (
        *("dejavu/DejaVuSans", "liberation/LiberationSans-Regular", "dejavu/DejaVuSansMono", "dejavu/DejaVuSans-Bold"),
        *("liberation/LiberationSansNarrow-Bold", PILLOW, "liberation/LiberationSerif-Regular"),
        *("dejavu/DejaVuSerifCondensed-Bold", "liberation/LiberationMono-Bold"),
    ),
    "held": (
        *("liberation/LiberationSans-Bold", "dejavu/DejaVuSansCondensed", "liberation/LiberationMono-Regular", BITMAP),
        *("dejavu/DejaVuSansCondensed-Bold", "liberation/LiberationSansNarrow-Regular", "dejavu/DejaVuSerif"),
        *("dejavu/DejaVuSansMono-Bold", "liberation/LiberationSerif-Bold"),
    ),
}
SLANTED = {"open": "liberation/LiberationSerif-Italic", "held": "dejavu/DejaVuSerifCondensed-Italic"}
BEYOND_LATIN = {"open": "dejavu/DejaVuSans", "held": "dejavu/DejaVuSansCondensed-Bold"}


@lru_cache(256)
def _font(face: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if face == BITMAP:
        return ImageFont.load_default_imagefont()
    if face == PILLOW:
        return ImageFont.load_default(size)
    path = FOLDER / f"{face}.ttf"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; install fonts-dejavu and fonts-liberation")
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def ink(
    lines: Sequence[str], face: str, size: int, *, spread: float = 0, leading: float = 1.25, hard: bool = False
) -> np.ndarray:
    """The lines' mask. `spread` pixels lie between letters; `hard` letters have no grey edge."""
    font = _font(face, size)
    scale = max(1, round(size / 11)) if face == BITMAP else 1
    pitch = round((11 if face == BITMAP else size) * leading)
    widths = [sum(font.getlength(letter) + spread for letter in line) for line in lines]
    image = Image.new("L", (int(max(widths)) + 2 * size + 8, pitch * (len(lines) + 1) + 4))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1" if hard else "L"
    for turn, line in enumerate(lines):
        if not spread:
            draw.text((size // 2, turn * pitch + 2), line, fill=255, font=font)
            continue
        left = size / 2
        for letter in line:
            draw.text((left, turn * pitch + 2), letter, fill=255, font=font)
            left += font.getlength(letter) + spread
    mask = np.asarray(image, np.float32) / 255
    return cropped(mask.repeat(scale, 0).repeat(scale, 1))


def cropped(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.max(1) > 0.05), np.flatnonzero(mask.max(0) > 0.05)
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def fitting(lines: Sequence[str], face: str, size: int, height: int, width: int, **how: float) -> np.ndarray:
    """As `ink`; what is too wide is broken at a space, and if that does not help, drawn smaller."""
    parts = list(lines)
    while True:
        mask = ink(parts, face, size, **how)  # type: ignore[arg-type]
        if mask.shape[0] <= height and mask.shape[1] <= width:
            return mask
        longest = max(range(len(parts)), key=lambda place: len(parts[place]))
        words = parts[longest].split(" ")
        if mask.shape[1] > width and len(words) > 1 and len(parts) < 2 * len(lines):
            half = (len(words) + 1) // 2
            parts[longest : longest + 1] = [" ".join(words[:half]), " ".join(words[half:])]
        elif size > 8:
            size -= 1
        else:
            raise ValueError(f"{list(lines)} do not fit into {height} x {width} pixels")


def turned(mask: np.ndarray, degrees: float) -> np.ndarray:
    """Against the clock; by right angles without loss."""
    if degrees % 90 == 0:
        return np.rot90(mask, int(degrees // 90))
    image = Image.fromarray(np.pad(mask, 2)).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    return cropped(np.clip(np.asarray(image), 0, 1))


def put(
    picture: np.ndarray, mask: np.ndarray, top: int, left: int, level: float | Sequence[float], alpha: float = 1
) -> None:
    """Lay the level over the picture, in place; the mask must lie inside."""
    height, width = mask.shape
    ground = picture[top : top + height, left : left + width]
    if ground.shape[:2] != mask.shape:
        raise ValueError(f"a mask of {mask.shape} at {top}, {left} leaves the picture of {picture.shape}")
    cover = (mask * alpha).reshape(*mask.shape, *[1] * (picture.ndim - 2))
    ground += cover * (np.asarray(level, np.float32) - ground)


def spot(rng: Rng, picture: np.ndarray, mask: np.ndarray, where: str) -> tuple[int, int]:
    """Top and left for a mask: in a "corner", on an "edge", "anywhere", or where the ground is "dark" or "bright"."""
    rest = (picture.shape[0] - mask.shape[0], picture.shape[1] - mask.shape[1])
    if min(rest) < 0:
        raise ValueError(f"a mask of {mask.shape} does not fit into {picture.shape}")
    rim = [min(side // 2, int(rng.integers(2, 12))) for side in rest]
    ends = [(rim[axis], rest[axis] - rim[axis]) for axis in (0, 1)]
    free = [int(rng.integers(rim[axis], rest[axis] - rim[axis] + 1)) for axis in (0, 1)]
    if where == "corner":
        return ends[0][int(rng.integers(2))], ends[1][int(rng.integers(2))]
    if where == "edge":
        along = int(rng.integers(2))
        free[along] = ends[along][int(rng.integers(2))]
        return free[0], free[1]
    if where == "anywhere":
        return free[0], free[1]
    tries = rng.integers((0, 0), (rest[0] + 1, rest[1] + 1), size=(40, 2))

    def brightness(place: np.ndarray) -> float:
        """Of the part of the ground that serves the letters least."""
        top, left = place
        ground = picture[top : top + mask.shape[0], left : left + mask.shape[1]]
        parts = [part.mean() for half in np.array_split(ground, 2) for part in np.array_split(half, 6, axis=1)]
        return float(max(parts) if where == "dark" else min(parts))

    best = (min if where == "dark" else max)(tries, key=brightness)
    return int(best[0]), int(best[1])


# handwriting

_TABLE = """
A=062046_1434 B=0006_0030413303_033344453606 C=4130100105163645 D=0006_003041453606 E=40000646_0333
F=400006_0333 G=41301001051636454323 H=0006_4046_0343 I=2026 J=4045361605 K=0006_400346 L=000646 M=0600234046
N=06004640 O=100105163645413010 P=06003041423303 Q=100105163645413010_2446 R=06003041423303_2346
S=413010010213334445361605 T=0040_2026 U=000516364540 V=002640 W=0016233640 X=0046_4006 Y=002340_2326 Z=00400646
0=100105163645413010 1=112026 2=01103041420646 3=004023334445361605 4=36300444 5=4000033344453606
6=30110305163645443304 7=004016 8=103041423313020110_1304051636454433 9=16354341301001021342 .=25263626 /=4006
-=1333 ,=252617
"""
"""Letter = strokes of points, x from 0 to 4 and y from 0 to 6, downwards."""
_STROKES = dict(part.split("=") for part in _TABLE.split())


def penned(rng: Rng, line: str, size: int, pen: float, unrest: float) -> np.ndarray:
    """Capitals drawn stroke by stroke, each with jitter of its own; `unrest` in units of a sixth of the height."""
    unit, fine = size / 6, 3  # drawn three times as large
    slant, left, strokes = rng.normal(0.12, 0.1), 1.5, []
    for letter in line:
        if letter != " ":
            drift, grow = rng.normal(0, unrest, 2) * (0.6, 0.25)
            for stroke in _STROKES[letter].split("_"):
                points = np.array([(float(x), float(y)) for x, y in zip(stroke[::2], stroke[1::2], strict=True)])
                points += rng.normal(0, unrest * 0.7, points.shape)
                points = _rounded(points * (1 + grow * 0.3)) + np.array((left + 1, 2 + drift))
                points[:, 0] += slant * (6 - points[:, 1])
                strokes.append(points * unit * fine)
        left += (2.6 if letter in "I.,1/ " else 5.2) + rng.normal(0, unrest)
    image = Image.new("L", (int((left + 6) * unit * fine), int(11 * unit * fine)))
    draw = ImageDraw.Draw(image)
    thick = max(1, round(pen * fine))
    for points in strokes:
        draw.line([(float(x), float(y)) for x, y in points], fill=255, width=thick, joint="curve")
    smaller = image.resize((image.width // fine, image.height // fine), Image.Resampling.BOX)
    return cropped(np.asarray(smaller, np.float32) / 255)


def _rounded(points: np.ndarray) -> np.ndarray:
    """Corners cut twice (Chaikin 1974)."""
    for _ in range(2):
        cut = np.stack([0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]], 1)
        points = np.concatenate([points[:1], cut.reshape(-1, 2), points[-1:]])
    return points


def warped(rng: Rng, mask: np.ndarray, strength: float) -> np.ndarray:
    """Bent as by a hand, smoothly; `strength` in pixels."""
    rim = int(3 * strength) + 2
    padded = np.pad(mask, rim)
    rows, columns = np.mgrid[: padded.shape[0], : padded.shape[1]].astype(np.float32)
    cells = max(4.0, 2 * max(mask.shape) / mask.shape[0])
    bends = [strength * np.clip(clouds(rng, padded.shape[0], padded.shape[1], cells), -2.5, 2.5) for _ in range(2)]
    return cropped(np.clip(map_coordinates(padded, [rows + bends[0], columns + bends[1]], order=1), 0, 1))


def blurred(mask: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter(np.pad(mask, int(3 * sigma) + 1), sigma)


# Arabic


@lru_cache(1)
def _forms() -> dict[tuple[str, str], str]:
    """(letter, "isolated" | "initial" | "medial" | "final"): the character that has this form."""
    forms = {}
    for code in range(0xFE80, 0xFEFD):
        kind, *letters = unicodedata.decomposition(chr(code)).split()
        if len(letters) == 1:
            forms[chr(int(letters[0], 16)), kind.strip("<>")] = chr(code)
    return forms


def joined(text: str) -> str:
    """Arabic in its joined forms and from left to right, as a layout without shaping must be given it."""
    forms = _forms()
    shaped = []
    for place, letter in enumerate(text):
        before = place > 0 and (text[place - 1], "initial") in forms
        after = (letter, "initial") in forms and place + 1 < len(text) and (text[place + 1], "final") in forms
        before = before and (letter, "final") in forms
        kind = ("medial" if after else "final") if before else ("initial" if after else "isolated")
        shaped.append(forms.get((letter, kind), letter))
    return "".join(reversed(shaped))
