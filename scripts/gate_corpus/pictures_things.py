"""Pictures that identify somebody by what was written by hand, stuck on, or coded."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from scripts.gate_corpus.pictures_codes import code39, code128, ean13, qr
from scripts.gate_corpus.pictures_files import Drawn, jpeg, png
from scripts.gate_corpus.pictures_grounds import MODALITY, Rng, bone, breast, chest, clouds, knee, noisy, skin
from scripts.gate_corpus.pictures_kinds import Kind, Task, forms, plain, text
from scripts.gate_corpus.pictures_letters import SLANTED, fitting, ink, penned, put, spot, turned, warped
from scripts.gate_corpus.pictures_words import Lines, Vocabulary, person


def by_strokes(task: Task) -> Drawn:
    ground = task.of((chest, None), (None, bone))
    size = task.of((26, 34, 22, 30), (30, 24, 38, 27))
    height, width = 420, 640
    picture = ground(task.rng, height, width) if ground else sheet(task.rng, height, width)
    pen = size * task.of((0.08, 0.12, 0.1), (0.11, 0.09, 0.13))
    mask = penned(task.rng, task.lines[0], size, pen, task.of((0.28, 0.4, 0.34), (0.36, 0.26, 0.42)))
    while mask.shape[1] > width - 12:
        size = round(size * 0.85)
        mask = penned(task.rng, task.lines[0], size, pen, 0.25)
    mask = turned(mask, task.of((3, 0, -4), (-2, 5, 0))) if mask.shape[1] < width * 0.8 else mask
    put(picture, mask, *spot(task.rng, picture, mask, "edge"), 250 if ground else 40)
    return png(picture, "CR" if ground else None)


def by_bent_letters(task: Task) -> Drawn:
    """A slanted font, bent smoothly."""
    ground = task.of((knee, None), (None, breast))
    picture = ground(task.rng, 400, 560) if ground else sheet(task.rng, 400, 560)
    size = task.of((30, 36, 26), (34, 28, 32))
    mask = warped(
        task.rng, fitting(task.lines, SLANTED[task.half], size, 200, 470), size * task.of((0.04, 0.05), (0.05, 0.04))
    )
    put(picture, mask, *spot(task.rng, picture, mask, "anywhere"), 245 if ground else 50)
    return png(picture, MODALITY[ground] if ground else None)


def sheet(rng: Rng, height: int, width: int) -> np.ndarray:
    """A scanned sheet of paper."""
    return noisy(rng, 226 + 5 * clouds(rng, height, width, 3), 2)


def coded(encode: Callable[[str], np.ndarray], under: bool) -> Callable[[Task], Drawn]:
    """A bar code, or a QR code, on a white patch; its letters stand below it if `under`."""

    def draw(task: Task) -> Drawn:
        ground = task.scan()
        picture = ground(task.rng, 512, 512)
        code = encode(task.lines[0])
        if code.ndim == 2:
            step = task.of((3, 2, 4), (2, 4, 3))
        else:
            step = max(1, min(task.of((2, 3), (3, 2)), 500 // (code.size + 20)))
            code = np.tile(code, (task.of((40, 60), (52, 30)) // step, 1))
        rim = (4 if code.shape[0] == code.shape[1] else 10) * step
        ink_of_code = np.pad(code.repeat(step, 0).repeat(step, 1), rim).astype(np.float32)
        if under and task.turn % 2 == 0:
            line = ink(task.lines, task.face(), 14)
            below = np.zeros((line.shape[0] + 6, ink_of_code.shape[1]), np.float32)
            left = max(0, (below.shape[1] - line.shape[1]) // 2)
            below[: line.shape[0], left : left + line.shape[1]] = line[:, : below.shape[1] - left]
            ink_of_code = np.concatenate([ink_of_code[: -max(1, rim - 4)], below])
        top, left = spot(task.rng, picture, ink_of_code, task.of(("corner", "edge"), ("edge", "corner")))
        put(picture, np.ones_like(ink_of_code), top, left, 255)
        put(picture, ink_of_code, top, left, 0)
        return plain(task, picture, ground)

    return draw


def of_digits(words: Vocabulary, rng: Rng, turn: int) -> Lines:
    """Thirteen digits, the last of which is EAN's check digit."""
    digits = "2" + person(words, rng)["number"].zfill(11)
    return (digits + str(-sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits)) % 10),)


def in_perspective(picture: np.ndarray, corners: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture with its corners (clockwise from the top left, x and y) moved to these; and its mask."""
    old = np.array([(0, 0), (picture.shape[1], 0), (picture.shape[1], picture.shape[0]), (0, picture.shape[0])], float)
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, old, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    way = [float(value) for value in np.linalg.solve(np.array(rows), np.array(values))]

    def moved(layer: np.ndarray) -> np.ndarray:
        image = Image.fromarray(layer.astype(np.float32))
        how = Image.Transform.PERSPECTIVE
        return np.asarray(image.transform((width, height), how, way, Image.Resampling.BICUBIC))

    return moved(picture), np.clip(moved(np.ones_like(picture)), 0, 1)


def sticker(task: Task) -> Drawn:
    """A photo of a film, or of skin, with a paper label on it, seen from the side."""
    rng = task.rng
    size = task.of((22, 18, 26), (20, 24, 17))
    mask = ink(task.lines, task.face(), size, leading=1.4)
    label = np.full((mask.shape[0] + 36, mask.shape[1] + 48), 238.0, np.float32)
    put(label, mask, 18, 24, 35)
    if task.turn % 2:
        label[4:6, 4:-4] = label[-6:-4, 4:-4] = 90
    label = noisy(rng, label * (1 + 0.03 * clouds(rng, label.shape[0], label.shape[1], 3)), 2)
    height, width = 520, 680
    grey = task.of((chest, knee), (bone, breast))(rng, height, width)
    picture = skin(rng, height, width) if task.turn == 2 else np.repeat(grey[:, :, None], 3, 2) * (0.85, 0.95, 1.0)
    tall, wide = label.shape
    grow = min(1.0, 0.85 * width / wide)
    tilt = np.radians(task.of((8, -14, 20), (-9, 16, -6)))
    away = np.array([(0, 0), (1, 0.06), (0.95, 1), (0.04, 0.93)]) * (wide * grow, tall * grow)
    spin = np.array([(np.cos(tilt), np.sin(tilt)), (-np.sin(tilt), np.cos(tilt))])
    corners = away @ spin
    room = np.maximum((width, height) - np.ptp(corners, axis=0) - 10, 0)
    corners += -corners.min(0) + 5 + room * rng.random(2)
    paper, cover = in_perspective(label, corners, height, width)
    light = 1 + 0.12 * np.linspace(-1, 1, width)[None, :, None] * task.of((1, -1), (-1, 1))
    picture = picture * (1 - cover[:, :, None]) + paper[:, :, None] * cover[:, :, None] * (1.0, 0.97, 0.9)
    return jpeg(noisy(rng, picture * light, 2), None, task.of((80, 70), (75, 85)))


def mirrored(task: Task) -> Drawn:
    """A marker on the cassette with a name; the film was scanned from its back."""
    ground = task.of((chest, knee), (bone, breast))
    picture = ground(task.rng, 520, 440)
    mask = text(task, task.of((18, 24), (16, 22)), 520, 380)
    marker = np.ones((mask.shape[0] + 14, mask.shape[1] + 18), np.float32)
    top, left = spot(task.rng, picture, marker, task.of(("corner", "edge"), ("edge", "corner")))
    put(picture, marker, top, left, task.of((10, 230), (215, 16)))
    put(picture, mask, top + 7, left + 9, task.of((235, 20), (12, 240)))
    return plain(task, noisy(task.rng, picture[:, ::-1], 1.5), ground)


THINGS = (
    Kind("handwriting, stroke by stroke", 4, 4, forms("capitals"), by_strokes),
    Kind("handwriting, bent letters", 3, 3, forms("names"), by_bent_letters),
    Kind("QR code", 3, 3, forms("codes"), coded(qr, under=False)),
    Kind("bar code EAN-13", 2, 2, of_digits, coded(ean13, under=True)),
    Kind("bar code Code 39", 2, 2, forms("coded"), coded(code39, under=True)),
    Kind("bar code Code 128", 2, 2, forms("coded"), coded(code128, under=True)),
    Kind("sticker in a photo", 3, 3, forms("stickers"), sticker),
    Kind("mirrored marker with a name", 2, 2, forms("names"), mirrored),
)
