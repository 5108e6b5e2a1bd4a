"""Radiographs of bones: knees, hands, bone close up, plates and screws."""

import numpy as np

from scripts.gate_corpus.fresh.drawing import (
    Field,
    Picture,
    Points,
    Shape,
    at,
    blob,
    blur,
    bone,
    clouds,
    collimate,
    counts,
    curve,
    ellipse,
    fill,
    finish,
    fractal,
    grid,
    inside,
    jitter,
    posed,
    ribbon,
    sharpen,
    size,
    stroke,
)


def sponge(rng: np.random.Generator, shape: Shape, scale: float) -> Field:
    """Trabeculae: fine ridges, more of them along the load than across it."""
    fine = clouds(rng, shape, 0.9 * scale, 4 * scale) + 0.7 * clouds(rng, shape, 2.5 * scale, 0.8 * scale)
    ridges: Field = fine / fine.std()
    return ridges


def _shaft(shape: Shape, line: Points, profile: list[float], cortex: float, core: float = 0.5) -> Field:
    """A long bone around a line: the half width (pixels) at even steps along it."""
    half = np.interp(np.linspace(0, 1, len(line)), np.linspace(0, 1, len(profile)), profile)
    kernel = np.ones(9) / 9
    half = np.convolve(np.pad(half, 4, mode="edge"), kernel, "valid")
    return bone(fill(shape, ribbon(line, half), 0.7), cortex, core)


def _capped(shape: Shape, line: Points, profile: list[float], cortex: float) -> Field:
    """A shaft with round ends."""
    half = np.interp(np.linspace(0, 1, len(line)), np.linspace(0, 1, len(profile)), profile)
    steps = np.linspace(0, 1, len(line))
    tip = half.mean() / np.hypot(*(line[-1] - line[0]))
    cap = np.clip(np.minimum(steps, 1 - steps) / tip, 0, 1)
    half = half * np.sqrt(np.clip(1 - (1 - cap) ** 2, 0.02, 1))
    return bone(fill(shape, ribbon(line, half), 0.7), cortex, 0.5)


def _knee(rng: np.random.Generator, shape: Shape) -> tuple[Field, Points]:
    """A knee from the front, and the line along its lower leg."""
    height, width = shape
    x, _ = grid(shape)
    s = height / 100
    leg = fill(
        shape,
        curve(
            at(
                shape,
                jitter(
                    rng,
                    [
                        (0.2, -0.2),
                        (0.19, 0.3),
                        (0.22, 0.55),
                        (0.27, 1.2),
                        (0.76, 1.2),
                        (0.8, 0.55),
                        (0.82, 0.3),
                        (0.8, -0.2),
                    ],
                    0.01,
                ),
            ),
            True,
        ),
        s,
    )
    field = 10 + leg * (62 + 25 * np.exp(-(((x - 0.5) / 0.25) ** 2)))
    unit = min(height, width * 1.1) / 100
    femur = [(0.42, -0.05), (0.42, 0.2), (0.385, 0.34), (0.315, 0.42), (0.32, 0.49), (0.37, 0.515), (0.44, 0.51)]
    femur += [(0.5, 0.465), (0.56, 0.51), (0.63, 0.515), (0.69, 0.49), (0.69, 0.42), (0.62, 0.34), (0.575, 0.2)]
    femur += [(0.575, -0.05)]
    tibia = [(0.325, 0.545), (0.42, 0.542), (0.49, 0.525), (0.52, 0.525), (0.58, 0.542), (0.685, 0.545)]
    tibia += [(0.685, 0.59), (0.61, 0.68), (0.575, 0.82), (0.57, 1.05), (0.44, 1.05), (0.435, 0.82), (0.40, 0.68)]
    tibia += [(0.325, 0.59)]
    texture = sponge(rng, shape, max(0.7, unit * 0.2))
    for points in (femur, tibia):
        outline = curve(at(shape, jitter(rng, points, 0.003)), count=300)
        mask = fill(shape, outline, 0.8)
        field += bone(mask, unit * 1.1, 0.55) * 92 + 4 * mask * texture
    fibula = curve(at(shape, jitter(rng, [(0.685, 0.60), (0.67, 0.75), (0.66, 1.1)], 0.004)))
    field += 62 * _shaft(shape, fibula, [0.5 * unit, 3.4 * unit, 2.6 * unit, 2.2 * unit, 2.2 * unit], unit * 0.7)
    patella = fill(shape, blob(rng, at(shape, (0.5, 0.38)), (9 * unit, 9.5 * unit), 0.05), 1)
    field += 30 * bone(patella, unit, 0.6)
    axis = curve(at(shape, [(0.50, 0.62), (0.505, 1.02)]))
    return field.astype(np.float32), axis


def _hand(rng: np.random.Generator, shape: Shape) -> Field:
    height, width = shape
    unit = min(height, width * 1.25) / 100
    base = np.array([width * 0.5, height * 0.80])
    field = np.full(shape, 9, np.float32)
    flesh = np.zeros(shape, np.float32)
    bones = np.zeros(shape, np.float32)
    palm = [(-17, -28), (0, -33), (14, -28), (17, -8), (12, 8), (10, 30), (-10, 30), (-13, 8)]
    flesh = np.maximum(flesh, fill(shape, curve(base + np.array(palm) * unit, True), unit * 0.6))
    rays = [(-0.85, (15, 12, 10), 0.85), (-0.2, (25, 16, 10, 7), 1), (0.0, (25, 18, 11, 7), 1)]
    rays += [(0.17, (22, 16, 10, 7), 0.95), (0.35, (20, 13, 8, 6), 0.85)]
    roots = [(-9, -2), (-6.5, -6), (-1, -7), (4, -6), (8, -4)]
    for (heading, lengths, thick), root in zip(rays, roots, strict=True):
        point = base + np.array(root) * unit
        angle = heading + rng.normal(0, 0.04)
        for index, length in enumerate(lengths):
            angle += rng.normal(0, 0.03)
            step = np.array([np.sin(angle), -np.cos(angle)])
            end = point + step * length * unit
            line = np.linspace(point, end, 60)
            w = unit * thick * (2.5 - 0.35 * index)
            bones += 0.9 * _capped(
                shape, line, [1.35 * w, 1.25 * w, 0.8 * w, 0.72 * w, 0.85 * w, 1.2 * w, 1.2 * w], unit * 0.7
            )
            skin = np.linspace(point - step * unit, end + step * 2.5 * unit, 40)
            cap = np.sqrt(np.clip(1 - np.linspace(-0.2, 1, 40) ** 8, 0.02, 1))
            flesh = np.maximum(flesh, fill(shape, ribbon(skin, cap * unit * thick * (5.2 - 0.4 * index)), unit * 0.4))
            point = end + step * 0.9 * unit
    for cx, cy in [(-7, 0), (-2.5, -1), (2, -1), (6.5, 0.5), (-5, 6), (0, 6), (4.5, 6)]:
        rock = blob(rng, base + np.array([cx, cy]) * unit, (2.9 * unit, 3.4 * unit), 0.12)
        bones += 0.8 * bone(fill(shape, rock, 0.8), unit * 0.7, 0.55)
    for cx, thick in ((-4.0, 4.6), (5.5, 2.8)):
        line = np.linspace(base + np.array([cx, 10]) * unit, base + np.array([cx, 45]) * unit, 50)
        bones += 0.9 * _shaft(
            shape, line, [thick * unit, thick * unit * 0.9, thick * unit * 0.65, thick * unit * 0.6], unit
        )
    texture = sponge(rng, shape, max(0.6, unit * 0.16))
    return field + flesh * 58 + bones * 105 + 3.5 * texture * np.clip(bones, 0, 1)


def _close(rng: np.random.Generator, shape: Shape) -> Field:
    """The head of a bone so near that its trabeculae fill the picture, with one thick cortex."""
    x, y = grid(shape)
    edge = rng.uniform(0.7, 0.95) + 0.12 * np.sin(2.5 * y + rng.uniform(0, 6))
    within = 1 / (1 + np.exp((x - edge) * 90))
    rim = np.exp(-(((x - edge + 0.04) / 0.035) ** 2))
    scale = shape[0] / 230
    arches = _arches(rng, shape, scale)
    field = 40 + 85 * within + 70 * rim + within * (26 * arches + 9 * clouds(rng, shape, 60 * scale))
    turns = int(rng.integers(4))
    return np.ascontiguousarray(np.rot90(field, turns)).astype(np.float32)


def _arches(rng: np.random.Generator, shape: Shape, scale: float) -> Field:
    """Layers of thin ridges, mostly along the load, as a thick slab of spongy bone shows them."""
    total = np.zeros(shape, np.float32)
    for _ in range(4):
        total += np.exp(-((clouds(rng, shape, 1.6 * scale, 7 * scale) / 0.4) ** 2))
    for _ in range(2):
        total += 0.7 * np.exp(-((clouds(rng, shape, 5 * scale, 1.8 * scale) / 0.4) ** 2))
    layers: Field = (total - total.mean()) / total.std() * 0.45
    return layers


def exposed(rng: np.random.Generator, field: Field, noise: tuple[float, float] = (1.5, 7)) -> Picture:
    """The field as a detector shows it: sharpened, of some exposure, with noise."""
    field = sharpen(field.astype(np.float32), field.shape[0] / 110, rng.uniform(0.2, 0.8))
    return finish(counts(rng, field * rng.uniform(0.85, 1.1), rng.uniform(*noise)))


def limb_radiograph(rng: np.random.Generator, knee: float = 0.4, hand: float = 0.35) -> Picture:
    """A knee, a hand, or trabecular bone close up; many with the collimator's edges."""
    pick = rng.random()
    if pick < knee:
        field = _knee(rng, size(rng, 480, 1000, (0.7, 1.0)))[0]
    elif pick < knee + hand:
        field = _hand(rng, size(rng, 480, 1000, (0.75, 0.95)))
    else:
        field = _close(rng, size(rng, 256, 700, (0.8, 1.3)))
    if pick < knee + hand:
        field = posed(rng, field, 14)
    field = field + 2.5 * fractal(rng, (field.shape[0], field.shape[1]), field.shape[0] / 20)
    if rng.random() < 0.5:
        field = collimate(rng, field)
    return exposed(rng, field)


def screw(shape: Shape, head: Points, heading: float, length: float, width: float) -> Field:
    """A screw from its head: a threaded shank with a point."""
    steps = np.linspace(0, 1, 160)
    line = head + np.outer(steps * length, [np.cos(heading), np.sin(heading)])
    thread = 0.72 + 0.28 * np.sign(np.sin(steps * length / width * 2 * np.pi / 0.55))
    taper = np.clip((1 - steps) * 8, 0.05, 1)
    shank = fill(shape, ribbon(line, width * 0.5 * thread * taper), 0.5)
    cap = ribbon(head + np.outer(np.linspace(-0.6, 0.2, 5) * width, [np.cos(heading), np.sin(heading)]), width * 0.95)
    return np.maximum(shank, fill(shape, cap, 0.5))


def _plate(rng: np.random.Generator, shape: Shape, line: Points, unit: float) -> Field:
    """A plate along a line with holes, some of them filled by screws seen end on or from the side."""
    half = 2.3 * unit * np.clip(np.minimum(np.linspace(0, 30, len(line)), np.linspace(30, 0, len(line))), 0.2, 1)
    metal = fill(shape, ribbon(line, half), 0.5)
    holes = int(rng.integers(5, 9))
    sideways = rng.random() < 0.6
    for place in np.linspace(0.07, 0.93, holes):
        index = int(place * (len(line) - 1))
        hole = inside(ellipse(shape, line[index], (1.15 * unit, 1.5 * unit), rng.uniform(-10, 10)), 0.15)
        if rng.random() < 0.75:
            if sideways:
                driven = screw(shape, line[index], np.pi + rng.normal(0, 0.06), rng.uniform(13, 20) * unit, 2.0 * unit)
                metal = np.maximum(metal, driven)
            else:
                slot = inside(ellipse(shape, line[index], (0.5 * unit, 0.5 * unit)), 0.2)
                metal = np.maximum(metal, 1.15 * hole) - 0.3 * slot
        else:
            metal = metal * (1 - 0.75 * hole)
    return metal


def _hip(rng: np.random.Generator, shape: Shape) -> tuple[Field, Field]:
    """A hip with an artificial joint: pelvis and thigh, and the metal."""
    height, width = shape
    x, y = grid(shape)
    unit = min(height, width) / 100
    flesh = fill(
        shape,
        curve(at(shape, [(-0.2, -0.2), (0.7, -0.1), (0.86, 0.3), (0.9, 0.7), (0.86, 1.3), (-0.2, 1.3)]), True),
        3 * unit,
    )
    field = 10 + 85 * flesh * (0.8 + 0.3 * np.exp(-(((x - 0.4) / 0.4) ** 2)))
    wing = [
        (-0.1, 0.02),
        (0.2, -0.06),
        (0.5, 0.02),
        (0.56, 0.13),
        (0.47, 0.25),
        (0.52, 0.36),
        (0.45, 0.46),
        (0.32, 0.48),
    ]
    wing += [(0.24, 0.44), (0.12, 0.47), (-0.1, 0.45)]
    field += 70 * bone(fill(shape, curve(at(shape, jitter(rng, wing, 0.006)), True), 1), unit, 0.55)
    hole = fill(shape, blob(rng, at(shape, (0.22, 0.58)), (9 * unit, 7 * unit), 0.05, 25), 1)
    ring = fill(shape, blob(rng, at(shape, (0.22, 0.57)), (15 * unit, 13 * unit), 0.06, 25), 1)
    field += 60 * bone(np.clip(ring - hole, 0, 1), unit, 0.6)
    femur = [
        (0.60, 0.40),
        (0.70, 0.36),
        (0.735, 0.44),
        (0.72, 0.58),
        (0.71, 0.8),
        (0.70, 1.1),
        (0.57, 1.1),
        (0.57, 0.8),
    ]
    femur += [(0.555, 0.62), (0.51, 0.53)]
    field += 80 * bone(fill(shape, curve(at(shape, jitter(rng, femur, 0.004)), True), 1), 1.6 * unit, 0.5)
    stem = [
        (0.52, 0.43),
        (0.56, 0.40),
        (0.66, 0.46),
        (0.68, 0.55),
        (0.655, 0.92),
        (0.635, 0.93),
        (0.605, 0.62),
        (0.585, 0.53),
    ]
    metal = fill(shape, at(shape, stem), 0.8)
    ball = inside(ellipse(shape, at(shape, (0.485, 0.36)), (7.5 * unit, 7.5 * unit)), 0.05)
    cup = ellipse(shape, at(shape, (0.475, 0.35)), (11 * unit, 11 * unit))
    shell = (
        inside(cup, 0.04)
        * (1 - inside(cup * 1.16, 0.04))
        * (y * height < (0.39 * height + 0.6 * (x * width - 0.475 * width)))
    )
    return field.astype(np.float32), np.maximum(np.maximum(metal, ball), shell)


def bone_hardware(rng: np.random.Generator, hip: float = 0.25) -> Picture:
    """A knee with a plate and screws, a nail or wires, or a hip with an artificial joint."""
    shape = size(rng, 480, 1000, (0.7, 1.0))
    unit = min(shape[0], shape[1] * 1.1) / 100
    if rng.random() < hip:
        field, metal = _hip(rng, shape)
    else:
        field, axis = _knee(rng, shape)
        pick = rng.random()
        if pick < 0.5:
            beside = axis + (np.array([9.5, 0]) if rng.random() < 0.7 else np.array([1.0, 0])) * unit
            metal = _plate(rng, shape, beside, unit)
        elif pick < 0.75:
            half = np.interp(np.linspace(0, 1, len(axis)), [0, 0.03, 1], [0.3, 2.6, 2.6]) * unit
            metal = fill(shape, ribbon(axis, half), 0.6)
            for place in (0.1, 0.34, 0.8)[: int(rng.integers(1, 4))]:
                head = axis[int(place * (len(axis) - 1))] + (rng.uniform(6, 9) * unit, -unit)
                lean, length = np.pi + rng.uniform(-0.25, 0.25), rng.uniform(12, 20) * unit
                metal = np.maximum(metal, screw(shape, head, lean, length, 1.9 * unit))
        else:
            metal = np.zeros(shape, np.float32)
            for slant in (-1, 1):
                start = at(shape, jitter(rng, (0.5 + 0.045 * slant, 0.54), 0.008))
                end = at(shape, jitter(rng, (0.5 + 0.03 * slant, 0.84), 0.008))
                metal = np.maximum(metal, stroke(shape, [start, end], max(2, unit * 0.6), 0.4))
            metal = np.maximum(
                metal, stroke(shape, blob(rng, at(shape, (0.5, 0.68)), (4 * unit, 9 * unit), 0.12), 2, 0.4, True)
            )
    field = field * (1 - metal) + metal * (226 + 12 * clouds(rng, shape, 12))
    field = field - 18 * (blur(metal.astype(np.float32), 2.5 * unit) * (1 - metal))
    field = posed(rng, field, 12)
    if rng.random() < 0.4:
        field = collimate(rng, field)
    return exposed(rng, field)
