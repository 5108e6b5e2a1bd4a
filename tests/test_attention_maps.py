"""Maps from a model's attention: whose rows they are, that they lie on the right patches, and what refuses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import dialogue, draw, records_in
from tests.helpers.trees import of_image
from unveil import cli
from unveil.core.jsonl import write_jsonl
from unveil.core.pairs import read_pairs
from unveil.curate.mau import MauOptions, mau
from unveil.testing.models import TREES, fresh
from unveil.vlm import attention_maps
from unveil.vlm.engine import Engine
from unveil.vlm.families import ModelError
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded

SHORT = "llava_mistral"  # its window ends before the image here


def row_of(copy: Loaded, tmp_path: Path, size: tuple[int, int] = (96, 64)) -> EncodedExample:
    tmp_path.mkdir(exist_ok=True)
    image = draw(tmp_path / "a.png", size, 3)
    return copy.chat.encode(dialogue("d", image.name, "Where is it?", "There, on the left."), image, True)


@pytest.mark.parametrize("name", [name for name in TREES if name != SHORT])
def test_shares_are_those_of_the_eager_model(name: str, tmp_path: Path) -> None:
    """Rows of the answer's words, columns of the image's tokens; the mean over heads and the middle third of layers,
    then each row divided by its sum, then the mean over words: computed here from the weights of the whole model."""
    copy = fresh(name)
    row = row_of(copy, tmp_path)
    said = range(len(row.answer) - len(copy.chat.end))
    [(shares, places)] = attention_maps.over_patches(Engine(copy), [row], [said])
    assert shares.sum() == pytest.approx(1) and (shares >= 0).all() and len(shares) == len(places)
    copy.model.set_attn_implementation("eager")
    batch = copy.chat.batch([row])
    del batch["labels"]
    with torch.no_grad():
        layers = of_image(copy, copy.model(**batch, output_attentions=True).attentions, batch["input_ids"][0])
    middle = layers[len(layers) // 3 : len(layers) - len(layers) // 3] or layers
    words = range(len(row.prompt), len(row) - len(copy.chat.end))
    mean = np.zeros(len(places))
    for word in words:
        weights = np.mean([layer[0, :, word].double().mean(0).numpy() for layer in middle], 0)
        weights[np.isnan(places[:, 0])] = 0
        mean += weights / weights.sum() / len(words)
    np.testing.assert_allclose(shares, mean, atol=1e-6)


def test_an_image_out_of_reach_is_said_to_be(tmp_path: Path) -> None:
    copy = fresh(SHORT)
    with pytest.raises(ModelError, match="d: the image is out of reach"):
        attention_maps.over_patches(Engine(copy), [row_of(copy, tmp_path)], [[0, 1]])


def test_rows_that_are_read_together_have_the_shares_that_each_has_alone(tmp_path: Path) -> None:
    """Two images of different sizes and words."""
    copy = fresh("qwen2_5_vl")
    engine = Engine(copy)
    rows = [row_of(copy, tmp_path / str(i), size) for i, size in enumerate(((96, 64), (50, 120)))]
    words = [[0, 1], [2]]
    together = attention_maps.over_patches(engine, rows, words)
    for row, some, (shares, places) in zip(rows, words, together, strict=True):
        [(alone, where)] = attention_maps.over_patches(engine, [row], [some])
        np.testing.assert_allclose(shares, alone, atol=1e-6)
        np.testing.assert_array_equal(places, where)


def test_shares_by_hand() -> None:
    """Two words: (0.1, 0.3) and (0.2, 0.2) on two patches are (1/4, 3/4) and (1/2, 1/2) of the image: mean 3/8, 5/8.
    A word that does not see the image is left out; where none does there are no shares."""
    places = np.array([[0, 0, 1, 1], [1, 0, 2, 1]], float)
    found = attention_maps.shares(torch.tensor([[0.1, 0.3], [0.2, 0.2], [0.0, 0.0]]), places)
    assert found is not None and found.tolist() == pytest.approx([3 / 8, 5 / 8])
    assert attention_maps.shares(torch.zeros(2, 2), places) is None


def test_patches_on_the_image() -> None:
    """Two patches side by side on 4 x 2 pixels, the left one reaching out of the picture; tiles lie on an overview."""
    places = np.array([[-2, 0, 2, 2], [2, 0, 4, 2], [0, 0, 4, 2]], float)
    picture = attention_maps.on_image(np.array([1.0, 2.0, 10.0]), places, (4, 2))
    np.testing.assert_array_equal(picture, [[11, 11, 12, 12]] * 2)
    np.testing.assert_allclose(attention_maps.density(np.array([0.4, 0.2, 0.4]), places), [0.05, 0.05, 0.05])


def test_the_command_hides_what_the_model_looks_at(tiny_folder: Path, tmp_path: Path) -> None:
    """Pairs whose maps are grids of whole patches, with the attention's share as confidence."""
    records = records_in(tmp_path)
    write_jsonl(tmp_path / "records.jsonl", records)
    write_jsonl(tmp_path / "dialogues.jsonl", mau(records, MauOptions()))
    words = ["--records", tmp_path / "records.jsonl", "--dialogues", tmp_path / "dialogues.jsonl", "--map", "attention"]
    out = tmp_path / "pairs.jsonl"
    assert cli.main(["curate", "noise", *map(str, words), "--model", str(tiny_folder), "--out", str(out)]) == 0
    for pair in read_pairs(out):
        noise = pair.rejected_noise
        assert noise and noise.map.grid and 0 < noise.share <= 0.5 and 0 < noise.confidence < 1
