"""`unveil convert model`: models of the LLaVA program come out as transformers has them, by the published names.

The reference is LLaVA's own way of computing: the tower's states before its last layer, without the first, through two
linear layers, in the place of the image among the embeddings of a plain language model (``by_hand``).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.helpers import llava_originals
from tests.helpers.llava_originals import TOWER, WIDTH
from unveil import cli
from unveil.core.records import Dialogue
from unveil.testing.models import saved
from unveil.vlm import llava_original, models
from unveil.vlm.families import ModelError
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    """A tiny LLaVA-Med 1.5 as it is published, and its weights."""
    folder = tmp_path_factory.mktemp("original")
    return folder, llava_originals.original(folder)


def converted(source: Path, out: Path, *words: object) -> Loaded:
    assert cli.main([str(word) for word in ("convert", "model", source, "--out", out, *words)]) == 0
    return models.load(out, device="cpu")


def row_of(one: Loaded, folder: Path) -> EncodedExample:
    from tests.conftest import draw

    asked = Dialogue("a", "a", "a.png", "test", "open", "What is it?", "A round cyst.")
    return one.chat.encode(asked, draw(folder / "a.png", (56, 56), 0), with_answer=True)


@torch.no_grad()
def by_hand(one: Loaded, row: EncodedExample, weights: dict[str, Tensor], language: type[Any]) -> Tensor:
    """Log-probabilities of each next token of a row, (T, V), as LLaVA's program computes them."""
    text = language(one.model.config.text_config)
    rows = len(weights["lm_head.weight"])
    text.resize_token_embeddings(rows)
    text.load_state_dict({k: v for k, v in weights.items() if "vision_tower" not in k and "mm_projector" not in k})
    tower = tf.CLIPVisionModel(one.model.config.vision_config)
    [start] = [k.removesuffix("embeddings.class_embedding") for k in tower.state_dict() if "class_embedding" in k]
    tower.load_state_dict({start + k.removeprefix(TOWER): v for k, v in weights.items() if k.startswith(TOWER)})
    seen = tower.eval()(row.seen.tensors["pixel_values"], output_hidden_states=True).hidden_states[-2][0, 1:]
    for i in (0, 2):
        seen = nn.functional.linear(
            seen, weights[f"model.mm_projector.{i}.weight"], weights[f"model.mm_projector.{i}.bias"]
        )
        seen = nn.functional.gelu(seen) if i == 0 else seen
    ids, image = [*row.prompt, *row.answer], one.model.config.image_token_id
    at, end = ids.index(image), len(ids) - ids[::-1].index(image)
    assert end - at == 16
    around = [text.get_input_embeddings()(torch.tensor(part)) for part in (ids[:at], ids[end:])]
    embedded_1TD = torch.cat([around[0], seen, around[1]])[None]
    found: Tensor = text.eval()(inputs_embeds=embedded_1TD).logits[0].log_softmax(-1)
    return found


@torch.no_grad()
def own(one: Loaded, row: EncodedExample) -> Tensor:
    """The same by the converted model, (T, V + 1): its vocabulary has the image's token too."""
    batch: dict[str, Any] = dict(one.chat.batch([row]))
    del batch["labels"]
    found: Tensor = one.model(**batch, use_cache=False).logits[0].log_softmax(-1)
    return found


def check_equal(one: Loaded, row: EncodedExample, weights: dict[str, Tensor], language: type[Any]) -> None:
    """Equal but for the image's token, which takes no more than one token in the vocabulary does on average."""
    expected_TV, found_TW = by_hand(one, row, weights, language), own(one, row)
    rows = expected_TV.shape[1]
    assert found_TW.shape[1] == rows + 1 and one.model.config.image_token_id == rows
    torch.testing.assert_close(found_TW[:, :rows].log_softmax(-1), expected_TV, atol=1e-5, rtol=1e-5)
    assert (found_TW[:, rows].exp() <= 1 / (rows + 1)).all()


def test_llava_med_answers_as_before(original: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> None:
    source, weights = original
    one = converted(source, tmp_path / "out")
    row = row_of(one, tmp_path)
    text = one.chat.decode([*row.prompt, *row.answer]).replace("<image>" * 16, "<image>")
    assert text.startswith("<s>[INST] <image>\nWhat is it?") and text.endswith(" [/INST] A round cyst.</s>")
    check_equal(one, row, weights, tf.MistralForCausalLM)
    config = one.model.config
    assert (config.model_type, config.text_config.model_type) == ("llava", "mistral")
    assert (config.vision_feature_layer, config.vision_feature_select_strategy) == (-2, "default")
    assert config.text_config.rope_parameters["rope_theta"] == 1e6 and config.text_config.sliding_window is None


def test_llava_answers_as_before(tmp_path: Path) -> None:
    """LLaVA-1.5: a Llama, asked in Vicuna's words, and all patches with the first state where the original says so."""
    (tmp_path / "source").mkdir()
    weights = llava_originals.original(tmp_path / "source", model_type="llava_llama", sliding_window=...)
    one = converted(tmp_path / "source", tmp_path / "out")
    row = row_of(one, tmp_path)
    text = one.chat.decode([*row.prompt, *row.answer]).replace("<image>" * 16, "<image>")
    assert text.startswith("<s>A chat between a curious user and an artificial intelligence assistant.")
    assert "questions. USER: <image>\nWhat is it? Answer briefly. ASSISTANT: A round cyst.</s>" in text
    check_equal(one, row, weights, tf.LlamaForCausalLM)


TOWERS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "alone": ("vision_model.", {"model_type": "clip_vision_model"}, False),
    "in CLIP": ("vision_model.", {"model_type": "clip"}, True),
    "in another LLaVA": ("vision_tower.vision_model.", {"model_type": "llava"}, True),
}


@pytest.mark.parametrize("where", TOWERS)
def test_a_tower_of_its_own(where: str, original: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> None:
    """Where it is not among the weights, by its folder, whose configuration tells its heads (4 here, not 1 of 64)."""
    source, weights = original
    shutil.copytree(source, tmp_path / "source")
    llava_originals.write(tmp_path / "source", {k: v for k, v in weights.items() if not k.startswith(TOWER)})
    prefix, about, inside = TOWERS[where]
    tower = {prefix + key: weights[TOWER + key] for key in llava_originals.tower_shapes()}
    more = {"logit_scale": torch.ones(())} if about["model_type"] == "clip" else {}
    seeing = tf.CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        patch_size=14,
        image_size=56,
    ).to_dict()
    (tmp_path / "tower").mkdir()
    save_file(tower | more, tmp_path / "tower" / "model.safetensors")
    said = about | ({"vision_config": seeing} if inside else seeing)
    (tmp_path / "tower" / "config.json").write_text(json.dumps(said))
    with pytest.raises(ModelError, match=r"without the weights of its vision tower, 'openai/clip.*--tower"):
        llava_original.convert(tmp_path / "source")
    one = converted(tmp_path / "source", tmp_path / "out", "--tower", tmp_path / "tower")
    assert one.model.config.vision_config.num_attention_heads == 4
    check_equal(one, row_of(one, tmp_path), weights, tf.MistralForCausalLM)


@pytest.mark.parametrize("name", ["laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "/models/vit", None])
def test_heads_of_another_clip_are_not_guessed(name: str | None, tmp_path: Path) -> None:
    """LAION's ViT-H has 16 heads of 80 and another activation, which no weight tells."""
    llava_originals.original(tmp_path, mm_vision_tower=name)
    with pytest.raises(ModelError, match=r"weights do not tell heads and activation.*--tower"):
        llava_original.convert(tmp_path)


def lacks(name: str) -> Callable[[dict[str, Tensor]], Any]:
    return lambda weights: weights.pop(name)


def gains(name: str) -> Callable[[dict[str, Tensor]], Any]:
    return lambda weights: weights.update({name: torch.ones(3)})


def cut(name: str) -> Callable[[dict[str, Tensor]], Any]:
    return lambda weights: weights.update({name: weights[name][:3].clone()})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lacks("model.mm_projector.2.bias"), "1 weights are missing (model.multi_modal_projector.linear_2.bias)"),
        (lacks("lm_head.weight"), "1 weights are missing (lm_head.weight)"),
        (lacks(f"{TOWER}post_layernorm.bias"), "post_layernorm.bias)"),
        (gains("model.image_newlines"), "the weight model.image_newlines has no place in llava"),
        (
            gains("model.layers.7.mlp.up_proj.weight"),
            "1 weights have no place in llava (model.language_model.layers.7.",
        ),
        (gains(f"{TOWER}head.weight"), "have no place in llava ("),
        (cut("model.norm.weight"), "model.language_model.norm.weight is [3], and config.json says [64]"),
    ],
)
def test_every_weight_is_accounted_for(
    change: Callable[[dict[str, Tensor]], Any],
    words: str,
    original: tuple[Path, dict[str, Tensor]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, weights = original
    shutil.copytree(source, tmp_path / "source")
    changed = dict(weights)
    change(changed)
    llava_originals.write(tmp_path / "source", changed)
    assert cli.main(["convert", "model", str(tmp_path / "source"), "--out", str(tmp_path / "out")]) == 1
    assert words in " ".join(capsys.readouterr().err.split()) and not (tmp_path / "out").exists()


def test_tables_that_models_compute_are_left_out(original: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> None:
    source, weights = original
    shutil.copytree(source, tmp_path / "source")
    tables = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8),
        f"{TOWER}embeddings.position_ids": torch.arange(17)[None],
    }
    llava_originals.write(tmp_path / "source", weights | tables)
    again = llava_original.convert(tmp_path / "source").model.state_dict()
    assert all(
        torch.equal(again[key], value) for key, value in llava_original.convert(source).model.state_dict().items()
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"model_type": "llava_qwen2"},
            "llava_qwen2 models are not converted, only those of llava_mistral, llava_llama",
        ),
        ({"mm_projector_type": "linear"}, "its projector is 'linear', and llava has mlp2x_gelu alone"),
        ({"mm_patch_merge_type": "spatial_unpad"}, "it cuts images into tiles (LLaVA-1.6)"),
        ({"mm_use_im_start_end": True}, "it writes tokens around an image (mm_use_im_start_end)"),
    ],
)
def test_what_llava_cannot_hold_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(llava_originals.CONFIG | changes))
    with pytest.raises(ModelError) as told:
        llava_original.convert(tmp_path)
    assert words in str(told.value)


def test_pickles_and_adapters_are_not_opened(original: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> None:
    source, weights = original
    shutil.copytree(source, tmp_path / "source")
    for file in (tmp_path / "source").glob("*.safetensors"):
        file.unlink()
    torch.save(weights, tmp_path / "source" / "pytorch_model.bin")
    with pytest.raises(
        ModelError, match=r"its weights are pickled \(pytorch_model.bin\), and pickles are never opened"
    ):
        llava_original.convert(tmp_path / "source")
    (tmp_path / "source" / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="an adapter of the LLaVA program: merge it there"):
        llava_original.convert(tmp_path / "source")


def test_a_model_of_transformers_is_no_original(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="llava models are not converted"):
        llava_original.convert(saved("llava_clip", tmp_path))
