"""Pictures that carry somebody's data: a ground of any kind with invented names, numbers and dates drawn in."""

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np

from scripts.gate_corpus.fresh.bones import bone_hardware, limb_radiograph
from scripts.gate_corpus.fresh.contrast import fluoroscopy, mammogram
from scripts.gate_corpus.fresh.ct import ct_body, ct_head
from scripts.gate_corpus.fresh.drawing import Field, Picture, blur, clouds, fill, finish, jpegged
from scripts.gate_corpus.fresh.lettering import (
    FACES,
    MONO,
    SANS,
    code39,
    dotted,
    halo,
    lay,
    printed,
    qr_code,
    rotated,
    stencilled,
)
from scripts.gate_corpus.fresh.marks import ecg
from scripts.gate_corpus.fresh.optical import dermoscopy, endoscopy, eye, microscopy
from scripts.gate_corpus.fresh.pen import handwritten
from scripts.gate_corpus.fresh.persons import lines, named, person, plain, settings
from scripts.gate_corpus.fresh.resonance import mri, pet
from scripts.gate_corpus.fresh.rows import spine_lateral
from scripts.gate_corpus.fresh.thorax import chest_devices, chest_radiograph
from scripts.gate_corpus.fresh.ultrasound import ultrasound_linear, ultrasound_sector

Kind = Callable[[np.random.Generator], Picture]
Place = tuple[int, int]
_FILMS: tuple[Kind, ...] = (chest_radiograph, chest_devices, limb_radiograph, bone_hardware, spine_lateral, mammogram)
_CONSOLES: tuple[Kind, ...] = (ct_head, ct_body, mri, ultrasound_sector, ultrasound_linear, fluoroscopy)
_COLOURS: tuple[Kind, ...] = (endoscopy, dermoscopy, eye, microscopy)
_INKS = ((255, 255, 255), (255, 240, 70), (90, 255, 110), (90, 225, 255), (255, 170, 60), (255, 130, 200))


def _one_of(rng: np.random.Generator, kinds: Sequence[Kind], least: int = 0) -> Picture:
    """A ground of one of the kinds, enlarged until its smaller side has at least so many pixels."""
    picture = kinds[int(rng.integers(len(kinds)))](rng)
    height, width = picture.shape[:2]
    grow = min(max(1.0, least / min(height, width)), 1024 / max(height, width))
    if grow > 1:
        picture = cv2.resize(picture, (round(width * grow), round(height * grow)), interpolation=cv2.INTER_CUBIC)
    return picture


def _fitting(
    picture: Picture, draw: Callable[[float], Field], height: float, share: float = 0.94, least: float = 9
) -> tuple[Field, float]:
    """The text at a height of its letters, or at the next lower one at which it fits the picture, and that height."""
    rows, columns = picture.shape[0] * share, picture.shape[1] * share
    while True:
        mask = draw(height)
        if (mask.shape[0] <= rows and mask.shape[1] <= columns) or height <= least:
            return mask, height
        height = max(least, height * 0.85)


def _under(picture: Picture, mask: Field, place: Place) -> tuple[float, float]:
    """The mean and the spread of what lies below the mask."""
    left, top = place
    part = picture[top : top + mask.shape[0], left : left + mask.shape[1]].astype(np.float32)
    part = part if part.ndim == 2 else part.mean(2)
    return float(part.mean()), float(part.std())


def _lost(picture: Picture, mask: Field, place: Place) -> float:
    """The share of the letters that lie on greys near their own, be they white or black, and a little of the spread."""
    left, top = place
    mean, spread = _under(picture, mask, place)
    part = picture[top : top + mask.shape[0], left : left + mask.shape[1]].astype(np.float32)
    part = part if part.ndim == 2 else part.mean(2)
    near = np.abs(part - (255 if mean < 128 else 0)) < 80
    return float((near * mask).sum() / mask.sum()) + spread / 1000


def _corner(rng: np.random.Generator, picture: Picture, mask: Field, corner: int) -> Place:
    gap = int(rng.integers(4, 16))
    height, width = picture.shape[:2]
    left = gap if corner % 2 == 0 else width - mask.shape[1] - gap
    top = gap if corner < 2 else height - mask.shape[0] - gap
    return max(left, 0), max(top, 0)


def _inside(rng: np.random.Generator, picture: Picture, mask: Field, low: float = 0.0, high: float = 1.0) -> Place:
    room = np.array([picture.shape[1] - mask.shape[1], picture.shape[0] - mask.shape[0]])
    left, top = np.clip(room * rng.uniform(low, high, 2), 0, None).astype(int)
    return int(left), int(top)


def _readable(
    rng: np.random.Generator,
    picture: Picture,
    text: tuple[Field, float],
    place: Place,
    ink: Sequence[int] = (255, 255, 255),
) -> Picture:
    """The text laid down light on dark or dark on light.

    Where the ground is too mixed for either, large letters get an outline and small ones a plate below them.
    """
    mask, tall = text
    mean, spread = _under(picture, mask, place)
    dark = np.array(ink) * 0.42 * (np.array(ink) < 250) if min(ink) < 250 else np.full(3, 8)
    light_on_dark = mean < 118
    colour, other = (ink, (8, 8, 8)) if light_on_dark else (dark, (255, 255, 255))
    if spread <= 30 and not 95 < mean < 150:
        return lay(picture, mask, *place, colour)
    if tall < 15 or spread > 60:
        mask = np.pad(mask, 4)
        place = (max(place[0] - 4, 0), max(place[1] - 4, 0))
        plate = np.ones(mask.shape, np.float32)
        return lay(lay(picture, plate, *place, other, rng.uniform(0.75, 1)), mask, *place, colour)
    inner, outer = halo(mask, 2)
    place = (max(place[0] - 2, 0), max(place[1] - 2, 0))
    return lay(lay(picture, outer, *place, other), inner, *place, colour)


def console_corners(rng: np.random.Generator) -> Picture:
    """Overlays in up to four corners, as consoles burn them in; the person's lines are in one of them."""
    picture = _one_of(rng, _CONSOLES, 480)
    who = person(rng)
    face = str(rng.choice(SANS + MONO + ("rubik",)))
    height = float(rng.integers(9, 17))
    hard = bool(rng.random() < 0.4)
    corners = rng.permutation(4)
    texts = [lines(rng, who, 5), settings(rng), settings(rng), [who.place, f"{who.day} {who.hour}"]]
    for corner, text in list(zip(corners, texts, strict=True))[: int(rng.integers(1, 5))]:
        text = [plain(line) for line in text] if face == "rubik" else text
        draw = partial(printed, text, face, right=bool(corner % 2), hard=hard)
        fit = _fitting(picture, draw, height, 0.6)
        picture = _readable(rng, picture, fit, _corner(rng, picture, fit[0], int(corner)))
    return picture


def film_sticker(rng: np.random.Generator) -> Picture:
    """A label on a film: a light or a dark box with letters of the other shade, put on a little askew."""
    picture = _one_of(rng, _FILMS, 480)
    height = float(rng.integers(10, 24))
    face, text = str(rng.choice(FACES[:-1])), lines(rng, person(rng), 5)
    mask = np.pad(_fitting(picture, lambda tall: printed(text, face, tall), height, 0.7)[0], int(height * 0.8))
    box = np.ones(mask.shape, np.float32)
    box[:2] = box[-2:] = box[:, :2] = box[:, -2:] = 0.85
    turn = rng.uniform(-4, 4) + float(rng.choice([0, 0, 0, 90, 180]))
    box, mask = rotated(box, turn), rotated(mask, turn)
    if mask.shape[1] > picture.shape[1] or mask.shape[0] > picture.shape[0]:
        box, mask = np.rot90(box), np.rot90(mask)
    place = _corner(rng, picture, mask, int(rng.integers(4)))
    paper, ink = (
        (rng.uniform(190, 250), rng.uniform(5, 50))
        if rng.random() < 0.6
        else (rng.uniform(2, 40), rng.uniform(200, 255))
    )
    picture = lay(lay(picture, box, *place, np.float32(paper)), mask, *place, np.float32(ink))
    return (
        finish(picture + 2.0 * clouds(rng, (picture.shape[0], picture.shape[1]), 0.6)) if picture.ndim == 2 else picture
    )


def turned(rng: np.random.Generator) -> Picture:
    """Lines that run up, down or upside down."""
    picture = _one_of(rng, _FILMS + _CONSOLES, 420)
    text, face = lines(rng, person(rng), 4), str(rng.choice(FACES[:-1]))
    height, turn = float(rng.integers(9, 31)), int(rng.choice([90, 180, 270]))
    fit = _fitting(picture, lambda tall: rotated(printed(text, face, tall), turn), height, 0.85)
    return _readable(rng, picture, fit, _corner(rng, picture, fit[0], int(rng.integers(4))))


def slanted(rng: np.random.Generator) -> Picture:
    """Lines askew by 3 to 15 degrees."""
    picture = _one_of(rng, _FILMS + _CONSOLES, 420)
    text, face = lines(rng, person(rng), 4), str(rng.choice(FACES[:-1]))
    height, turn = float(rng.integers(11, 33)), rng.uniform(3, 15) * rng.choice([-1, 1])
    fit = _fitting(picture, lambda tall: rotated(printed(text, face, tall), turn), height, 0.85, 11)
    return _readable(rng, picture, fit, _inside(rng, picture, fit[0], 0.02, 0.98))


def dots_and_lead(rng: np.random.Generator, dots: float = 0.5) -> Picture:
    """A matrix printer's dots, or letters of lead with a stencil's bridges that lay on the cassette."""
    picture = _one_of(rng, _FILMS, 560)
    who = person(rng)
    if rng.random() < dots:
        text, pitch = [plain(line) for line in lines(rng, who, 4)], int(rng.integers(2, 4))
        mask = dotted(text, pitch)
        mask = dotted(text, 2) if mask.shape[1] > 0.95 * picture.shape[1] else mask
        mask = dotted(text[:1], 2) if mask.shape[1] > 0.95 * picture.shape[1] else mask
        return _readable(rng, picture, (mask, 10), _corner(rng, picture, mask, int(rng.integers(4))))
    text = [plain(named(rng, who)).replace("^", " ").replace(",", "")]
    text += [who.born.replace("/", "."), who.number][: int(rng.integers(0, 3))]
    mask, tall = _fitting(picture, lambda tall: stencilled(text, tall), float(rng.integers(18, 41)), 0.9, 16)
    mask = rotated(mask, rng.uniform(-5, 5)) if mask.shape[1] < 0.9 * picture.shape[1] else mask
    place = _corner(rng, picture, mask, int(rng.integers(4)))
    mean, _ = _under(picture, mask, place)
    if mean > 120:
        return _readable(rng, picture, (mask, tall), place)
    return lay(picture, mask, *place, np.float32(rng.uniform(225, 255)), rng.uniform(0.85, 1))


def by_hand(rng: np.random.Generator) -> Picture:
    """A name and a date in handwriting: white or black ink on the film, or on a strip of tape."""
    picture = _one_of(rng, _FILMS + _CONSOLES[:3], 520)
    who = person(rng)
    text = [plain(f"{who.first} {who.last}"), plain(f"{who.last} {who.first}"), plain(f"{who.last}, {who.first}")]
    text = [str(rng.choice(text)), *[who.born, who.number][: int(rng.integers(0, 3))]]
    height, seed, rough = float(rng.integers(18, 38)), int(rng.integers(2**31)), rng.uniform(0.6, 1.3)
    draw: Callable[[float], Field] = lambda tall: handwritten(np.random.default_rng(seed), text, tall, rough)  # noqa: E731
    mask, tall = _fitting(picture, draw, height, 0.88, 15)
    mask = rotated(mask, rng.uniform(-8, 8)) if mask.shape[1] < 0.85 * picture.shape[1] else mask
    if rng.random() < 0.35:
        mask = np.pad(mask, 8)
        tape = fill(
            (mask.shape[0], mask.shape[1]),
            np.array([(2, 3), (mask.shape[1] - 3, 2), (mask.shape[1] - 2, mask.shape[0] - 3), (3, mask.shape[0] - 2)]),
            0.8,
        )
        place = _inside(rng, picture, mask)
        return lay(
            lay(picture, tape, *place, np.float32(rng.uniform(205, 245))), mask, *place, np.float32(rng.uniform(10, 60))
        )
    return _readable(rng, picture, (mask, tall), _inside(rng, picture, mask, 0.02, 0.98))


def outlined(rng: np.random.Generator) -> Picture:
    """Light letters with a dark outline on a bright ground."""
    picture = _one_of(rng, (pet, ecg, microscopy, chest_radiograph, spine_lateral), 420)
    if picture.mean() < 110:
        picture = finish(255 * (picture / 255.0) ** 0.5)
    text, face = lines(rng, person(rng), 4), str(rng.choice(SANS[:5]))
    mask, tall = _fitting(picture, lambda tall: printed(text, face, tall), float(rng.integers(18, 38)), 0.92, 16)
    if mask.shape[1] > picture.shape[1] - 8:
        mask = np.ascontiguousarray(np.rot90(mask))
    inner, outer = halo(mask, 1 if tall < 17 else 2)
    place = _inside(rng, picture, inner)
    light = rng.uniform(215, 255)
    return lay(lay(picture, outer, *place, np.float32(rng.uniform(0, 40))), inner, *place, np.float32(light))


def see_through(rng: np.random.Generator) -> Picture:
    """Half-transparent letters in the middle of the anatomy."""
    picture = _one_of(rng, _FILMS + _CONSOLES, 420)
    text, face = lines(rng, person(rng), 3), str(rng.choice(SANS))
    mask, _ = _fitting(picture, lambda tall: printed(text, face, tall), float(rng.integers(17, 41)), 0.85, 16)
    places = [_inside(rng, picture, mask, 0.15, 0.85) for _ in range(40)]
    place = min(places, key=lambda candidate: _lost(picture, mask, candidate))
    mean, spread = _under(picture, mask, place)
    ink = 255 if mean < 128 else 0
    share = float(np.clip((70 + 1.6 * spread) / abs(ink - mean), 0.4, 0.9))
    return lay(picture, mask, *place, np.float32(ink), share)


def small_in_big(rng: np.random.Generator) -> Picture:
    """One or two lines of 9 to 11 pixels in a picture of about a thousand."""
    picture = _one_of(rng, _FILMS + _CONSOLES, 1000)
    text, face = lines(rng, person(rng), 2), str(rng.choice(SANS + MONO))
    tall = float(rng.integers(9, 12))
    mask = printed(text, face, tall, hard=bool(rng.random() < 0.3))
    place = _inside(rng, picture, mask) if rng.random() < 0.5 else _corner(rng, picture, mask, int(rng.integers(4)))
    return _readable(rng, picture, (mask, tall), place)


def inverted(rng: np.random.Generator) -> Picture:
    """The greys turned round, as of a MONOCHROME1 picture read plainly: dark letters on what was black."""
    picture = _one_of(rng, _FILMS + _CONSOLES[:3], 420)
    text, face = lines(rng, person(rng), 4), str(rng.choice(FACES[:-1]))
    fit = _fitting(picture, lambda tall: printed(text, face, tall), float(rng.integers(10, 32)), 0.8)
    return 255 - _readable(rng, picture, fit, _corner(rng, picture, fit[0], int(rng.integers(4))))


def codes(rng: np.random.Generator, qr: float = 0.5) -> Picture:
    """A QR code or a Code 39 of the person's number on a white label, some with a caption."""
    picture = _one_of(rng, _FILMS + _CONSOLES, 460)
    who = person(rng)
    number = "".join(letter for letter in who.number if letter.isalnum())
    if rng.random() < qr:
        content = f"PID:{number};PN:{plain(who.last)}^{plain(who.first)};DOB:{who.born}"
        mask, quiet = qr_code(content, int(rng.integers(3, 6))), 14
    else:
        mask, quiet = (
            code39(number, 2 if picture.shape[1] < 700 else int(rng.integers(2, 4)), int(rng.integers(40, 90))),
            24,
        )
    if rng.random() < 0.4:
        caption = printed([number], str(rng.choice(MONO)), 11)
        wide = max(mask.shape[1], caption.shape[1])
        parts = [
            np.pad(part, ((0, 6), ((wide - part.shape[1]) // 2, wide - part.shape[1] - (wide - part.shape[1]) // 2)))
            for part in (mask, caption)
        ]
        mask = np.concatenate(parts)
    mask = np.pad(mask, quiet)
    mask = np.rot90(mask) if mask.shape[1] > picture.shape[1] or rng.random() < 0.25 else mask
    if rng.random() < 0.3:
        mask = rotated(np.ascontiguousarray(mask), rng.uniform(-6, 6))
    place = _corner(rng, picture, mask, int(rng.integers(4)))
    label = lay(picture, np.ones(mask.shape, np.float32), *place, np.float32(rng.uniform(215, 255)))
    return lay(label, mask, *place, np.float32(rng.uniform(0, 40)))


def after_jpeg(rng: np.random.Generator) -> Picture:
    """Letters with the ringing and the blocks of a JPEG at quality 40 to 80."""
    picture = _one_of(rng, _FILMS + _CONSOLES, 480)
    text, face = lines(rng, person(rng), 4), str(rng.choice(FACES[:-1]))
    fit = _fitting(picture, lambda tall: printed(text, face, tall), float(rng.integers(11, 27)), 0.8, 11)
    picture = _readable(rng, picture, fit, _corner(rng, picture, fit[0], int(rng.integers(4))))
    return jpegged(picture, int(rng.integers(40, 81)))


def in_colour(rng: np.random.Generator) -> Picture:
    """Coloured letters in a picture in colour."""
    picture = _one_of(rng, _COLOURS, 420)
    picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)
    text, face = lines(rng, person(rng), 4), str(rng.choice(FACES[:-1]))
    ink = _INKS[int(rng.integers(len(_INKS)))]
    mask, tall = _fitting(picture, lambda tall: printed(text, face, tall), float(rng.integers(10, 34)), 0.8)
    place = _corner(rng, picture, mask, int(rng.integers(4))) if rng.random() < 0.6 else _inside(rng, picture, mask)
    picture = _readable(rng, picture, (mask, tall), place, ink)
    return finish(blur(picture.astype(np.float32), 0.3)) if rng.random() < 0.3 else picture
