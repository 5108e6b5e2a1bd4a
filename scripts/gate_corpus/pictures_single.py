"""Pictures that identify somebody, of kinds that stand in one half alone."""

import numpy as np
from PIL import Image

from scripts.gate_corpus.pictures_files import Drawn, bytes_of, png
from scripts.gate_corpus.pictures_grounds import mucosa, noisy
from scripts.gate_corpus.pictures_kinds import Kind, Task, forms, lettered, plain, text
from scripts.gate_corpus.pictures_letters import blurred, ink, put, spot, turned


def outlined(task: Task) -> Drawn:
    """White letters with a dark edge, over anatomy."""
    ground = task.scan()
    picture = ground(task.rng, 448, 448)
    mask = np.pad(text(task, task.of((18, 24, 15), (18,)), 440, 420), 2)
    edge = np.max([np.roll(mask, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0)
    top, left = spot(task.rng, picture, mask, "bright")
    put(picture, edge, top, left, 0)
    put(picture, mask, top, left, 255)
    return plain(task, picture, ground)


def dotted(task: Task) -> Drawn:
    """A matrix of dots, as old film imagers print."""
    small = ink(task.lines, "dejavu/DejaVuSansMono", 10, hard=True)
    step = task.of((3, 4), (3,))
    mask = small.repeat(step, 0).repeat(step, 1)
    mask = mask * np.tile(np.pad(np.ones((step - 1, step - 1)), ((0, 1), (0, 1))), small.shape).astype(np.float32)
    ground = task.scan()
    picture = ground(task.rng, 512, 640)
    put(picture, mask, *spot(task.rng, picture, mask, "edge"), task.of((255, 210), (255,)))
    return plain(task, picture, ground)


def worklist(task: Task) -> Drawn:
    """A photographed table on a screen."""
    picture = np.full((360, 520), float(task.of((240, 30), (240,))), np.float32)
    pen = 20 if picture[0, 0] > 128 else 225
    face = task.face()
    for place, line in enumerate(task.lines):
        mask = ink((line,), face, 14)
        put(picture, mask, 22 + 58 * (place % 4), 16 + 250 * (place // 4), pen)
    picture[52::58] = picture[:, 258] = 128
    return plain(task, noisy(task.rng, picture, 3))


def cut_off(task: Task) -> Drawn:
    """The crop of the picture has taken some of the letters' height."""
    ground = task.scan()
    picture = ground(task.rng, 400, 400)
    mask = text(task, task.of((24, 18, 30), (24,)), 400, 380)
    gone = mask.shape[0] // 4
    mask, top = (mask[gone:], 0) if task.turn % 2 else (mask[:-gone], 400 - mask.shape[0] + gone)
    put(picture, mask, top, 8, 255)
    return plain(task, picture, ground)


def title_bar(task: Task) -> Drawn:
    """A viewer's window, as a screenshot takes it."""
    ground = task.scan()
    picture = np.repeat(ground(task.rng, 420, 560)[:, :, None], 3, axis=2)
    picture[:26] = task.of((), ((58, 92, 150), (200, 204, 210), (36, 38, 44)))
    mask = text(task, 14, 26, 460)
    put(picture, mask, 6, 10, (20, 20, 20) if picture[0, 0, 0] > 128 else (245, 245, 245))
    return plain(task, picture)


def shadowed(task: Task) -> Drawn:
    ground = task.scan()
    picture = ground(task.rng, 448, 448)
    mask = text(task, task.of((18,), (16, 22, 28)), 440, 420)
    mask = np.pad(mask, ((0, 3), (0, 3)))
    top, left = spot(task.rng, picture, mask, "anywhere")
    put(picture, np.roll(mask, (2, 2), (0, 1)), top, left, 0)
    put(picture, mask, top, left, task.of((255,), (235, 255)))
    return plain(task, picture, ground)


def embossed(task: Task) -> Drawn:
    """A relief: light edges above, dark ones below, as a press leaves in a film's border."""
    mask = np.pad(text(task, task.of((28,), (26, 34, 22)), 300, 440), 2)
    relief = blurred(mask, 0.8)
    relief = relief - np.roll(relief, (2, 2), (0, 1))
    picture = noisy(task.rng, np.full((320, 512), float(task.of((0,), (150, 110, 70))), np.float32), 1.5)
    top, left = spot(task.rng, picture, relief, "anywhere")
    picture[top : top + relief.shape[0], left : left + relief.shape[1]] += 60 * relief
    return plain(task, picture)


def stacked(task: Task) -> Drawn:
    """One letter below the other, along a side."""
    ground = task.scan()
    picture = ground(task.rng, 512, 512)
    size = min(task.of((18,), (16, 20, 14)), int(470 / 1.1 / len(task.lines[0])))
    mask = ink(tuple(task.lines[0].replace(" ", "")), task.face(), size, leading=1.1)
    put(picture, mask, 12, task.of((6,), (6, 506 - mask.shape[1])), 240)
    return plain(task, picture, ground)


def around(task: Task) -> Drawn:
    """Letters along the rim of an endoscope's round view."""
    picture = mucosa(task.rng, 480, 480)
    face, size = task.face(), task.of((20,), (18, 22))
    angle = task.of((0,), (-2.3, -1.1))
    for letter in task.lines[0]:
        if letter != " ":
            mask = turned(ink((letter,), face, size), -np.degrees(angle) - 90)
            y, x = 240 + 205 * np.sin(angle), 240 + 205 * np.cos(angle)
            put(picture, mask, int(y - mask.shape[0] / 2), int(x - mask.shape[1] / 2), (255, 255, 255))
        angle += 1.0 * size / 205
    return plain(task, picture, mucosa)


def filmed(task: Task) -> Drawn:
    """A screen taken with a phone: its lines beat with the camera's."""
    ground = task.scan()
    small = lettered(task, ground, 400, task.of((16,), (20, 16, 26)))
    image = Image.fromarray(bytes_of(small)).rotate(task.of((0,), (2, -3, 1.2)), Image.Resampling.BICUBIC, expand=True)
    picture = np.asarray(image, np.float32)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    beat = np.sin(rows * 1.9 + columns * 0.21) + np.sin(columns * 2.3 - rows * 0.13)
    picture = noisy(task.rng, 18 + picture * (0.8 + 0.07 * beat), 3)
    tint = np.array((0.93, 1.0, 1.04), np.float32)
    return png(np.clip(picture[:, :, None] * tint, 0, 255), None)


_LINES = forms("lines")
SINGLE = (
    Kind("outlined letters over anatomy", 6, 0, _LINES, outlined),
    Kind("letters of dots", 6, 0, forms("spaced"), dotted),
    Kind("table of a worklist", 6, 0, forms("worklists"), worklist),
    Kind("letters cut by the picture's edge", 6, 0, forms("names"), cut_off),
    Kind("title bar of a window", 0, 4, _LINES, title_bar),
    Kind("letters with a shadow", 0, 4, _LINES, shadowed),
    Kind("embossed letters", 0, 4, forms("names"), embossed),
    Kind("letters one below the other", 0, 4, forms("spaced"), stacked),
    Kind("letters along a circle", 0, 4, forms("names"), around),
    Kind("screen taken with a phone", 0, 4, _LINES, filmed),
)
