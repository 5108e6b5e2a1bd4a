"""Pictures that identify nobody: without letters, with marks, and with words that name nobody."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from scripts.gate_corpus.pictures_files import Drawn, jpeg, png
from scripts.gate_corpus.pictures_grounds import (
    Ground,
    abdomen,
    blob,
    bone,
    breast,
    chest,
    clouds,
    head,
    linear,
    noisy,
    sector,
    speckle,
    speckled,
)
from scripts.gate_corpus.pictures_kinds import Kind, Task, forms, lettered, nothing, plain
from scripts.gate_corpus.pictures_letters import ink, put

Pen = ImageDraw.ImageDraw


def anatomy(task: Task) -> Drawn:
    """Without any noise; some as JPEG."""
    ground = task.scan()
    picture = gaussian_filter(ground(task.rng, 384, 384), 1.2)
    return jpeg(picture, "CR", task.of((85,), (60,))) if task.turn == 2 else plain(task, picture, ground)


def with_noise(task: Task) -> Drawn:
    """A smooth ground under noise of 2 to 30 levels, each picture's its own; some of it is blurred by the detector."""
    side, sigma = (
        task.of((256, 320, 256, 384, 256), (320, 256, 400, 256, 288)),
        task.of((2, 5, 10, 18, 27), (3, 7, 5, 14, 22)),
    )
    base = task.of((60, 90, 120, 40, 100), (80, 50, 110, 130, 70)) + 12 * clouds(task.rng, side, side, 4)
    noise = task.rng.standard_normal((side, side), np.float32)
    if task.turn % 3 == 2:
        noise = gaussian_filter(noise, 0.8)
        noise /= noise.std()
    return png(np.clip(base + sigma * noise, 0, 255), task.of(("CT", "CR", "MR"), ("MR", "CT", None)))


def grainy(task: Task) -> Drawn:
    ground = task.of((sector, speckled), (linear, speckled))
    return plain(task, ground(task.rng, *task.of(((400, 480), (320, 320)), ((360, 420), (420, 560)))), ground)


def in_colour(task: Task) -> Drawn:
    ground = task.colour()
    return plain(task, ground(task.rng, 420, 480), ground)


def lined(
    draw: Callable[[Pen, Task, int, int], None], grounds: tuple[Sequence[Ground], Sequence[Ground]]
) -> Callable[[Task], Drawn]:
    """A scan with lines drawn over it in white."""

    def drawn(task: Task) -> Drawn:
        ground = task.of(*grounds)
        height, width = task.of(((400, 440), (480, 400)), ((420, 380), (384, 512)))
        picture = ground(task.rng, height, width)
        image = Image.new("L", (width * 2, height * 2))
        draw(ImageDraw.Draw(image), task, height * 2, width * 2)
        mask = np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float32) / 255
        put(picture, mask, 0, 0, task.of((255, 210), (235, 190)))
        return plain(task, picture, ground)

    return drawn


def grid(pen: Pen, task: Task, height: int, width: int) -> None:
    step = task.of((64, 90), (80, 50))
    for place in range(step, max(height, width), step):
        pen.line([(place, 0), (place, height)], 255, 2)
        pen.line([(0, place), (width, place)], 255, 2)


def callipers(pen: Pen, task: Task, height: int, width: int) -> None:
    ends = [(int(task.rng.integers(60, width - 60)), int(task.rng.integers(60, height - 60))) for _ in range(4)]
    for x, y in ends:
        arm = task.of((10, 14), (12, 9))
        pen.line([(x - arm, y), (x + arm, y)], 255, 3)
        pen.line([(x, y - arm), (x, y + arm)], 255, 3)
    for (x, y), (u, v) in (ends[:2], ends[2:]):
        for part in np.arange(0.03, 0.97, 0.03):
            at = (x + part * (u - x), y + part * (v - y))
            pen.ellipse([at[0] - 1.5, at[1] - 1.5, at[0] + 1.5, at[1] + 1.5], 255)


def scale(pen: Pen, task: Task, height: int, width: int) -> None:
    x, step = task.of((width - 30, 24), (28, width - 44)), task.of((30, 44), (36, 24))
    pen.line([(x, 80), (x, height - 80)], 255, 3)
    for turn, y in enumerate(range(80, height - 79, step)):
        pen.line([(x - (22 if turn % 5 == 0 else 12), y), (x, y)], 255, 3)


def hairs(pen: Pen, task: Task, height: int, width: int) -> None:
    for _ in range(task.of((9, 16), (12, 7))):
        start, turn = task.rng.uniform((0, 0), (width, height)), task.rng.uniform(0, 6.3)
        points = [tuple(start)]
        for _ in range(40):
            turn += task.rng.normal(0, 0.12)
            start = start + 10 * np.array([np.cos(turn), np.sin(turn)])
            points.append(tuple(start))
        pen.line(points, 255, int(task.rng.integers(2, 4)))


def trace(pen: Pen, task: Task, height: int, width: int) -> None:
    """An electrocardiogram below the picture."""
    x = np.arange(0, width, 3)
    phase = (x / width * task.of((7, 9), (5, 6))) % 1
    y = height * 0.88 - 70 * np.exp(-(((phase - 0.3) / 0.02) ** 2)) - 14 * np.exp(-(((phase - 0.6) / 0.06) ** 2))
    y = y + 12 * np.exp(-(((phase - 0.34) / 0.02) ** 2)) - 7 * np.exp(-(((phase - 0.14) / 0.04) ** 2))
    pen.line([(float(a), float(b)) for a, b in zip(x, y, strict=True)], 255, 3)


def contours(pen: Pen, task: Task, height: int, width: int) -> None:
    """Outlines of organs for radiotherapy."""
    for _ in range(task.of((4,), (5, 3))):
        x, y = task.rng.uniform(0.3, 0.7, 2) * (width, height)
        angles = np.linspace(0, 2 * np.pi, 60)
        radius = task.rng.uniform(50, 150) * (1 + 0.12 * np.sin(3 * angles + task.rng.uniform(0, 6)))
        pen.line(
            [(float(x + r * np.cos(a)), float(y + r * np.sin(a))) for a, r in zip(angles, radius, strict=True)], 255, 3
        )


def colour_bar(task: Task) -> Drawn:
    """The scale of colour Doppler, or a grey wedge."""
    ground = task.of((sector, head), (linear, abdomen))
    picture = np.repeat(ground(task.rng, 420, 520)[:, :, None], 3, axis=2)
    ramp = np.linspace(1, -1, 180, dtype=np.float32)
    bar = np.stack([np.clip(ramp, 0, 1), np.clip(np.abs(ramp) - 0.6, 0, 1) * 2, np.clip(-ramp, 0, 1)], 1) * 255
    if task.turn % 2:
        bar = np.repeat((ramp[:, None] + 1) * 127, 3, 1)
    left = task.of((10, 490), (488, 8))
    picture[60:240, left : left + 18] = bar[:, None]
    return png(picture, task.of(("US", "CT"), ("US", "CT")))


def film_edge(task: Task) -> Drawn:
    """The scanned film's border, notches and the light box around it."""
    ground = task.of((chest, chest), (bone, breast))
    picture = np.full((480, 420), 238.0, np.float32)
    picture[18:462, 14:406] = ground(task.rng, 444, 392)
    for place in range(task.of((3, 2), (4, 5))):
        picture[18:27, 40 + 22 * place : 52 + 22 * place] = 238
    light = blob(480, 420, 0, 0, 1.3, 1.25, 0.08)
    return plain(task, noisy(task.rng, picture * (0.7 + 0.3 * light), 1.5), ground)


def stripes(task: Task) -> Drawn:
    """As ribs, a table's bars, or a grid's moiré."""
    rows, columns = np.mgrid[:360, :400].astype(np.float32)
    pitch, tilt = task.of((26, 9, 14), (34, 7, 11)), task.of((0.3, 0.02, -0.5), (-0.2, 0.05, 0.7))
    bend = task.of((0.0012, 0, 0.0004), (0.001, 0.0001, 0))
    waves = np.sin(2 * np.pi * (rows + tilt * columns + bend * (columns - 200) ** 2) / pitch)
    waves = np.sign(waves) * np.abs(waves) ** 0.4 if task.turn == 1 else waves
    return png(noisy(task.rng, 96 + 42 * waves + 8 * clouds(task.rng, 360, 400, 5), 2), "CR")


def vessels(task: Task) -> Drawn:
    """A tree of dark or bright branches, as of contrast in vessels."""
    image = Image.new("L", (840, 840))
    pen = ImageDraw.Draw(image)
    tips = [(420.0, 830.0, -1.57, task.of((20.0, 15.0), (17.0, 22.0)))]
    while tips:
        x, y, angle, thick = tips.pop()
        for _ in range(int(task.rng.integers(4, 9))):
            angle += task.rng.normal(0, 0.16)
            u, v = x + 22 * np.cos(angle), y + 22 * np.sin(angle)
            pen.line([(x, y), (u, v)], 255, max(2, int(thick)))
            x, y = u, v
        if thick > 2.5:
            tips += [(x, y, angle + turn, thick * task.rng.uniform(0.6, 0.8)) for turn in (-0.45, 0.5)]
    mask = gaussian_filter(np.asarray(image.resize((420, 420), Image.Resampling.BOX), np.float32) / 255, 0.7)
    picture = 120 + 12 * clouds(task.rng, 420, 420, 6)
    put(picture, mask, 0, 0, task.of((40, 230), (215, 60)), 0.85)
    return png(noisy(task.rng, picture, 2.5), task.of(("XA", "CT"), ("MR", "XA")))


def trabecular(task: Task) -> Drawn:
    """Short bright struts of spongy bone, as wide and as long as strokes of letters."""
    grain = task.of((1.3, 2.2, 1.7), (1.9, 1.2, 2.6))
    field = gaussian_filter(task.rng.standard_normal((360, 360), np.float32), (grain, 1.7 * grain))
    struts = np.clip(1 - np.abs(field / field.std()) / 0.5, 0, 1)
    shape = blob(360, 360, 0, 0, 0.9, 0.75, 0.1)
    return png(noisy(task.rng, 25 + shape * (70 + 85 * struts), 2), "CR")


def mesh(task: Task) -> Drawn:
    """Of a bandage or a stent."""
    rows, columns = np.mgrid[:360, :420].astype(np.float32)
    bend = 6 * clouds(task.rng, 360, 420, 3)
    pitch = task.of((13, 18), (10, 16))
    threads = [np.abs(np.sin(np.pi * (rows + sign * columns + bend) / pitch)) < 0.2 for sign in (1, -1)]
    cover = blob(360, 420, 0, 0.1, 0.7, 0.6, 0.1)
    picture = 70 + 10 * clouds(task.rng, 360, 420, 5) + 110 * cover * np.maximum(*threads)
    return png(gaussian_filter(noisy(task.rng, picture, 3), 0.6), "CR")


def cells(task: Task) -> Drawn:
    """A stained section: dark nuclei on pink."""
    tissue = 1 + 0.06 * clouds(task.rng, 400, 400, 30)
    nuclei = gaussian_filter(task.rng.standard_normal((400, 400), np.float32), task.of((2.6, 3.4), (3.0, 2.2)))
    cover = np.clip((nuclei / nuclei.std() - 1.1) * 3, 0, 1)[:, :, None]
    pink = np.array((226, 176, 204), np.float32) * tissue[:, :, None]
    return png(noisy(task.rng, pink * (1 - cover) + cover * np.array((98, 66, 140), np.float32), 2), None)


def speckled_lines(task: Task) -> Drawn:
    """Doppler's spectrum: a noisy band with a baseline."""
    height, width = 300, 560
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    beat = (columns / width * task.of((5,), (6, 8))) % 1
    top = 230 - 170 * np.exp(-(((beat - 0.25) / 0.1) ** 2)) - 50 * np.exp(-(((beat - 0.5) / 0.25) ** 2))
    band = ((rows > top) & (rows < 230)) * (0.4 + 0.6 * (rows < top + 30))
    picture = 4 + 110 * band * speckle(task.rng, height, width, 0.7)
    picture[230:232] = 200
    return png(np.clip(picture, 0, 255), "US")


def marked(task: Task) -> Drawn:
    """Each mark at a side of its own, as markers lie."""
    ground = task.scan()
    picture = ground(task.rng, 448, 448)
    face, size = task.face(), task.of((24, 18, 30, 14, 20, 36, 26), (28, 16, 22, 34, 20, 18, 24))
    places = task.rng.permutation(4)
    for mark, place in zip(task.lines, places, strict=False):
        mask = np.pad(ink((mark,), face, size), 1)
        rest = (448 - mask.shape[0] - 8, 448 - mask.shape[1] - 8)
        top, left = ((8, rest[1] // 2), (rest[0], rest[1] // 3), (rest[0] // 2, 8), (8, rest[1]))[place]
        put(picture, mask, top, left, task.of((255, 230), (245, 255)))
    return plain(task, picture, ground)


def measured(task: Task) -> Drawn:
    """Callipers, each with its number."""
    ground = task.of((sector, speckled), (linear, speckled))
    picture = ground(task.rng, 400, 480)
    face = task.face()
    for turn, mark in enumerate(task.lines):
        for end in range(2):
            mask = ink((("+", "x")[turn % 2],), face, 16)
            top, left = int(task.rng.integers(60, 320)), int(task.rng.integers(80, 380))
            put(picture, mask, top, left, 255)
            if end:
                put(picture, ink((mark,), face, 13), top - 4, left + 16, 255)
    return plain(task, picture, ground)


def said(task: Task) -> Drawn:
    ground = task.scan()
    size = task.of((16, 14, 18, 22, 13), (18, 13, 15, 20, 16))
    level = task.of((255, 205, 255, 225), (240, 255, 210))
    return plain(task, lettered(task, ground, task.of((480, 400), (448, 512)), size, level=level), ground)


NOBODY = (
    Kind("no letters: anatomy without noise", 4, 4, nothing, anatomy),
    Kind("no letters: noise", 5, 5, nothing, with_noise),
    Kind("no letters: speckle", 2, 2, nothing, grainy),
    Kind("no letters: colour photo", 1, 2, nothing, in_colour),
    Kind("no letters: grid", 1, 1, nothing, lined(grid, ((head,), (abdomen,)))),
    Kind("no letters: callipers", 2, 2, nothing, lined(callipers, ((sector, head), (linear, breast)))),
    Kind("no letters: scale with ticks", 2, 2, nothing, lined(scale, ((sector, chest), (linear, abdomen)))),
    Kind("no letters: hairs", 2, 2, nothing, lined(hairs, ((chest, head), (breast, bone)))),
    Kind("no letters: colour bar", 2, 2, nothing, colour_bar),
    Kind("no letters: film edge", 1, 1, nothing, film_edge),
    Kind("no letters: stripes", 3, 3, nothing, stripes),
    Kind("no letters: vessels", 2, 2, nothing, vessels),
    Kind("no letters: trabecular bone", 3, 3, nothing, trabecular),
    Kind("no letters: mesh", 2, 2, nothing, mesh),
    Kind("no letters: electrocardiogram", 1, 0, nothing, lined(trace, ((sector,), (sector,)))),
    Kind("no letters: stained cells", 2, 0, nothing, cells),
    Kind("no letters: contours", 0, 1, nothing, lined(contours, ((abdomen,), (abdomen,)))),
    Kind("no letters: Doppler spectrum", 0, 2, nothing, speckled_lines),
    Kind("marks: letters and numbers of one or two", 7, 7, forms("marks"), marked),
    Kind("marks: numbered callipers", 2, 2, lambda words, rng, turn: (("1", "2"), ("A", "B"))[turn % 2], measured),
    Kind("words that name nobody: on a scan", 16, 16, forms("nobody"), said),
)
