"""Lesion noise: eq. 2 of MMedPO by hand, rebuilt bit for bit, and only inside the map."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from unveil.core.geometry import encode_mask
from unveil.core.jsonl import from_json, to_json
from unveil.core.lesion_noise import LesionMap, Noise, NoiseError, apply, draw, kept
from unveil.core.records import Pair

BOX = LesionMap(boxes=((2.0, 1.0, 6.0, 5.0),))
GREY = np.full((8, 10, 3), 102, np.uint8)  # 102 / 127.5 - 1 = -0.2


def test_the_schedule_by_hand() -> None:
    """beta_0 = 0.00499 sigmoid(-6) + 0.00001 = 0.00499 * 0.0024726 + 0.00001 = 2.2338e-5, so xi_0 = 1 - 2.2338e-5.

    beta rises to 0.00499 sigmoid(6) + 0.00001 = 0.0049877 and is symmetric about 0.002505, so that over all 1000 steps
    the betas add up to 2.505, and xi = exp(-(sum beta + sum beta^2 / 2 + ...)) is just below exp(-2.505) = 0.0817.
    POVID's step 500 leaves 0.745.
    """
    assert kept(0) == pytest.approx(1 - 2.2338e-5, abs=1e-9)
    assert kept(500) == pytest.approx(0.745, abs=5e-4)
    assert 0.080 < kept(999) < np.exp(-2.505)
    for step in (-1, 1000):
        with pytest.raises(NoiseError, match="is not one of 0 to 999"):
            kept(step)


def test_equation_2_by_hand() -> None:
    """One pixel inside a hard map: x = -0.2, so x* = -0.2 sqrt(0.7447985) + eps sqrt(0.2552015), and outside x* = x.

    With the first eps of seed 7, PCG64: 0.0012301533574825742, x* = -0.1726034 + 0.0006214 = -0.1719820, which is the
    value (1 - 0.1719820) * 127.5 = 105.57, so 106.
    """
    eps = np.random.Generator(np.random.PCG64(7)).standard_normal()
    assert eps == pytest.approx(0.0012301533574825742)
    noise = draw(GREY, LesionMap(boxes=((0.0, 0.0, 1.0, 1.0),)), seed=7)
    out = apply(GREY, noise)
    assert out[0, 0, 0] == 106
    assert (out[1:] == GREY[1:]).all() and (out[0, 1:] == GREY[0, 1:]).all()
    assert noise.share == pytest.approx(1 / 80)


def test_half_a_map_takes_half_of_each() -> None:
    """h = 1/2 (128 of 255 on a grid of one cell): x* = (x + sqrt(xi) x + sqrt(1 - xi) eps) / 2, nearly."""
    full = draw(GREY, LesionMap(whole=True), seed=3, step=100)  # little enough that nothing is cut off at 0 or 255
    half = draw(GREY, LesionMap(grid=((128,),)), seed=3, step=100)
    expected = (apply(GREY, full).astype(float) + 102) / 2
    assert np.abs(apply(GREY, half) - expected).max() <= 1.5
    assert (full.share, half.share) == (1.0, pytest.approx(128 / 255, abs=1e-6))


def test_outside_of_the_map_nothing_changes() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8, 10, 3), np.uint8)
    out = apply(pixels, draw(pixels, BOX, seed=1))
    inside = np.zeros((8, 10), bool)
    inside[1:5, 2:6] = True
    assert (out[~inside] == pixels[~inside]).all()
    assert (out[inside] != pixels[inside]).mean() > 0.9


def test_the_noise_is_what_the_schedule_says() -> None:
    """On grey: mean -0.2 sqrt(xi) and standard deviation sqrt(1 - xi), of 300,000 values that are not cut off."""
    grey = np.full((400, 250, 3), 102, np.uint8)
    noise = draw(grey, LesionMap(whole=True), seed=5, step=200, cell=1)
    values = apply(grey, noise) / 127.5 - 1
    spread = np.sqrt(1 - kept(200))
    assert spread < 0.2, "so that hardly any value is cut off at 0 or 255"
    assert values.mean() == pytest.approx(-0.2 * np.sqrt(kept(200)), abs=4 * spread / np.sqrt(300_000))
    assert values.std() == pytest.approx(spread, rel=0.01)


def test_noise_does_not_average_out_when_the_image_is_made_smaller() -> None:
    """3360 pixels have cells of 10, each of one value, so that an image of 336 has the noise that one cell has."""
    large = np.full((30, 3360, 3), 102, np.uint8)
    noise = draw(large, LesionMap(whole=True), seed=2)
    assert noise.cell == 10
    cells = apply(large, noise).reshape(3, 10, 336, 10, 3)
    assert (cells == cells[:, :1, :, :1]).all()
    assert len(np.unique(cells[:, 0, :, 0])) > 100


def test_rebuilt_bit_for_bit_from_what_is_written() -> None:
    """Through JSON and back, with every kind of map at once."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (8, 10, 3), np.uint8)
    mask = encode_mask(rng.random((8, 10)) > 0.7)
    both = LesionMap(boxes=BOX.boxes, masks=(mask,), grid=((0, 10), (200, 255)))
    noise = draw(pixels, both, seed=9)
    pair = Pair("p", "r", "a.png", "train", "open", "Q?", "A.", "A.", rejected_noise=noise)
    back = from_json(Pair, json.loads(json.dumps(to_json(pair)))).rejected_noise
    assert back == noise
    assert (apply(pixels, back) == apply(pixels, noise)).all()
    assert not (apply(pixels, draw(pixels, both, seed=10)) == apply(pixels, noise)).all()


def test_another_image_is_refused() -> None:
    """A changed pixel inside or outside the map, another size."""
    noise = draw(GREY, BOX, seed=1)
    for at in ((0, 0), (2, 3)):
        other = GREY.copy()
        other[at] += 40
        with pytest.raises(NoiseError, match="is not the one that was drawn"):
            apply(other, noise)
    with pytest.raises(NoiseError, match="is not the one that was drawn"):
        apply(GREY[:-1], noise)
    with pytest.raises(NoiseError, match="is not the one that was drawn"):
        apply(GREY, replace(noise, step=499))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (LesionMap(masks=(encode_mask(np.ones((10, 8), bool)),)), r"of an image of \[8, 10\] pixels, not of \[10, 8\]"),
        (LesionMap(grid=((1, 2), (3,))), "rows of one length"),
        (LesionMap(grid=((1, 256),)), "values from 0 to 255"),
    ],
)
def test_a_map_that_does_not_fit(bad: LesionMap, message: str) -> None:
    with pytest.raises(NoiseError, match=message):
        draw(GREY, bad, seed=0)


def test_what_is_noise_is_hidden_from_nobody() -> None:
    """All of it stands in the pair's line of the file."""
    noise = draw(GREY, BOX, seed=4)
    assert to_json(noise) == {"map": {"boxes": [[2.0, 1.0, 6.0, 5.0]]}, "seed": 4, "share": 0.2, "sha256": noise.sha256}
    assert from_json(Noise, to_json(noise)) == noise  # type: ignore[type-var]
