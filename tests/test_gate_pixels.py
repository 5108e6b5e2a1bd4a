"""What is found in images, what is excused, what is painted over. Only the tests that say so need tesseract."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.helpers.images import dicom
from tests.test_gate import chunks, record
from unveil.experts.requests import RequestImage
from unveil.gate import GateError, burned_in, letters, ocr, regions
from unveil.gate.burned_in import BurnedIn, OcrOptions, Word, cost, painted, read_image
from unveil.gate.codes import codes
from unveil.gate.gate import Gate, Item
from unveil.gate.harmless import name_nobody
from unveil.gate.ocr import Clock, TimeLimit

cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="the program tesseract is not installed")


def ground(noise: float = 0, side: int = 320) -> np.ndarray:
    """A light disc on black, with noise."""
    y, x = np.mgrid[0:side, 0:side] - side / 2
    disc = 90.0 * (np.hypot(x, y) < side / 3)
    disc += np.random.default_rng(0).normal(0, noise, disc.shape) if noise else 0
    return np.rint(disc.clip(0, 255)).astype(np.uint8)


def written(text: str, *, size: int = 16, angle: float = 0, level: int = 255, noise: float = 0) -> Image.Image:
    """The ground with a text that is turned anticlockwise about its middle and stands in the upper left."""
    image, mask = Image.fromarray(ground(noise)), Image.new("L", (320, 320))
    ImageDraw.Draw(mask).text((100, 60), text, fill=255, font=ImageFont.load_default(size), anchor="mm")
    image.paste(level, mask=mask.rotate(angle, Image.Resampling.BICUBIC, center=(100, 60)))
    return image


def png(image: Image.Image | np.ndarray) -> bytes:
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, "PNG")
    return out.getvalue()


# ------------------------------------------------------------------------------------------------------ harmless words


@pytest.mark.parametrize(
    "text",
    [
        "PORTABLE", "SUPINE", "L", "AP ERECT", "LEFT LATERAL", "120 kV 200 mAs", "120kV", "TR 4500 TE 90", "Zoom 1.5x",
        "5 cm", "SE: 3 IM: 27", "W 400 L 40", "Matrix 256 256", "512x512", "T2 FLAIR AX", "MI 1.2 TIs 0.4", "L4-5",
        "C5/6", "58%", "FOV 240 mm", "P0RTABLE", "PORTABIE", "H F", "LEFT KIDNEY LONG", "",
    ],
)  # fmt: skip
def test_what_names_nobody_is_known(text: str) -> None:
    assert name_nobody(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "SMITH", "PORTABLE SMITH", "DOE JANE", "J.D.", "M. E.", "92Y", "45 M", "F 45", "3/4/56", "4/11", "12345",
        "ID 4471", "2019", "14:32", "MARTIN", "LONG", "MAY", "JD", "kV4815162", "TR 481516", "Петрова", "李", "1 9 5 8",
        "D O E",
    ],
)  # fmt: skip
def test_what_may_name_somebody_is_not_harmless(text: str) -> None:
    """MARTIN is one letter from MARGIN, LONG is a view and a name; a number of a record is longer than a setting's."""
    assert not name_nobody(text.split())


# ------------------------------------------------------------------------------------------------------------- regions


def test_a_convolution_by_hand() -> None:
    """Ones under a kernel of ones, bias 1: corners have 4 neighbours with themselves, edges 6, the middle 9.

    Every second of them, from the first on: the four corners. With a dilation of 2 the neighbours of the middle of
    three are outside, so it sees itself alone.
    """
    ones, kernel, bias = np.ones((1, 3, 3), np.float32), np.ones((1, 1, 3, 3), np.float32), np.ones(1, np.float32)
    assert letters._convolved(ones, kernel, bias, 1, 1)[0].tolist() == [[5, 7, 5], [7, 10, 7], [5, 7, 5]]
    assert letters._convolved(ones, kernel, bias, 2, 1)[0].tolist() == [[5, 5], [5, 5]]
    assert letters._convolved(ones, kernel, bias, 1, 2)[0, 1, 1] == 2


def test_grey_levels_that_hardly_move_are_not_blown_up() -> None:
    """A floor of 2 levels: one level of noise stays small, while letters of any contrast come out alike."""
    assert np.abs(letters.normalised(np.eye(64) + 50)).max() < 0.5
    strong, stronger = (np.abs(letters.normalised(level * np.eye(64))).max() for level in (100, 200))
    assert strong == pytest.approx(stronger, rel=0.02)


@pytest.mark.parametrize("angle", [0, 10, -15, 45, 90, 180, 270])
def test_letters_are_found_at_any_angle_and_where_they_are(angle: float) -> None:
    """The middle of the likeliest region lies within 6 pixels of the text's own, and its angle within 10 degrees."""
    best = regions.written(np.asarray(written("DOE JANE 12", angle=angle)))[0]
    assert best.sure >= burned_in._SURE
    assert np.hypot(best.centre[0] - 100, best.centre[1] - 60) < 6
    assert abs((np.degrees(best.angle) - angle + 90) % 180 - 90) < 10


@pytest.mark.parametrize("noise", [0, 1, 5, 20])
def test_noise_and_shapes_are_no_letters(noise: float) -> None:
    assert all(region.likely < burned_in._LIKELY for region in regions.written(ground(noise)))


def test_a_coloured_text_as_bright_as_its_ground_is_seen() -> None:
    """Luminance is 0.299 R + 0.587 G + 0.114 B: red of 255 is as bright as grey of 76."""
    mask = np.asarray(written("DOE JANE 12")) > 128
    picture = np.full((320, 320, 3), 76, np.uint8)
    picture[mask] = (255, 0, 0)
    assert regions.written(picture)[0].sure >= burned_in._SURE


def test_small_images_are_enlarged_and_large_ones_seen_at_each_half() -> None:
    assert regions.scales(128, 128) == [2, 1]
    assert regions.scales(512, 512) == [1, 0.5, 0.25]
    assert regions.scales(100, 2048) == [1, 0.5, 0.25, 0.125, 0.0625]


# ----------------------------------------------------------------------------------------------- reading and painting


def test_what_is_painted_is_black_and_all_else_stays() -> None:
    """A box from 10.2 to 19.5 with 3 pixels around it goes from 7 to 22, and nothing but pixels is in the PNG."""
    before = np.full((40, 50, 3), 200, np.uint8)
    after = painted(png(before), [(10.2, 10.2, 19.5, 19.5), (45, 35, 60, 60)])
    expected = before.copy()
    expected[7:23, 7:23] = 0
    expected[32:, 42:] = 0
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(after))), expected)
    assert chunks(after) == {b"IHDR", b"IDAT", b"IEND"}


def test_an_image_that_is_full_of_names_is_not_repaired() -> None:
    """A box of half the image: more than a fifth would be black."""
    assert burned_in.redacted(png(ground()), BurnedIn((Word("DOE", (0, 0, 320, 160), 1, 0, False),))) is None


def test_what_identifies_is_told_without_being_repeated() -> None:
    words = (
        Word("L", (0, 0, 9, 9), 0.9, 0, True),
        Word("SMITH", (1, 1, 2, 2), 0.9, 0, False),
        Word("", (3, 3, 4, 4), 0, 0, False),
    )
    reading = BurnedIn(words, ((5, 5, 6, 6),))
    assert reading.identifying == ((1, 1, 2, 2), (3, 3, 4, 4), (5, 5, 6, 6))
    assert reading.reason == "words and strokes like letters that OCR cannot read and a code"
    assert (BurnedIn(words[:1]).identifying, BurnedIn(words[:1]).reason) == ((), "")


def test_without_ocr_nothing_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is looked for in an empty folder, though this image has no letters to read."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GateError, match=r"OCR is not installed.*unveil\[ocr\].*--pixels-reviewed"):
        Gate().passed(Item("i", record(), (), png(ground())))


def test_an_image_that_takes_too_long_is_set_aside_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "check", lambda how: None)
    with pytest.raises(TimeLimit, match="more than 0 s"):
        read_image(png(ground()), OcrOptions(seconds=0))
    with pytest.raises(TimeLimit):
        Clock(0).left()
    assert Clock(9).left() > 1


def test_the_cost_is_said_in_words() -> None:
    """Ten images of a megapixel: 10 x (1 + 0.05) s to 10 x (1.4 + 1.5) s; then a thousand times as many."""
    assert cost([(1000, 1000)] * 10) == (
        "looking for letters in 10 images (10 megapixels) takes about 10 s of one core where none "
        "has any, up to 29 s where all have"
    )
    assert "2.9 h of one core" in cost([(1000, 1000)] * 10_000)


def square_code() -> np.ndarray:
    code = cv2.QRCodeEncoder.create().encode("PID 4815162;DOE^JANE")
    return np.pad(np.kron(code, np.ones((4, 4), np.uint8)), 20, constant_values=255)


@needs_tesseract
def test_a_square_code_identifies() -> None:
    picture = ground()
    code = square_code()[:300, :300]
    picture[: len(code), : len(code)] = code
    reading = read_image(png(picture))
    assert reading.codes and "a code" in reading.reason


@pytest.mark.parametrize(("changes", "code"), [(16, False), (30, True), (45, True)])
def test_a_row_of_teeth_is_no_bar_code(changes: int, code: bool) -> None:
    """OpenCV's detector sees one in each of them."""
    bars = 127 + 120 * np.sign(np.sin(np.pi * changes * np.arange(240) / 240))
    picture = np.full((320, 320), 30, np.float32)
    picture[120:190, 40:280] = bars
    picture = cv2.GaussianBlur(picture, (0, 0), 2).clip(0, 255).astype(np.uint8)
    assert cv2.barcode.BarcodeDetector().detectMulti(picture)[0]
    assert bool(codes(picture)) is code


@needs_tesseract
@pytest.mark.parametrize("angle", [0, 15, -15, 90, 180, 270])
def test_names_are_found_and_painted_over_at_all_angles(angle: float) -> None:
    image = png(written("DOE JANE 4815", angle=angle))
    found = read_image(image).identifying
    assert found
    assert not read_image(painted(image, found)).identifying
    clean = burned_in.redacted(image, read_image(image))
    assert clean and not read_image(clean, strict=True).identifying


@needs_tesseract
@pytest.mark.parametrize("text", ["PORTABLE", "AP SUPINE", "120 kV 200 mAs", "L", "T2", ""])
def test_words_that_name_nobody_pass(text: str) -> None:
    assert not read_image(png(written(text, size=20))).identifying


@needs_tesseract
@pytest.mark.parametrize("text", ["DOE JANE", "ID 4815162", "3/4/56", "92Y", "Петрова Ирина", "PORTABLE DOE"])
def test_what_may_name_somebody_is_stopped(text: str) -> None:
    assert read_image(png(written(text))).identifying


@needs_tesseract
def test_letters_of_low_contrast_over_noise_are_found() -> None:
    assert read_image(png(written("DOE JANE 4815", level=60, noise=3))).identifying


@needs_tesseract
def test_a_language_that_is_not_installed_is_named() -> None:
    with pytest.raises(GateError, match="apt-get install tesseract-ocr-xx-yy"):
        read_image(png(ground()), OcrOptions(languages=("eng", "xx_yy")))


@needs_tesseract
@pytest.mark.parametrize("tags", [{"BurnedInAnnotation": "NO"}, {"BurnedInAnnotation": "YES"}, {}])
def test_no_word_of_the_scanner_spares_an_image_the_search(tags: dict[str, str], tmp_path: Path) -> None:
    """A DICOM file that denies burned-in letters and has some is set aside."""
    path = dicom(tmp_path / "x.dcm", np.asarray(written("DOE JANE 4815")), Modality="CT", **tags)
    item = Item("i", record(), (), RequestImage(path).png(), path)
    assert Gate().passed(item) == "not sent: its image has words burned in"
