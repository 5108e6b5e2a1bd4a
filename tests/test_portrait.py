"""What a model is, told without asking it."""

from __future__ import annotations

from unveil.testing.models import fresh, loaded, parts
from unveil.vlm import portrait
from unveil.vlm.features import Features
from unveil.vlm.scorer import Scorer


def test_runs_of_one_token_are_folded() -> None:
    assert portrait.folded("a <image><image><image><image><image> b") == "a <image> × 5 b"
    assert portrait.folded("<|pad|> <|pad|> <|pad|> <|pad|>\n[IMG][IMG][IMG][IMG][IMG_END]") == (
        "<|pad|> × 4\n[IMG] × 4[IMG_END]"
    )
    assert portrait.folded("<b1><b1><b2> .... nnnn") == "<b1><b1><b2> .... nnnn"


def test_what_declares_a_box_format() -> None:
    """In the order of ``families.profile_of``."""
    config = fresh("gemma3").model.config
    assert portrait.declared_by(config, "unit") == "--box-format"
    assert portrait.declared_by(config, None) == "its family, gemma3"
    config._name_or_path = "google/medgemma-1.5-4b-it"
    assert portrait.declared_by(config, None) == "its name"
    config.unveil = {"box_format": "unit"}
    assert portrait.declared_by(config, None) == "its own configuration"
    assert portrait.declared_by(parts("no_features")[0].config, None) in (None, "its family, deepseek_vl_hybrid")


def test_an_image_that_is_refused_is_told() -> None:
    """Qwen's processors take no image more than 200 times as long as wide."""
    [cost, refused] = portrait.image_costs(loaded("qwen2_5_vl").chat, [(56, 56), (3000, 10)])
    assert cost == {"size": [56, 56], "tokens": 4, "pixels": 56 * 56}
    assert "cannot take 3000 x 10 pixels" in refused["refused"]


def test_what_is_not_supported() -> None:
    """PaliGemma 2 has no tree; what follows from that, and from its boxes being tokens, is told."""
    one = fresh("paligemma2")
    found = portrait.unsupported(
        Scorer(one.model, one.chat, Features(one.model, one.chat.processor.image_processor, 1, trained=()), tree=False)
    )
    why = {entry["what"]: entry["why"] for entry in found}
    assert "make its masks themselves" in why["shared prefix"] and "plain rows" in why["attention maps"]
    assert "answers of a server that gives text alone" in why
