"""The command for a borrowed GPU, on a CPU: parts are bounded, and saved as they end; wheels are those that lack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from scripts import gpu_check, gpu_parts, gpu_wheels
from scripts.gpu_check import Part
from scripts.gpu_config import Config
from tests.conftest import write_dialogues
from unveil.testing.models import loaded


def figures(folder: Path, part: str) -> dict:
    return json.loads((folder / f"gpu-{part}.json").read_text())


def test_a_part_is_run_in_a_process_of_its_own_and_saved(tmp_path: Path) -> None:
    assert gpu_check.main(Config(device="cpu", tenth=True, out=tmp_path, parts=("machine",)))
    found = figures(tmp_path, "machine")
    assert found["matrix_tflops_bf16"] > 0 and found["copy_gb_per_s"] > 0 and found["versions"]["torch"]


def test_what_fails_is_saved_with_its_reason_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second part is one that the other process does not know, so it ends there with an error."""
    parts = {"nothing": Part(gpu_parts.machine, 60, "unknown"), "late": Part(gpu_parts.machine, 60, "never begun")}
    monkeypatch.setattr(gpu_check, "PARTS", parts)
    assert not gpu_check.main(Config(device="cpu", out=tmp_path, parts=("nothing",)))
    assert "nothing" in figures(tmp_path, "nothing")["error"]
    assert not gpu_check.main(Config(device="cpu", out=tmp_path, parts=("late",), minutes=0.0))
    assert "time was over" in figures(tmp_path, "late")["error"]


def test_a_part_that_lasts_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python alone takes longer to start than a hundredth of a second."""
    monkeypatch.setattr(gpu_check, "PARTS", {"machine": Part(gpu_parts.machine, 60, "ended")})
    found = gpu_check.apart(Config(device="cpu", out=tmp_path, scratch=tmp_path), "machine", left=0.01)
    assert found["error"].startswith("ended after")


def test_unknown_parts_and_a_missing_gpu_are_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check.torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="sees no GPU"):
        gpu_check.main(Config(out=tmp_path))
    with pytest.raises(SystemExit, match="no part dop: there are machine"):
        gpu_check.main(Config(device="cpu", out=tmp_path, parts=("dop",)))


def test_the_most_valuable_parts_come_first() -> None:
    """Those that tell right from wrong leave time for the first race even if each takes all of its own."""
    names = list(gpu_check.PARTS)
    assert names == ["machine", "recipes", "flex", "trees", "dpo", "grpo", "fitting", "predict"]
    assert sum(gpu_check.PARTS[name].seconds for name in names[:4]) <= 60 * Config().minutes - 90


def test_all_parts_together_keep_to_the_time(tmp_path: Path) -> None:
    """Of a second and a half: a part under way is ended then, although it may last longer, and no other is begun."""
    given = Config(device="cpu", tenth=True, out=tmp_path, minutes=0.025, parts=("machine", "trees"))
    assert not gpu_check.main(given)
    assert figures(tmp_path, "machine")["error"].startswith("ended after")
    assert "time was over" in figures(tmp_path, "trees")["error"]


# ----------------------------------------------------------------------------------------- parts, in the smallest size


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Config]:
    """In the end a recipe's precision is forgotten, which accelerate keeps for whoever asks next."""
    yield Config(device="cpu", tenth=True, scratch=tmp_path)
    AcceleratorState._reset_state()


def test_trees_are_compared_with_rows(small: Config) -> None:
    """In float32 they differ by rounding, in bfloat16 by about what that costs anyway; the family stays as it was."""
    found = gpu_parts._tree(small, "llava_clip")
    assert found["float32"] < 1e-4 < found["noise"] and found["bf16"] < 10 * found["noise"]
    assert next(loaded("llava_clip").model.parameters()).dtype == torch.float32


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
def test_flex_attention_is_compared_with_sdpa(small: Config) -> None:
    with torch.compiler.set_stance("force_eager"):
        found = gpu_parts._flex(small, "llava_clip")
    assert found["logp_diff"] < 1e-4 and found["sdpa_over_flex"] > 0


def test_a_recipe_is_run_anew_in_a_folder_that_is_used_again(small: Config) -> None:
    """The figures of an earlier run that lie there are not those of this one."""
    folder = write_dialogues(small.folder).parent
    first = gpu_parts.RECIPES["sft"](folder, folder / "out", "lora", "bf16")
    (folder / "out" / "metrics.jsonl").write_text("")
    assert gpu_parts.RECIPES["sft"](folder, folder / "out", "lora", "bf16") == first


def test_answers_are_counted(small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gpu_parts.PRESETS, "3b-tenth", gpu_parts.PRESETS["tiny"])
    found = gpu_parts.predict(small)
    assert found["tokens_per_s"] > 0 and (found["questions"], found["tokens"]) == (4, 8)


def test_wheels_are_what_is_needed_and_not_there(tmp_path: Path) -> None:
    needed = gpu_wheels.closure(("unveil[bench]",))
    assert {"torch", "trl", "datasets", "tyro", "pycocotools", "pydantic-core"} <= needed
    have = tmp_path / "have.txt"
    have.write_text("torch==2.11.0\nPydantic_Core==2.0\n# comment\n\n-e something\n")
    assert gpu_wheels.listed(have) == {"torch", "pydantic-core"}
    lacking = needed - gpu_wheels.USUAL
    assert {"tyro", "trl"} <= lacking and not {"torch", "numpy", "transformers"} & lacking


def test_ways_to_take_less_memory_learn_the_same(small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU those that are not refused there; recomputing changes nothing."""
    monkeypatch.setitem(gpu_parts.PRESETS, "3b-tenth", gpu_parts.PRESETS["tiny"])
    found = gpu_parts.ways_to_fit(small)
    assert set(found["ways"]) == {"lora", "checkpointing"} and "qlora" in found["left_out"]
    assert found["ways"]["checkpointing"]["loss_apart"] < 1e-6 and found["ways"]["lora"]["step_s"] > 0
