"""The table of memory and time is what the footprints say, and these are what is found."""

from __future__ import annotations

from dataclasses import asdict

from scripts import memory_table


def test_the_page_is_what_the_script_writes() -> None:
    text = memory_table.PAGE.read_text(encoding="utf-8")
    assert memory_table.page(text, memory_table.recorded()) == text
    assert text.count("(computed)") == len(memory_table.MODELS) * len(memory_table.CARDS)


def test_a_footprint_that_was_kept_is_found_again() -> None:
    """That of the smallest model, with layers that recompute, which takes the least time to find."""
    name = memory_table.MODELS["Qwen2.5-VL 3B"]
    again = memory_table.found(memory_table.config(name, gradient_checkpointing=True))
    assert asdict(again) == memory_table.recorded()[memory_table.key(name, recomputing=True)]
