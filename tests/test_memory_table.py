"""The table of memory and time is what the footprints say, and these are what is found."""

from __future__ import annotations

import re
from dataclasses import asdict

from scripts import memory_table


def test_the_page_is_what_the_script_writes() -> None:
    text = memory_table.PAGE.read_text(encoding="utf-8")
    assert memory_table.page(text, memory_table.recorded(), memory_table.measured()) == text
    assert text.count("(computed)") == len(memory_table.MODELS) * len(memory_table.METHODS) * len(memory_table.CARDS)


def test_the_readme_says_what_the_page_says() -> None:
    """Of a 7B model, on the two larger cards, and on the smallest with 4 bits."""
    [line] = re.findall(r"^\| Qwen2.5-VL 7B, LoRA .*$", memory_table.PAGE.read_text(encoding="utf-8"), re.M)
    [l40s, h100] = re.findall(r": (\d+) GB, (\d+) min", line)
    said = " ".join((memory_table.PAGE.parents[2] / "README.md").read_text(encoding="utf-8").split())
    assert f"takes {l40s[0]} GB and {l40s[1]} minutes on an L40S, {h100[0]} GB and {h100[1]} minutes on an H100" in said
    [packed] = re.findall(
        r"^\| Qwen2.5-VL 7B, QLoRA .*?: (\d+) GB, (\d+) min", memory_table.PAGE.read_text("utf-8"), re.M
    )
    assert f"`--method qlora` {packed[0]} GB and {packed[1]} minutes on an RTX 4090" in said


def test_every_model_was_measured_in_every_way() -> None:
    found = [(one["preset"], one["method"], one["checkpointing"]) for one in memory_table.measured()]
    assert found == [(name, *way) for name in memory_table.TRIED_ON for way in memory_table.WAYS]


def test_an_error_is_what_was_foretold_over_what_was_measured() -> None:
    for one in memory_table.measured():
        assert one["error"] == round(one["foretold"] / one["tensors"] - 1, 3)


def test_a_footprint_that_was_kept_is_found_again() -> None:
    """That of the smallest model, with layers that recompute, which takes the least time to find."""
    name = memory_table.MODELS["Qwen2.5-VL 3B"]
    again = memory_table.found(memory_table.config(name, gradient_checkpointing=True))
    assert asdict(again) == memory_table.recorded()[memory_table.key(name, "lora", recomputing=True)]
