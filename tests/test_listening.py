"""Who hears an answer while it is written: each token of it, in order, and it ends when they say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import draw
from unveil.evaluate.ask import ask
from unveil.vlm.engine import load
from unveil.vlm.listening import Stopped, heard


def test_what_is_heard_is_the_answer_and_stopping_leaves_the_model_as_it_was(tmp_path: Path, tiny_folder: Path) -> None:
    image, engine, tokens = draw(tmp_path / "a.png", (32, 32), 1), load(tiny_folder), []
    before = ask(engine, image, max_new_tokens=6)
    with heard(lambda ids: tokens.extend(ids)):
        assert ask(engine, image, max_new_tokens=6) == before
    assert 1 <= len(tokens) <= 6

    def end(ids: list[int]) -> None:
        raise Stopped

    with pytest.raises(Stopped), heard(end):
        ask(engine, image, max_new_tokens=6)
    assert ask(engine, image, max_new_tokens=6) == before
