"""`unveil check-model` on a tiny model of every family: what it finds, what it says, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from unveil import cli
from unveil.core.box_formats import BOX_FORMATS
from unveil.pipelines import check_model, check_model_words
from unveil.pipelines.check_model import Config
from unveil.testing.models import ENTRIES, fresh, saved
from unveil.train import resources
from unveil.vlm import families, models
from unveil.vlm.families import FAMILIES, Family
from unveil.vlm.features import Features

#: The fewest of what it can be told, memory left out, which has tests of its own over all families.
QUICK = Config(images=2, max_new_tokens=6, batch_size=0)


@pytest.mark.parametrize("name", ENTRIES)
def test_every_family(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is used agrees in both precisions; a token tree is used where one is grown."""
    one, entry = fresh(name), ENTRIES[name]
    weights = one.model.num_parameters()
    found = check_model.looked_at(one, None, QUICK, 0)
    parts = {(c["what"], c["precision"]): c for c in found["agreement"]}
    assert found["agrees"] and len(parts) == 8 and found["known"] == (entry.model_type in FAMILIES)
    assert all(parts["log-probabilities", p]["agrees"] and parts["sampling", p]["agrees"] for p in QUICK.precisions)
    assert all(parts["shared prefix", p]["agrees"] is (True if entry.tree else None) for p in QUICK.precisions)
    assert [one["box_format"] for one in found["boxes"]["asked"]] == list(BOX_FORMATS)
    assert sum(found["parts"].values()) == weights and found["lora"]
    assert ("Where is the nodule?" in found["chat"] and "×" in found["chat"]) or name in ("minicpmv4_6", "mllama")
    assert all(cost["tokens"] > 0 for cost in found["image_tokens"])
    json.dumps(found, allow_nan=False)
    check_model_words.told(found)
    said = capsys.readouterr().err
    assert said.endswith("the engine agrees with the model's own forward pass\n") and found["chat"] in said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved("llava_clip", tmp_path_factory.mktemp("llava"))


def checked(folder: Path, *words: object) -> int:
    given = ["check-model", folder, "--images", "2", "--max-new-tokens", "4", *words]
    return cli.main([str(word) for word in given])


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON beside the words, with what made it; made again at every call. 16 patches of 14 pixels, 32 tokens wide."""
    file = tmp_path / "found.json"
    assert checked(folder, "--json", file, "--batch-size", 2, "--image-size", 64, 64) == 0
    found, said = json.loads(file.read_text()), capsys.readouterr().err
    about = json.loads((tmp_path / "found.json.run.json").read_text())
    assert about["command"] == "check-model" and about["model"] == found["fingerprint"]
    assert (found["family"], found["known"], found["agrees"]) == ("llava", True, True)
    assert found["chat"].startswith("<s>USER: <image> × 16\nWhere is the nodule?") and found["chat"] in said
    assert [cost["tokens"] for cost in found["image_tokens"]] == [16] * 4
    assert found["boxes"]["declared"] == "unit-square" and found["boxes"]["by"] == "its family, llava"
    assert found["lora"] == dict.fromkeys(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), 2
    )
    sft, dpo, grpo = found["memory"]
    assert (sft["recipe"], dpo["recipe"], grpo["recipe"]) == ("sft", "dpo", "grpo")
    assert sft["bytes"] < dpo["bytes"] < grpo["bytes"] and sft["image_tokens"] == 16 and sft["method"] == "full"
    assert "--image-tokens, --max-pixels" in {one["what"] for one in found["not_supported"]}
    assert checked(folder, "--json", file, "--batch-size", 0, "--precisions", "float32", "--restart") == 0
    assert {one["precision"] for one in json.loads(file.read_text())["agreement"]} == {"float32"}


def test_memory_is_told_beside_what_was_free_before_the_model_was_loaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training loads a model of its own, and this one has gone by then."""
    free, load = [7 * 10**9], models.load
    monkeypatch.setattr(resources, "free_memory", lambda device: free[-1])
    monkeypatch.setattr(models, "load", lambda *given, **how: free.append(10**9) or load(*given, **how))
    file = tmp_path / "found.json"
    assert checked(folder, "--json", file, "--images", 0, "--batch-size", 1, "--precisions", "float32") == 0
    assert {one["free"] for one in json.loads(file.read_text())["memory"]} == {7 * 10**9}


def test_an_engine_that_is_wrong_is_told_and_ends_with_1(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Features in another order are those of another image: all that is computed with them differs."""
    real = Features._encode

    def turned(self: Any, tensors: Any) -> Any:
        found = real(self, tensors)
        return replace(found, pooled=[part.flip(-2) for part in found.pooled])

    monkeypatch.setattr(Features, "_encode", turned)
    assert checked(folder, "--batch-size", 0, "--precisions", "float32") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(
        "the engine does not agree with the model's own forward pass: log-probabilities in float32 ("
    )
    assert "shared prefix in float32 (" in said and "image features in float32 (" in said


def test_what_cannot_be_computed_is_told_with_its_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, tensors: Any) -> Any:
        raise KeyError("pixel_values")

    monkeypatch.setattr(Features, "_encode", broken)
    one = models.load(folder, device="cpu")
    found = check_model.looked_at(one, None, replace(QUICK, images=0), 0)
    assert not found["agrees"] and found["boxes"]["asked"] == []
    assert check_model_words.verdict(found).count("KeyError: 'pixel_values'") == 8
    json.dumps(found, allow_nan=False)


def test_a_lack_of_memory_is_no_disagreement(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def greedy(self: Any, tensors: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Features, "_encode", greedy)
    assert checked(folder, "--batch-size", 0) == 1
    assert "error: out of memory: --precisions bf16 takes half of it" in capsys.readouterr().err


def test_an_unknown_family_is_looked_at_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words that every command has for it; its answers may tell how it writes boxes."""
    monkeypatch.setattr(families, "family_of", lambda config: Family())
    assert checked(folder, "--batch-size", 0, "--precisions", "float32") == 0
    said = capsys.readouterr().err
    assert "how 'llava' models write boxes is not known: name it with --box-format (one of json-pixels" in said
    assert "It declares" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--precisions"], "--precisions: float32, bf16 or both are needed"),
        (["--image-size", 64, 0], "--image-size 0: a whole number from 1 on is needed"),
    ],
)
def test_options_that_leave_nothing(
    words: list[object], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(folder, *words) == 1
    assert f"error: {said}" in capsys.readouterr().err


def test_as_many_images_as_are_asked_for() -> None:
    """One too, although two are drawn to compare."""
    found = check_model.looked_at(fresh("llava_clip"), None, replace(QUICK, images=1, precisions=("float32",)), 0)
    assert {one["n"] for one in found["boxes"]["asked"] if "n" in one} == {1}


# ----------------------------------------------------------------------------------------------------------- verdicts


def gap(interval: Any, sure: bool) -> dict[str, Any]:
    return {"iou": 0.3, "interval": interval, "sure": sure}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"best": None, "declared": "unit"}, "It gives no box that touches the abnormality in any dialect"),
        ({"best": "unit", "declared": "unit"}, "It answers best in unit, as it declares."),
        ({"best": "unit", "declared": None}, "It answers best in unit: --box-format unit says so."),
        (
            {
                "best": "unit",
                "declared": "internvl",
                "beyond_declared": {"iou": 0.3, "interval": (0.1, 0.5), "sure": True},
            },
            "not in internvl as it declares (+0.30 [0.10, 0.50] of IoU beyond internvl): try --box-format unit",
        ),
        (
            {
                "best": "unit",
                "declared": "internvl",
                "beyond_declared": {"iou": 0.3, "interval": "fewer", "sure": False},
            },
            "which so few images do not tell from internvl, as it declares",
        ),
    ],
)
def test_what_is_said_of_the_dialect(found: dict[str, Any], words: str) -> None:
    assert words in check_model_words.answers_in(found)


def test_pictures_hold_one_abnormality_where_it_is_said_to_be() -> None:
    """Of four modalities in turn; every second one is cropped, its box with it, so that not all are square."""
    found = check_model.drawn(8, seed=0)
    assert found[0].pixels.shape == (256, 256, 3) and any(one.pixels.shape[0] < 256 for one in found[1::2])
    whole = check_model.dataset.draw_one(check_model.dataset.Patient(0, 1))[0]
    for one in found:
        height, width, _ = one.pixels.shape
        x1, y1, x2, y2 = one.box
        assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    x1, y1, x2, y2 = map(int, found[1].box)
    top = 256 - found[1].pixels.shape[0]
    at = torch.from_numpy(whole.findings[0].mask).nonzero().min(0).values.tolist()
    assert [x2 - x1, x1] == [int(whole.findings[0].mask.any(0).sum()), at[1]] and y1 in (at[0], at[0] - top)
