"""One row for a family, and one entry for a row: the table is what the tests run and what the page tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest
import torch

from scripts import architectures
from unveil.core.box_formats import BOX_FORMATS
from unveil.testing.models import ENTRIES, KINDS, TREES, fresh, parts
from unveil.vlm import masks
from unveil.vlm.families import CLASS_TOKENS, FAMILIES, Family, Grid, ModelError, family_of, profile_of
from unveil.vlm.masks import refusal
from unveil.vlm.patch_grid import GRIDS

DECLARED = {name: entry for name, entry in ENTRIES.items() if entry.model_type in FAMILIES}


def test_every_row_has_an_entry() -> None:
    """So that trees, features, attention and the comparison at the start are tested for each family that has one."""
    assert {entry.model_type for entry in DECLARED.values()} == FAMILIES.keys()
    sharing = {kind for kind, row in FAMILIES.items() if row.shares != "rows"}
    assert {ENTRIES[name].model_type for name in TREES} == sharing


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_of_the_family_that_it_names(name: str) -> None:
    assert parts(name)[0].config.model_type == ENTRIES[name].model_type


def test_what_is_like_another_names_one_that_is_tested() -> None:
    """Of which there is one with its masks and its positions."""
    liked = {entry.like for entry in ENTRIES.values() if entry.like}
    assert liked <= set(KINDS)
    for name, entry in ENTRIES.items():
        if entry.like:
            row, other = FAMILIES[entry.model_type], FAMILIES[ENTRIES[entry.like].model_type]
            asked = ("shares", "both_ways", "first_position", "own_sliding_masks")
            assert [getattr(row, one) for one in asked] == [getattr(other, one) for one in asked], name
            models = [parts(one)[0] for one in (name, entry.like)]
            assert len({hasattr(model.model, "get_rope_index") for model in models}) == 1, name
            assert len({len(set(masks.windows(model))) for model in models}) == 1, name


@pytest.mark.parametrize("name", [name for name in ENTRIES if name not in DECLARED])
def test_an_entry_without_a_row_says_why_it_is_there(name: str) -> None:
    """And cannot be used before the user has named how it writes boxes."""
    entry, config = ENTRIES[name], parts(name)[0].config
    assert entry.needed.startswith("none: ") and not entry.tree
    assert family_of(config) == Family()
    with pytest.raises(ModelError, match=r"how .* models write boxes is not known"):
        profile_of(config)
    assert profile_of(config, entry.box_format).box_format == entry.box_format


@pytest.mark.parametrize("name", DECLARED)
def test_a_tree_is_refused_to_those_entries_that_say_so(name: str) -> None:
    model = fresh(name).model
    assert (refusal(model) is None) == ENTRIES[name].tree
    model.config.model_type = "unheard"
    assert refusal(model) == "unheard models are not known to take a token tree"


def test_what_rows_name_is_there() -> None:
    assert {row.box_format for row in FAMILIES.values()} <= {*BOX_FORMATS, None}
    assert {row.patch_grid for row in FAMILIES.values()} == GRIDS.keys() == set(get_args(Grid))


def test_a_family_whose_prompt_is_seen_both_ways_is_told_where_the_answer_begins() -> None:
    assert [kind for kind, row in FAMILIES.items() if row.prefix] == ["paligemma"]
    assert profile_of(SimpleNamespace(model_type="paligemma")).prefix


def test_what_towers_put_before_patches_is_what_they_put() -> None:
    """As many states more than patches as the table says: a picture of 56 x 56 pixels has 16 patches of 14 x 14."""
    for name in ("llava_clip", "llava_siglip"):
        model = parts(name)[0]
        states = model.model.vision_tower(torch.zeros(1, 3, 56, 56)).last_hidden_state
        assert states.shape[1] == 16 + CLASS_TOKENS[model.config.vision_config.model_type]


def test_the_page_is_what_would_be_written() -> None:
    """Made anew by `python -m scripts.architectures`."""
    text = architectures.PAGE.read_text()
    assert architectures.page(text, architectures.figures()) == text


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="the marks around the table are missing"):
        architectures.page("# Architectures", {})
