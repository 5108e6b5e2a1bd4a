"""The command for a borrowed GPU, on a CPU: parts are bounded, and saved as they end; wheels are those that lack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import gpu_check, gpu_wheels
from scripts.gpu_check import Config, Part


def figures(folder: Path, part: str) -> dict:
    return json.loads((folder / f"gpu-{part}.json").read_text())


def test_a_part_is_run_in_a_process_of_its_own_and_saved(tmp_path: Path) -> None:
    assert gpu_check.main(Config(device="cpu", tenth=True, out=tmp_path, parts=("machine",)))
    found = figures(tmp_path, "machine")
    assert found["matrix_tflops_bf16"] > 0 and found["copy_gb_per_s"] > 0 and found["versions"]["torch"]


def test_what_fails_is_saved_with_its_reason_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second part is one that the other process does not know, so it ends there with an error."""
    parts = {"nothing": Part(gpu_check.machine, 60, "unknown"), "late": Part(gpu_check.machine, 60, "never begun")}
    monkeypatch.setattr(gpu_check, "PARTS", parts)
    assert not gpu_check.main(Config(device="cpu", out=tmp_path, parts=("nothing",)))
    assert "nothing" in figures(tmp_path, "nothing")["error"]
    assert not gpu_check.main(Config(device="cpu", out=tmp_path, parts=("late",), minutes=0.0))
    assert "time was over" in figures(tmp_path, "late")["error"]


def test_a_part_that_lasts_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python alone takes longer to start than a hundredth of a second."""
    monkeypatch.setattr(gpu_check, "PARTS", {"machine": Part(gpu_check.machine, 60, "ended")})
    found = gpu_check.apart(Config(device="cpu", out=tmp_path, scratch=tmp_path), "machine", left=0.01)
    assert found["error"].startswith("ended after")


def test_unknown_parts_and_a_missing_gpu_are_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check.torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="sees no GPU"):
        gpu_check.main(Config(out=tmp_path))
    with pytest.raises(SystemExit, match="no part dop: there are machine"):
        gpu_check.main(Config(device="cpu", out=tmp_path, parts=("dop",)))


def test_parts_fit_into_their_time() -> None:
    """The most valuable ones, up to the first race, do so even if each takes all of its time."""
    first = list(gpu_check.PARTS)[:3]
    assert first == ["machine", "recipes", "dpo"]
    assert sum(gpu_check.PARTS[name].seconds for name in first) <= 60 * Config().minutes


def test_wheels_are_what_is_needed_and_not_there(tmp_path: Path) -> None:
    needed = gpu_wheels.closure(("unveil[bench]",))
    assert {"torch", "trl", "datasets", "tyro", "pycocotools", "pydantic-core"} <= needed
    have = tmp_path / "have.txt"
    have.write_text("torch==2.11.0\nPydantic_Core==2.0\n# comment\n\n-e something\n")
    assert gpu_wheels.listed(have) == {"torch", "pydantic-core"}
    lacking = needed - gpu_wheels.USUAL
    assert {"tyro", "trl"} <= lacking and not {"torch", "numpy", "transformers"} & lacking
