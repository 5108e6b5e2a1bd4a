"""Pictures that identify somebody: letters that a machine printed onto them."""

from collections.abc import Callable, Sequence

import numpy as np

from scripts.gate_corpus.pictures_files import Drawn, dicom, jpeg
from scripts.gate_corpus.pictures_grounds import (
    GREY,
    MODALITY,
    Ground,
    abdomen,
    black,
    bone,
    chest,
    head,
    linear,
    mucosa,
    noisy,
    sector,
    speckled,
)
from scripts.gate_corpus.pictures_kinds import Kind, Task, forms, lettered, plain, text
from scripts.gate_corpus.pictures_letters import (
    BEYOND_LATIN,
    blurred,
    fitting,
    ink,
    joined,
    put,
    spot,
    turned,
)


def sized(opened: Sequence[int], held: Sequence[int]) -> Callable[[Task], Drawn]:
    """White letters of these sizes in a corner of a scan of 512 pixels."""

    def draw(task: Task) -> Drawn:
        ground = task.scan()
        return plain(task, lettered(task, ground, 512, task.of(opened, held)), ground)

    return draw


def shaded(task: Task) -> Drawn:
    level = task.of((40, 55, 75, 100, 130, 165, 200), (45, 60, 85, 110, 145, 180, 195))
    picture = lettered(task, black, 384, task.of((18, 14, 22), (16, 24, 20)), level=level, where="anywhere")
    return plain(task, picture)


def on_white(task: Task) -> Drawn:
    def paper(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        return noisy(rng, np.full((height, width), float(rng.integers(225, 256)), np.float32), task.of((0, 3), (2, 0)))

    size = task.of((13, 18, 26, 36), (11, 16, 22, 40))
    return plain(task, lettered(task, paper, (300, 480), size, level=task.of((0, 30), (15, 60)), where="anywhere"))


def coloured(task: Task) -> Drawn:
    level = task.of(
        ((255, 220, 0), (0, 255, 0), (255, 80, 60), (80, 200, 255)),
        ((255, 160, 0), (0, 220, 220), (255, 120, 200), (150, 255, 120)),
    )
    ground = task.of((mucosa, sector), (mucosa, linear))

    def in_colour(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        picture = ground(rng, height, width)
        return picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)

    picture = lettered(task, in_colour, (432, 576), task.of((14, 18, 24), (16, 20, 13)), level=level)
    return plain(task, picture, ground)


def faint(task: Task) -> Drawn:
    base = task.of((0, 40, 90, 128, 180, 225), (12, 60, 105, 150, 200, 240))
    contrast = task.of((30, 3, 22, 6, 15, 10), (26, 4, 18, 5, 12, 8))
    level = base - contrast if base > 130 else base + contrast

    def flat(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        return np.full((height, width), float(base), np.float32)

    size = task.of((18, 24, 16), (20, 15, 28))
    return plain(task, lettered(task, flat, 320, size, level=level, where="anywhere"))


def over_light(task: Task) -> Drawn:
    ground = task.scan()
    picture = lettered(task, ground, 512, task.of((16, 22, 14, 30), (18, 13, 26, 20)), level=255, where="anywhere")
    return plain(task, picture, ground)


def over_dark(task: Task) -> Drawn:
    ground = task.scan()
    level = task.of((0, 12), (6, 0))
    size = task.of((18, 24, 15, 20), (22, 17, 28, 14)) + (8 if MODALITY[ground] == "US" else 0)
    picture = lettered(task, ground, 512, size, level=level, where="bright")
    return plain(task, picture, ground)


def over_speckle(task: Task) -> Drawn:
    level = task.of((255, 235, 0, 255), (245, 255, 255, 0))
    size = task.of((20, 28, 30, 18), (22, 18, 26, 34))
    where = "anywhere" if level else "bright"
    return plain(task, lettered(task, speckled, (400, 480), size, level=level, where=where), speckled)


def boxed(task: Task) -> Drawn:
    ground = task.scan()
    picture = ground(task.rng, 448, 448)
    mask = text(task, task.of((14, 20, 16, 24), (13, 18, 22, 15)), 448, 400)
    rim = int(task.rng.integers(4, 10))
    frame = np.ones((mask.shape[0] + 2 * rim, mask.shape[1] + 2 * rim), np.float32)
    top, left = spot(task.rng, picture, frame, task.of(("edge", "anywhere"), ("corner", "anywhere")))
    paper, pen = task.of(((0, 255), (255, 0), (70, 230), (200, 20)), ((255, 10), (0, 220), (110, 255), (30, 160)))
    put(picture, frame, top, left, paper)
    if task.turn % 2:
        edges = frame.copy()
        edges[1:-1, 1:-1] = 0
        put(picture, edges, top, left, pen)
    put(picture, mask, top + rim, left + rim, pen)
    return plain(task, picture, ground)


def turning(opened: Sequence[float], held: Sequence[float]) -> Callable[[Task], Drawn]:
    def draw(task: Task) -> Drawn:
        degrees = task.of(opened, held)
        ground = task.of((black, *GREY["open"]), (black, *GREY["held"]))
        size = task.of((18, 14, 24), (16, 22, 13))
        where = task.of(("edge", "anywhere", "edge"), ("anywhere", "edge", "anywhere"))
        picture = lettered(task, ground, 480, size, where=where, change=lambda mask: turned(mask, degrees))
        return plain(task, picture, ground)

    return draw


Sides = tuple[tuple[int, int], ...]


def framed(sides: Sides, others: Sides, sizes: Sequence[int]) -> Callable[[Task], Drawn]:
    """Pictures of these heights and widths."""

    def draw(task: Task) -> Drawn:
        ground = task.scan()
        return plain(task, lettered(task, ground, task.of(sides, others), task.of(sizes, sizes[::-1])), ground)

    return draw


def spaced(task: Task) -> Drawn:
    size = task.of((16, 20, 14), (18, 13, 22))
    wide = size * task.of((0.5, 0.9, 1.3), (0.7, 1.1, 0.4))
    ground = task.of((black, chest), (bone, black))
    return plain(task, lettered(task, ground, 512, size, where="edge", spread=wide), ground)


def header(task: Task) -> Drawn:
    """The lines at the top of an ultrasound picture, on its own black or on a bar."""
    ground = task.of((sector, speckled), (linear, sector))
    picture = ground(task.rng, 480, 640)
    size = task.of((13, 15, 11, 17), (12, 16, 14, 11))
    mask = fitting(task.lines, task.face(), size, 200, 600)
    strip = mask.shape[0] + 16
    if ground is speckled or task.turn % 2:
        picture[:strip] = task.of((0, 36, 200), (18, 60, 0))
    level = 20 if picture[2, 2] > 120 else task.of((230, 255), (200, 245))
    put(picture, mask, 8, task.of((8, 20), (12, 28)), level)
    return plain(task, picture, ground)


def console(task: Task) -> Drawn:
    """Lines in all four corners, as a scanner's console lays them over."""
    ground = task.of((head, chest, head, GREY["open"][3]), (abdomen, bone, abdomen, GREY["held"][3]))
    picture = ground(task.rng, 512, 512)
    face, size = task.face(), task.of((12, 14, 10, 13), (13, 11, 15, 12))
    rest = len(task.lines) - 3
    parts = [task.lines[:3], task.lines[3 : 3 + rest // 3], task.lines[3 + rest // 3 : 3 + 2 * rest // 3]]
    parts.append(task.lines[3 + 2 * rest // 3 :])
    for corner, part in enumerate(parts):
        mask = ink(part, face, size)
        top = 6 if corner < 2 else 506 - mask.shape[0]
        left = 6 if corner % 2 == 0 else 506 - mask.shape[1]
        put(picture, mask, top, left, task.of((255, 220), (235, 200)))
    return plain(task, picture, ground)


def other_letters(task: Task) -> Drawn:
    lines = tuple(joined(line) if "\u0600" <= line[0] <= "\u06ff" else line for line in task.lines)
    ground = task.of((black, head, chest), (bone, black, abdomen))
    picture = ground(task.rng, 400, 512)
    mask = ink(lines, BEYOND_LATIN[task.half], task.of((22, 16, 28), (18, 26, 20)))
    put(picture, mask, *spot(task.rng, picture, mask, "dark"), task.of((255, 180), (230, 200)))
    return plain(task, picture, ground)


def watermark(task: Task) -> Drawn:
    ground = task.scan()
    picture = ground(task.rng, 512, 512)
    mask = turned(ink(task.lines, task.face(), task.of((26, 20), (22, 30))), task.of((30, 0), (-25, 40)))
    steps = mask.shape[0] + task.of((40, 70), (55, 36)), mask.shape[1] + task.of((30, 60), (44, 24))
    tiles = np.zeros((512 + 2 * steps[0], 512 + 2 * steps[1]), np.float32)
    for row, top in enumerate(range(0, tiles.shape[0] - mask.shape[0], steps[0])):
        for left in range(row % 2 * steps[1] // 2, tiles.shape[1] - mask.shape[1], steps[1]):
            tiles[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    put(picture, tiles[20:532, 30:542], 0, 0, 255, task.of((0.18, 0.12, 0.25), (0.15, 0.22, 0.1)))
    return plain(task, picture, ground)


def exported(modality: str, burned: str | None) -> Callable[[Task], Drawn]:
    def draw(task: Task) -> Drawn:
        grounds: dict[str, Ground] = {
            "CT": task.of((head,), (abdomen,)),
            "CR": task.of((chest,), (bone,)),
            "US": task.of((sector,), (linear,)),
            "SC": task.of((head,), (abdomen,)),
        }
        picture = lettered(task, grounds[modality], task.of((400,), (432,)), task.of((15,), (17,)))
        if modality == "US" and burned is None:
            picture = np.repeat(picture[:, :, None], 3, axis=2)
        bits = {"CT": 12, "CR": task.of((12,), (14,)), "US": 8, "SC": task.of((8,), (16,))}[modality]
        inverse = modality == "CR" and burned == "YES"
        return dicom(picture, modality, burned=burned, bits=bits, inverse=inverse, name=task.name)

    return draw


def far_bottom(task: Task) -> Drawn:
    """The name touches the last row."""
    modality, ground = task.of((("CT", head), ("CR", chest)), (("CR", bone), ("CT", abdomen)))
    picture = ground(task.rng, 512, 448)
    mask = text(task, task.of((14, 11), (10, 16)), 512, 440)
    put(picture, mask, 512 - mask.shape[0], task.of((2, 200), (120, 0)), 255)
    return dicom(picture, modality, burned=task.of((None, "NO"), ("NO", None)), bits=12, inverse=False, name=task.name)


def compressed(task: Task) -> Drawn:
    ground = task.of((chest, sector, mucosa), (linear, abdomen, mucosa))
    picture = lettered(task, ground, 448, task.of((14, 20, 11, 17), (13, 24, 16, 12)))
    return jpeg(picture, MODALITY[ground], task.of((12, 25, 40, 60), (18, 50, 8, 30)))


def soft(task: Task) -> Drawn:
    size = task.of((20, 30, 16), (24, 18, 36))
    sigma = size * task.of((0.08, 0.1, 0.06), (0.07, 0.09, 0.11))
    ground = task.scan()
    picture = lettered(task, ground, 448, size, change=lambda mask: blurred(mask, sigma))
    return plain(task, picture, ground)


def interlaced(task: Task) -> Drawn:
    """Two half frames of an analogue recorder that do not agree."""
    ground = task.of((sector,), (linear,))
    picture = lettered(task, ground, (480, 640), task.of((18, 24), (20, 16)))
    picture[1::2] = np.roll(picture[1::2], task.of((2, -3), (3, 1)), axis=1) * task.of((0.85, 1), (0.6, 0.8))
    return plain(task, picture, ground)


def inverted(task: Task) -> Drawn:
    ground = task.scan()
    return plain(task, 255 - lettered(task, ground, 480, task.of((16, 26), (20, 14))), ground)


_LINES = forms("lines")
_SQUARE = {side: ((side, side),) for side in (128, 256, 1024, 2048)}
_TALL: Sides = ((200, 900), (900, 220), (96, 640))
_WIDE: Sides = ((1000, 240), (160, 800), (760, 320))
_SHORT = (16, 22, 14, 20, 28, 18, 24)
_EXPORTS = [
    Kind(f"DICOM {modality}, BurnedInAnnotation {burned or 'absent'}", 1, 1, forms("names"), exported(modality, burned))
    for modality in ("CT", "CR", "US", "SC")
    for burned in ("NO", "YES", None)
]
PRINTED = (
    Kind("letters of 8 to 11 px in a corner", 5, 5, _LINES, sized((9, 10, 8, 11, 10), (10, 9, 11, 9, 8))),
    Kind("letters of 12 to 18 px in a corner", 6, 6, _LINES, sized((12, 14, 18, 13, 16, 15), (15, 12, 17, 14, 18, 13))),
    Kind("letters of 20 to 48 px in a corner", 5, 5, _LINES, sized((24, 32, 48, 20, 28), (22, 36, 42, 26, 30))),
    Kind("grey letters on black", 7, 7, _LINES, shaded),
    Kind("dark letters on white", 4, 4, _LINES, on_white),
    Kind("coloured letters", 4, 4, _LINES, coloured),
    Kind("3 to 30 levels of contrast on a flat ground", 6, 6, _LINES, faint),
    Kind("light letters over anatomy", 4, 4, _LINES, over_light),
    Kind("dark letters over anatomy", 4, 4, _LINES, over_dark),
    Kind("letters over speckle", 4, 4, forms("names"), over_speckle),
    Kind("letters in a box", 4, 4, _LINES, boxed),
    Kind("turned by 90 degrees", 3, 3, _LINES, turning((90,), (90,))),
    Kind("turned by 180 degrees", 3, 3, _LINES, turning((180,), (180,))),
    Kind("turned by 270 degrees", 3, 3, _LINES, turning((270,), (270,))),
    Kind("turned by 5 to 15 degrees", 5, 5, forms("names"), turning((5, -10, 15, -5, 10), (-15, 5, -10, 10, -5))),
    Kind("turned by 45 degrees", 2, 2, forms("names"), turning((45, -45), (-45, 45))),
    Kind("picture of 128 px", 3, 3, forms("names"), framed(_SQUARE[128], _SQUARE[128], (11, 12, 14))),
    Kind("picture of 256 px", 3, 3, _LINES, framed(_SQUARE[256], _SQUARE[256], (11, 14, 18))),
    Kind("picture of 1024 px", 2, 2, _LINES, framed(_SQUARE[1024], _SQUARE[1024], (16, 26))),
    Kind("picture of 2048 px", 1, 1, _LINES, framed(_SQUARE[2048], _SQUARE[2048], (28,))),
    Kind(
        "tall or wide picture",
        3,
        3,
        _LINES,
        framed(((200, 900), (900, 220), (96, 640)), ((1000, 240), (160, 800), (760, 320)), (14, 18, 16)),
    ),
    Kind("name and clock", 3, 3, forms("clocks"), sized((14, 20, 16), (18, 13, 22))),
    Kind("short: initials, digits, age", 7, 7, forms("short"), sized(_SHORT, _SHORT[::-1])),
    Kind("letters spaced out", 3, 3, forms("spaced"), spaced),
    Kind("ultrasound header of several lines", 4, 4, forms("headers"), header),
    Kind("console overlay in the corners", 4, 4, forms("consoles"), console),
    Kind("Cyrillic", 3, 3, forms("cyrillic"), other_letters),
    Kind("Greek", 1, 1, forms("greek"), other_letters),
    Kind("Arabic", 2, 2, forms("arabic"), other_letters),
    Kind("watermark in tiles", 2, 2, forms("names"), watermark),
    *_EXPORTS,
    Kind("DICOM, name at the far bottom edge", 2, 2, forms("names"), far_bottom),
    Kind("JPEG", 4, 4, _LINES, compressed),
    Kind("blurred letters", 3, 3, _LINES, soft),
    Kind("interlaced ultrasound", 2, 2, forms("names"), interlaced),
    Kind("inverted film", 2, 2, _LINES, inverted),
)
