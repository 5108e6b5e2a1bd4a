"""What is no model that can be used is named, by every command in the same words; no code that comes along is run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from tests.conftest import draw
from unveil import cli
from unveil.testing.models import saved
from unveil.vlm import families, imports, models, unfit
from unveil.vlm.families import ModelError, by_name, family_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a fault."""
    return saved("llava_clip", tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def adapter(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on it."""
    folder = tmp_path_factory.mktemp("adapter")
    with imports.calm_peft():
        lora = get_peft_model(
            AutoModelForImageTextToText.from_pretrained(whole),
            LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False),
        )
    lora.save_pretrained(folder)
    return folder


def edited(file: Path, **changes: Any) -> None:
    """Values of a file of JSON; None takes one out."""
    about = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in about.items() if value is not None}))


def without(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).unlink()


def with_code(folder: Path, **changes: Any) -> None:
    code = {"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"}
    edited(folder / "config.json", auto_map=code, **changes)
    for name in ("configuration_own", "modeling_own"):
        (folder / f"{name}.py").write_text(f"open({str(folder / 'it_ran')!r}, 'w')")


def with_code_of_a_processor(folder: Path) -> None:
    edited(folder / "processor_config.json", processor_class="OwnProcessor", auto_map={"AutoProcessor": "own.Own"})
    (folder / "own.py").write_text(f"open({str(folder / 'it_ran')!r}, 'w')")


def with_template(text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


def without_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["language_model.model.layers.1.input_layernorm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def of_another_shape(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["language_model.lm_head.weight"] = weights["language_model.lm_head.weight"][:7].contiguous()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


TEXT_ALONE = "{% for m in messages %}{% for c in m.content if c.type == 'text' %}{{ c.text }}{% endfor %}{% endfor %}"
TEXT_AS_IT_IS = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}"
IMAGE_TWICE = "<image><image>{{ messages[0].content[1].text }}"
IMAGE_ALONE = "{% for m in messages %}<image>{% endfor %}"
FAILS = "{{ messages[0].content + 1 }}"
CUT = "not a whole file of safetensors"
BROKEN_JSON = "config.json: not JSON: "
FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no processor": (lambda f: without(f, "processor_config.json"), "came without its processor"),
    "no tokenizer": (lambda f: without(f, "tokenizer.json"), "came without its tokenizer"),
    "code": (
        lambda f: with_code(f, model_type="own"),
        "code of its own (configuration_own.py, modeling_own.py), which",
    ),
    "code of a processor": (with_code_of_a_processor, "it comes with code of its own (own.py), which is never run"),
    "unknown": (lambda f: edited(f / "config.json", model_type="nobodys"), "its family 'nobodys' is none that"),
    "no family": (lambda f: edited(f / "config.json", model_type=None), "its config.json names no model_type"),
    "blind": (
        lambda f: edited(f / "config.json", model_type="llama"),
        "llama models do not answer questions on images",
    ),
    "LLaVA's layout": (
        lambda f: edited(f / "config.json", model_type="llava_mistral", mm_vision_tower="openai/clip"),
        "`unveil convert model` makes a model of them",
    ),
    "no image": (with_template(TEXT_ALONE), "its chat template leaves out the image"),
    "contents as Python writes them": (with_template(TEXT_AS_IT_IS), "its chat template leaves out the image"),
    "two images": (with_template(IMAGE_TWICE), "its chat template writes the image 2 times"),
    "no question": (with_template(IMAGE_ALONE), "its chat template leaves out the question"),
    "a template that fails": (with_template(FAILS), "its chat template fails on a question about an image"),
    "half a template": (with_template("{% for m in messages %}"), "its chat template fails on a question about an"),
    "half a config.json": (lambda f: (f / "config.json").write_text('{"model_type": '), BROKEN_JSON),
    "a list for a config.json": (
        lambda f: (f / "config.json").write_text("[1]"),
        "config.json holds [1] where an object",
    ),
    "a word for a number": (
        lambda f: edited(f / "config.json", text_config={"model_type": "llama", "hidden_size": "wide"}),
        "cannot be loaded as a vision-language model: StrictDataclassFieldValidationError: Validation error for field",
    ),
    "half a processor": (lambda f: (f / "processor_config.json").write_text("{"), f"processor_{BROKEN_JSON}"),
    "half a tokenizer": (lambda f: (f / "tokenizer.json").write_text("{"), "tokenizer.json: not JSON: "),
}


def asked(model: Path, folder: Path) -> dict[str, list[object]]:
    """The words of commands that load a model, on one question about one image."""
    draw(folder / "a.png", (60, 40), 0)
    row = {
        "record": "r",
        "image": "a.png",
        "kind": "localisation",
        "question": "Where is the cyst?",
        "answer": "<box 1 2 30 20>",
        "target": "cyst",
    }
    rows = [{**row, "id": split, "split": split} for split in ("train", "val", "test")]
    (folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    record = {"id": "r", "image": "a.png", "width": 60, "height": 40}
    (folder / "r.jsonl").write_text(json.dumps(record) + "\n")
    given = ["--dialogues", folder / "d.jsonl", "--model", model]
    return {
        "check-model": ["check-model", model],
        "ask": ["ask", "--image", folder / "a.png", "--model", model],
        "predict": ["predict", *given, "--out", folder / "p.jsonl"],
        "sft": ["train", "sft", *given, "--out", folder / "sft"],
        "grpo": ["train", "grpo", *given, "--records", folder / "r.jsonl", "--out", folder / "grpo"],
    }


def said(words: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    """A command's error, without the line breaks of a narrow screen."""
    capsys.readouterr()
    assert cli.main([str(word) for word in words]) == 1, words
    return " ".join(capsys.readouterr().err.rpartition("error: ")[2].split())


def in_the_same_words(model: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What all commands say of a model."""
    found = {name: said(words, capsys) for name, words in asked(model, folder).items()}
    assert len(set(found.values())) == 1, found
    return found["ask"]


def spoilt(fault: str, whole: Path, folder: Path) -> tuple[Path, str]:
    """A model with a fault, and words that are said of it."""
    spoil, words = FAULTS[fault]
    shutil.copytree(whole, folder)
    spoil(folder)
    return folder, words


@pytest.mark.parametrize("fault", ["no processor", "code", "unknown", "no image"])
def test_all_commands_say_the_same(fault: str, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, words = spoilt(fault, whole, tmp_path / "model")
    told = in_the_same_words(folder, tmp_path, capsys)
    assert words in told and told.startswith(str(folder)) and not (folder / "it_ran").exists()


def test_a_processor_that_needs_torchvision_says_how_to_have_it() -> None:
    """As transformers words it, with a capital or without."""
    for error in ("A processor requires the Torchvision library", "it requires `torchvision` to be installed"):
        assert "pip install 'unveil[video]'" in str(unfit.processor_fault("acme/vl", "acme/vl", ImportError(error)))


@pytest.mark.parametrize("load", [models.load, models.chat_of])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_and_without_weights(
    fault: str, load: Callable[..., Any], whole: Path, tmp_path: Path
) -> None:
    folder, words = spoilt(fault, whole, tmp_path / "model")
    with pytest.raises(ModelError) as told:
        load(folder)
    assert words in str(told.value) and str(told.value).startswith(str(folder)) and not (folder / "it_ran").exists()


def test_a_family_that_is_not_known_here(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is used all the same once its box format is named."""
    monkeypatch.setattr(families, "family_of", lambda config: families.Family())
    words = asked(whole, tmp_path)
    del words["check-model"]  # goes on: its answers may tell
    [told] = {said(one, capsys) for one in words.values()}
    assert told.startswith("how 'llava' models write boxes is not known: name it with --box-format (one of")
    assert models.chat_of(whole, box_format="unit").box_format.name == "unit"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_a_weight, "1 of its weights are in none of its files (model.language_model.layers.1.input_layernorm"),
        (of_another_shape, "1 of its weights have other shapes than its config.json says: lm_head.weight: [7, 32]"),
    ],
    ids=["missing", "shape"],
)
def test_weights_that_are_not_there_are_not_drawn(
    spoil: Callable[[Path], None], words: str, whole: Path, tmp_path: Path
) -> None:
    """Transformers fills them with random numbers and warns, where warnings are not shown."""
    folder = tmp_path / "model"
    shutil.copytree(whole, folder)
    spoil(folder)
    with pytest.raises(ModelError) as told:
        models.load(folder, device="cpu")
    assert words in str(told.value)


def cut_short(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def test_half_a_file_of_weights_is_told_by_all_commands(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A download that broke off, without a traceback and with the file that is to be had again."""
    shutil.copytree(whole, tmp_path / "model")
    cut_short(tmp_path / "model")
    told = in_the_same_words(tmp_path / "model", tmp_path, capsys)
    assert told.startswith(f"{tmp_path / 'model' / 'model.safetensors'}: {CUT} (") and "download it again" in told


def test_the_base_of_an_adapter_is_named_where_it_is_broken(whole: Path, adapter: Path, tmp_path: Path) -> None:
    """Not the adapter, whose own files are whole; and the adapter, where it is that."""
    shutil.copytree(whole, tmp_path / "base")
    shutil.copytree(adapter, tmp_path / "adapter")
    edited(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path=str(tmp_path / "base"))
    cut_short(tmp_path / "base")
    with pytest.raises(ModelError, match=rf"base/model\.safetensors: {CUT}"):
        models.load(tmp_path / "adapter", device="cpu")
    shutil.copytree(adapter, tmp_path / "cut")
    (tmp_path / "cut" / "adapter_model.safetensors").write_bytes(b"\0" * 9)
    with pytest.raises(ModelError, match=rf"cut/adapter_model\.safetensors: {CUT}"):
        models.load(tmp_path / "cut", device="cpu")


def test_an_adapter_config_that_is_no_object(adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also of an input whose digest is taken before it is loaded."""
    shutil.copytree(adapter, tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_config.json").write_text("[1]")
    told = in_the_same_words(tmp_path / "adapter", tmp_path, capsys)
    assert told == f"{tmp_path / 'adapter' / 'adapter_config.json'}: [1] stands where an object is needed"


def test_a_file_is_no_folder(whole: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json: a file, and a folder is needed: name the one that it lies in"):
        models.load(whole / "config.json")


@pytest.mark.parametrize(
    ("pickled", "words"), [(True, r"; pickled weights \(old\.bin\) are never opened"), (False, "")]
)
def test_weights_that_did_not_come(pickled: bool, words: str, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "model")
    without(tmp_path / "model", "model.safetensors")
    if pickled:
        (tmp_path / "model" / "old.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=rf"it came without its weights \(model\.safetensors\){words}$"):
        models.load(tmp_path / "model", device="cpu")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("\nQwen2VLVideoProcessor requires the Torchvision library\nbut it was not found", "unveil[video]': Qwen2VL"),
        ("Can't load video processor for 'a'.", "unveil[video]' (torchvision): Can't"),
        ("no such file", "loaded: no such file"),
    ],
)
def test_what_videos_need_is_named(text: str, hint: str, tmp_path: Path) -> None:
    """As transformers says it of a published folder, with a capital; of one without settings for videos, as a file."""
    told = str(unfit.processor_fault("m", str(tmp_path / "none"), ImportError(text)))
    assert hint in told and "\n" not in told


def test_an_adapter_of_another_base(
    whole: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of another family, whose layers have the same names and shapes here: by what it was made for."""
    shutil.copytree(adapter, tmp_path / "adapter")
    edited(
        tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path=str(saved("gemma3", tmp_path / "other"))
    )
    told = in_the_same_words(tmp_path / "adapter", tmp_path, capsys)
    assert "adapter: an adapter of another base than" in told
    assert "(Gemma3ForConditionalGeneration), which it names as its own: it was made for Llava" in told


def smaller(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of a model with a layer less."""
    return {key: value for key, value in weights.items() if "layers.1" not in key}


def larger(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of a model with a layer more."""
    more = {key.replace("layers.1", "layers.2"): value.clone() for key, value in weights.items() if "layers.1" in key}
    return weights | more


def wider(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of a model that is twice as wide."""
    return {key: torch.cat([value, value], int("lora_A" in key)) for key, value in weights.items()}


@pytest.mark.parametrize("change", [smaller, larger, wider])
def test_an_adapter_that_fits_in_part(change: Callable[..., Any], adapter: Path, tmp_path: Path) -> None:
    """What fits nowhere is let go by peft, and what is missing filled with zeros, with a warning at most."""
    folder = tmp_path / "adapter"
    shutil.copytree(adapter, folder)
    models.load(folder, device="cpu")
    save_file(change(load_file(folder / "adapter_model.safetensors")), folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"an adapter of another base than .* \(LlavaForConditionalGeneration\)"):
        models.load(folder, device="cpu")


def test_a_pickled_adapter_is_not_opened(adapter: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(adapter, folder)
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    without(folder, "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"holds no adapter_model\.safetensors; pickled weights are never opened"):
        models.load(folder, device="cpu")


# ------------------------------------------------------------------------------------------------- models of the field

QWEN_TOWER = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584}
QWEN_TEXT = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    "rope_theta": 1000000.0,
    "sliding_window": 32768,
    "use_sliding_window": False,
}
QWEN = {
    "architectures": ["Qwen2_5_VLForConditionalGeneration"],
    "model_type": "qwen2_5_vl",
    "tie_word_embeddings": False,
    "image_token_id": 151655,
    "video_token_id": 151656,
    "vision_config": QWEN_TOWER,
}
FLAT, NESTED = QWEN | QWEN_TEXT, QWEN | {"text_config": QWEN_TEXT | {"model_type": "qwen2_5_vl_text"}}


@pytest.mark.parametrize(
    ("name", "about"),
    [("Lingshu-7B", FLAT), ("QoQ-Med-VL-7B", FLAT), ("HuatuoGPT-Vision-7B-Qwen2.5VL", NESTED)],
)
def test_medical_models_are_of_the_family_they_are(name: str, about: dict[str, Any], tmp_path: Path) -> None:
    """As they are published, with what the language model is at the top of config.json or within: Qwen2.5-VL's 8.29
    billion weights, boxes in pixels; their own names say nothing else."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(about))
    config = models.configuration(folder)
    assert family_of(config).box_format == "json-pixels" and by_name(config) is None
    assert models.size(folder) == 8_292_166_656


def test_the_first_huatuogpt_vision_is_of_no_family_of_transformers(tmp_path: Path) -> None:
    """Its config.json is of LLaVA's program with a Qwen2, whose code transformers does not have."""
    about = {"model_type": "llava_qwen2", "architectures": ["LlavaQwen2ForCausalLM"], "mm_vision_tower": "./vit"}
    (tmp_path / "config.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match=r"its family 'llava_qwen2' is none that transformers .* has"):
        models.configuration(tmp_path)
