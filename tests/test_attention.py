"""Maps from a model's attention: whose rows they are, that they lie on the right patches, and what refuses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import dialogue, draw, records_in

from bench.families import FAMILIES, fresh, loaded
from unveil import attention, cli
from unveil.curate.mau import Rules, mau
from unveil.preferences import read_pairs
from unveil.profiles import ModelError
from unveil.records import write_jsonl
from unveil.syntax import SYNTAXES, View

GRIDS = [name for name in FAMILIES if loaded(name).model.config.model_type in attention.GRIDS]
SHORT = "llava_mistral"  # its window ends before the image here


@pytest.mark.parametrize("name", [name for name in GRIDS if name != SHORT])
def test_shares_are_those_of_the_eager_model(name: str, tmp_path: Path) -> None:
    """Rows of the answer's words, columns of the image's tokens, each row divided by its sum, then the mean over words,
    heads and the middle third of the layers: computed here in another order, from the weights of the whole model."""
    copy = fresh(name)
    image = draw(tmp_path / "a.png", (96, 64), 3)
    row = copy.chat.encode(dialogue("d", image.name, "Where is it?", "There, on the left."), image, True)
    shares = attention.looked_at(copy, row)
    assert (
        shares.sum() == pytest.approx(1)
        and (shares >= 0).all()
        and shares.size
        == len(row.seen.block) - sum(token != copy.model.config.image_token_id for token in row.seen.block)
    )
    copy.model.set_attn_implementation("eager")
    batch = copy.chat.batch([row])
    at = (batch["input_ids"][0] == copy.model.config.image_token_id).nonzero()[:, 0]
    del batch["labels"]
    with torch.no_grad():
        layers = copy.model(**batch, output_attentions=True).attentions
    middle = layers[len(layers) // 3 : len(layers) - len(layers) // 3] or layers
    words = range(len(row.prompt), len(row) - len(copy.chat.end))
    mean = np.zeros(len(at))
    for layer in middle:
        for head in layer[0]:
            for word in words:
                weights = head[word, at].double().numpy()
                mean += weights / weights.sum() / (len(middle) * len(layer[0]) * len(words))
    np.testing.assert_allclose(shares.ravel(), mean, atol=1e-6)


def test_an_image_out_of_reach_is_said_to_be(tmp_path: Path) -> None:
    copy, image = fresh(SHORT), draw(tmp_path / "a.png", (96, 64), 3)
    row = copy.chat.encode(dialogue("d", image.name, "Where is it?", "There, on the left."), image, True)
    with pytest.raises(ModelError, match="d: the image is out of reach"):
        attention.looked_at(copy, row)


def test_a_grid_lies_on_the_image_without_its_padding() -> None:
    """An image of 4 x 2 pixels stands padded in a square of 4 x 4, one row of padding above it: its own rows are 1
    and 2 of four. A grid of 2 x 2 over the square: the image's upper row lies in the grid's upper row, its lower in the
    lower; columns 0 and 1 in the left, 2 and 3 in the right."""
    grid = np.array([[1.0, 2.0], [3.0, 4.0]])
    padded = View(SYNTAXES["unit-square"], (4, 2), (4, 2))
    np.testing.assert_array_equal(attention.on_image(grid, padded), [[1, 1, 2, 2], [3, 3, 4, 4]])
    plain = View(SYNTAXES["unit"], (4, 2), (4, 2))
    np.testing.assert_array_equal(attention.on_image(grid, plain), [[1, 1, 2, 2], [3, 3, 4, 4]])


def test_the_model_is_left_as_it_was() -> None:
    copy = loaded("llava_siglip")
    before = copy.model.config.get_text_config()._attn_implementation
    with pytest.raises(RuntimeError), attention._eager(copy.model):
        raise RuntimeError
    assert copy.model.config.get_text_config()._attn_implementation == before


def test_tiles_are_no_grid() -> None:
    for name in sorted(set(FAMILIES) - set(GRIDS)):
        with pytest.raises(ModelError, match="cut an image into tiles"):
            attention.patch_grid_refusal(loaded(name))


def test_the_command_hides_what_the_model_looks_at(tiny_folder: Path, tmp_path: Path) -> None:
    """Pairs whose maps are grids of whole patches, with the attention's share as confidence."""
    records = records_in(tmp_path)
    write_jsonl(tmp_path / "records.jsonl", records)
    write_jsonl(tmp_path / "dialogues.jsonl", mau(records, Rules()))
    words = ["--records", tmp_path / "records.jsonl", "--dialogues", tmp_path / "dialogues.jsonl", "--map", "attention"]
    out = tmp_path / "pairs.jsonl"
    assert cli.main(["curate", "noise", *map(str, words), "--model", str(tiny_folder), "--out", str(out)]) == 0
    for pair in read_pairs(out):
        noise = pair.rejected_noise
        assert noise and noise.map.grid and 0 < noise.share <= 0.5 and 0 < noise.confidence < 1
