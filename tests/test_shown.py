"""What is shown in place of an image: each way takes away what it says, leaves the rest, and is drawn from a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.outcomes import A, B, record
from unveil.core.geometry import encode_mask
from unveil.core.lesion_region import NO_ROOM, NOTHING, PLACELESS, elsewhere, filled, lacks, region
from unveil.core.records import Finding, Shown
from unveil.core.shown import GREY, LESION, NO_OTHER, Altered, altered, as_shown, deranged

LESIONED = record(("mass", (40.0, 40.0, 60.0, 60.0)))


def ramp(height: int = 100, width: int = 100) -> np.ndarray:
    """Shades that rise from left to right, 1 a pixel, in grey."""
    return np.repeat(np.broadcast_to(np.arange(50, 50 + width), (height, width))[..., None], 3, 2).astype(np.uint8)


def change(shown: Shown, *records, seed: int = 0) -> Altered:
    return altered(shown, records or [LESIONED], seed)


def test_the_own_image_is_shown_as_it_is() -> None:
    assert change("own").pixels("r", ramp()) is not None and (change("own").pixels("r", ramp()) == ramp()).all()


def test_blank_tells_the_size_alone() -> None:
    seen = change("blank").pixels("r", ramp(30, 40))
    assert seen.shape == (30, 40, 3) and set(seen.ravel()) == {GREY}


def test_noise_has_the_images_mean_and_deviation() -> None:
    """A ramp of 0 to 99 shades has deviation sqrt((100^2 - 1) / 12) = 28.87 around 99.5. Grey stays grey, and another
    record or seed draws other noise."""
    seen = change("noise").pixels("r", ramp())
    assert (seen[..., 0] == seen[..., 1]).all() and (seen[..., 0] == seen[..., 2]).all()
    assert seen.mean() == pytest.approx(99.5, abs=1.5) and seen.std() == pytest.approx(28.87, abs=1.5)
    assert (seen == change("noise").pixels("r", ramp())).all()
    assert (seen != change("noise").pixels("s", ramp())).any()
    assert (seen != change("noise", seed=1).pixels("r", ramp())).any()


def test_noise_keeps_the_colours_of_each_channel() -> None:
    """Red lies at 200, green and blue at 10: without deviation, noise is the colour itself."""
    red = np.full((20, 20, 3), (200, 10, 10), np.uint8)
    assert (change("noise").pixels("r", red) == red).all()


def test_shuffled_keeps_every_pixel_where_patches_divide_the_image() -> None:
    """32 x 64 pixels are 8 x 16 patches of 4 x 4: the same shades, in other places, with whole patches moved."""
    own = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    seen = change("shuffled").pixels("r", own)
    assert sorted(seen.ravel()) == sorted(own.ravel()) and (seen != own).any()
    patches = {own[y : y + 4, x : x + 4].tobytes() for y in range(0, 32, 4) for x in range(0, 64, 4)}
    assert {seen[y : y + 4, x : x + 4].tobytes() for y in range(0, 32, 4) for x in range(0, 64, 4)} == patches


@pytest.mark.parametrize("size", [(35, 47), (1, 90), (3, 2)])
def test_shuffled_takes_images_of_any_size(size: tuple[int, int]) -> None:
    own = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    seen = change("shuffled").pixels("r", own)
    assert seen.shape == own.shape and {*map(bytes, seen.reshape(-1, 3))} <= {*map(bytes, own.reshape(-1, 3))}


# ----------------------------------------------------------------------------------------------------- other patients


def people(*counts: int, **more):
    """Images of so many patients, the first with ``counts[0]`` of them, and so on."""
    return [
        record(name=f"{p}{i}", patient=str(p), split="test", **more) for p, n in enumerate(counts) for i in range(n)
    ]


def test_nobody_is_shown_their_own_images() -> None:
    """Of 3, 2 and 2 images each is shown once, to another patient; so it is with any seed, and not always the same."""
    rows = people(3, 2, 2)
    seen = [deranged(rows, seed) for seed in range(5)]
    for found in seen:
        assert sorted(r.id for r in found.values()) == sorted(r.id for r in rows) == sorted(found)
        assert all(found[r.id].cluster != r.cluster for r in rows)
    assert len({tuple(r.id for r in found.values()) for found in seen}) > 1
    assert deranged(rows, 3) == deranged(list(reversed(rows)), 3)


def test_a_patient_with_most_of_the_images_meets_others_too() -> None:
    rows = people(4, 1)
    found = deranged(rows, 0)
    assert len(found) == 5 and all(found[r.id].cluster != r.cluster for r in rows)


def test_modality_and_split_are_the_same_and_who_is_alone_is_left_out() -> None:
    alone = record(name="mr", modality="MRI", patient="9", split="test")
    trained = record(name="t", patient="8", split="train")
    found = change("other-patient", *people(1, 1), alone, trained)
    assert set(found.others) == {"00", "10"} and found.left_out == {"mr": NO_OTHER, "t": NO_OTHER}
    assert found.takes("00") and not found.takes("mr")


def test_another_patients_image_is_drawn_out_and_its_boxes_with_it() -> None:
    """From 50 x 200 to 100 x 100 pixels: x doubles and y halves, so (10, 20, 30, 60) is (20, 10, 60, 30)."""
    other = replace(record(("cyst", (10.0, 20.0, 30.0, 60.0)), name="o", patient="2"), width=50, height=200)
    own = record(("mass", A), patient="1")
    found = change("other-patient", own, other)
    assert found.others["r"].id == "o"
    assert found.pixels("r", ramp(), np.full((200, 50, 3), 9, np.uint8)).shape == (100, 100, 3)
    truth = as_shown(own, "other-patient", other)
    assert truth is not None and truth.id == "o" and truth.size == own.size
    assert truth.findings[0].box == pytest.approx((20, 10, 60, 30))


# ------------------------------------------------------------------------------------------------------------- lesions


def test_a_hidden_lesion_looks_like_what_surrounds_it() -> None:
    """A white square on a ramp: where it was (and 10 % beyond), the ramp goes on within a few shades; else nothing
    changes."""
    own = ramp()
    own[40:60, 40:60] = 255
    seen = change("lesion-hidden").pixels("r", own)
    inside = np.zeros((100, 100), bool)
    inside[38:62, 38:62] = True
    assert (region(LESIONED, 100, 100) == inside).all()
    assert (seen[~inside] == own[~inside]).all()
    assert np.abs(seen[inside].astype(int) - ramp()[inside]).max() <= 8


def test_the_grain_of_the_surroundings_goes_on() -> None:
    """Speckle of deviation 20 around 100: within the hole it has about that deviation, not that of a smooth spot."""
    own = (
        (100 + 20 * np.random.default_rng(0).standard_normal((100, 100, 1))).clip(0, 255).astype(np.uint8).repeat(3, 2)
    )
    hole = np.zeros((100, 100), bool)
    hole[40:60, 40:60] = True
    assert filled(own, hole)[hole].std() == pytest.approx(20, abs=5)


def test_only_the_lesion_is_left() -> None:
    seen = change("lesion-only").pixels("r", ramp())
    inside = region(LESIONED, 100, 100)
    assert (seen[inside] == ramp()[inside]).all() and set(seen[~inside].ravel()) == {GREY}


def test_an_equal_area_elsewhere_is_hidden() -> None:
    """As large, in the same form, and nowhere on the lesion: which is seen as it is."""
    lesion = region(LESIONED, 100, 100)
    for seed in range(5):
        moved = elsewhere(LESIONED, lesion, ramp(), np.random.default_rng(seed))
        assert moved.sum() == lesion.sum() and not (moved & lesion).any()
    own = ramp()
    own[40:60, 40:60] = 255
    assert (change("elsewhere-hidden").pixels("r", own)[lesion] == own[lesion]).all()


def test_a_mask_tells_more_than_its_box() -> None:
    """A disc of radius 10 in a box of 20 x 20; with 10 % of 20 = 2 pixels around it its radius is about 12."""
    y, x = np.mgrid[:100, :100] + 0.5
    disc = np.hypot(x - 50, y - 50) <= 10
    masked = record()
    masked = replace(masked, findings=(Finding("mass", (40.0, 40.0, 60.0, 60.0), encode_mask(disc)),))
    grown = region(masked, 100, 100)
    assert grown[disc].all() and grown.sum() == pytest.approx(np.pi * 12**2, rel=0.1)


def test_what_cannot_be_hidden_is_left_out_with_its_reason() -> None:
    large = record(("mass", (10.0, 10.0, 90.0, 90.0)), name="large")
    rows = [
        record(name="n"),
        record(("mass", None), name="p"),
        large,
        LESIONED,
        record(("mass", A), ("cyst", B), name="two"),
    ]
    for shown in LESION:
        found = altered(shown, rows)
        assert found.left_out == {"n": NOTHING, "p": PLACELESS, "large": NO_ROOM}
        assert [r.id for r in rows if found.takes(r.id)] == ["r", "two"]
    assert lacks(LESIONED) is None


def test_what_is_true_of_what_is_shown() -> None:
    """Nothing is left of a hidden lesion, everything with another place hidden; of noise nobody can say."""
    hidden = as_shown(LESIONED, "lesion-hidden", None)
    assert hidden is not None and hidden.findings == () and hidden.completeness == "exhaustive"
    assert as_shown(LESIONED, "elsewhere-hidden", None) == LESIONED
    shown: tuple[Shown, ...] = ("blank", "noise", "shuffled", "lesion-only")
    assert [as_shown(LESIONED, one, None) for one in shown] == [None] * 4
