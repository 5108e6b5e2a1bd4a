"""Models saved as they are published: names that released servers read, and the same logits from what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForImageTextToText, AutoTokenizer

from tests.conftest import dialogue
from unveil.core.untrusted import read_json
from unveil.testing.models import fresh
from unveil.vlm import released
from unveil.vlm.models import Loaded

#: A name that each family is published with, by the checkpoints of its authors.
PUBLISHED = {
    "llava_siglip": "vision_tower.vision_model.embeddings.patch_embedding.weight",
    "llava_next": "vision_tower.vision_model.encoder.layers.0.layer_norm1.weight",
    "qwen2_5_vl": "visual.blocks.0.norm1.weight",
    "qwen3_5": "model.language_model.embed_tokens.weight",
    "gemma3": "language_model.model.embed_tokens.weight",
    "gemma4": "model.language_model.layers.0.self_attn.q_proj.weight",
    "paligemma": "vision_tower.vision_model.post_layernorm.weight",
    "lfm2_vl": "model.vision_tower.vision_model.post_layernorm.weight",
    "internvl": "language_model.model.layers.0.mlp.up_proj.weight",
}


def names(folder: Path) -> set[str]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return set(file.keys())


def logits(model: Any, loaded: Loaded) -> torch.Tensor:
    seen = loaded.chat.process(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    row = loaded.chat.encode(dialogue("d", "0.png", "Is there a nodule?"), seen, with_answer=False)
    batch = loaded.chat.batch([row])
    del batch["labels"]
    with torch.no_grad():
        found: torch.Tensor = model(**batch).logits
    return found


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_written_is_the_same_model_under_its_published_names(name: str, tmp_path: Path) -> None:
    loaded = fresh(name)
    released.save(loaded.model, loaded.chat, tmp_path)
    assert PUBLISHED[name] in names(tmp_path)
    again, about = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(about.values())
    assert again.state_dict().keys() == loaded.model.state_dict().keys()
    assert all(torch.equal(again.state_dict()[key], value) for key, value in loaded.model.state_dict().items())
    torch.testing.assert_close(logits(again.eval(), loaded), logits(loaded.model, loaded), rtol=0, atol=1e-5)
    words = AutoTokenizer.from_pretrained(tmp_path)
    assert words("Is there a nodule?")["input_ids"] == loaded.chat.tokenizer("Is there a nodule?")["input_ids"]


def test_names_do_not_depend_on_what_was_read(tmp_path: Path) -> None:
    """transformers itself writes a model under the names that it was read by: SigLIP's as published or not."""
    loaded = fresh("llava_siglip")
    loaded.model.save_pretrained(tmp_path / "own")
    assert PUBLISHED["llava_siglip"] not in names(tmp_path / "own")
    read = AutoModelForImageTextToText.from_pretrained(tmp_path / "own")
    released.save(read, loaded.chat, tmp_path / "released")
    read.save_pretrained(tmp_path / "after")
    assert PUBLISHED["llava_siglip"] in names(tmp_path / "released")
    assert names(tmp_path / "after") == names(tmp_path / "own"), "the model is left as it was"


def test_positions_are_told_by_the_older_names_too() -> None:
    """Else transformers 4 takes the base of positions from its defaults, without a word: 10 000 for this 1 000 000."""
    text = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}, "tie_word_embeddings": False}
    found = released.completed({"dtype": "bfloat16", "tie_word_embeddings": True, "text_config": text})
    assert found["torch_dtype"] == "bfloat16" and found["text_config"]["rope_theta"] == 1e6
    assert "rope_scaling" not in found["text_config"] and found["text_config"]["tie_word_embeddings"] is True


def test_positions_of_sections_and_of_sliding_layers() -> None:
    mrope = {"rope_type": "default", "rope_theta": 5.0, "mrope_section": [2, 3, 3]}
    found = released.completed({"rope_parameters": mrope})
    assert found["rope_scaling"] == {"rope_type": "default", "mrope_section": [2, 3, 3]} and found["rope_theta"] == 5
    layers = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 7.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 3.0},
    }
    found = released.completed({"rope_parameters": layers})
    assert (found["rope_theta"], found["rope_local_base_freq"]) == (7.0, 3.0)
    assert found["rope_scaling"] == {"rope_type": "linear", "factor": 8.0}


def test_positions_that_older_readers_do_not_have_are_told_once() -> None:
    """A second time they would be read in the place of those of each type of layer, and the model not be loaded."""
    full = {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 7.0}
    config = {"rope_parameters": {"full_attention": full, "sliding_attention": {"rope_theta": 3.0}}}
    assert released.completed(config) == config


def test_tokenizers_and_image_processors_stand_where_older_readers_look(tmp_path: Path) -> None:
    loaded = fresh("llava_siglip")
    released.save_processor(loaded.chat, tmp_path)
    told = read_json(tmp_path / "tokenizer_config.json")
    assert told["tokenizer_class"] == "PreTrainedTokenizerFast"
    own = {"extra_special_tokens": [], "model_specific_special_tokens": {"image_token": "<image>"}}
    assert released.older_tokenizer(own)["extra_special_tokens"] == {"image_token": "<image>"}
    images = read_json(tmp_path / "preprocessor_config.json")
    assert images["image_processor_type"] == "SiglipImageProcessor" and images["processor_class"] == "LlavaProcessor"
    more = {"tokenizer_class": "Qwen2Tokenizer", "extra_special_tokens": ["<a>"]}
    assert released.older_tokenizer(more) == {
        "tokenizer_class": "Qwen2Tokenizer",
        "extra_special_tokens": {},
        "additional_special_tokens": ["<a>"],
    }


def test_a_family_without_a_template_is_written_with_ours(tmp_path: Path) -> None:
    loaded = fresh("paligemma")
    assert loaded.chat.processor.chat_template is None
    released.save_processor(loaded.chat, tmp_path)
    assert (tmp_path / "chat_template.jinja").read_text() == loaded.chat.profile.template
