"""Progress where nobody looks: plain lines, not too many."""

from __future__ import annotations

import pytest

from unveil.core.console import lasting, progress


def test_a_log_gets_a_line_every_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """Of 640 updates, 40 done before: 10 s each, so that every third one is told, with 600 s for 60 of them."""
    now = 0.0
    with progress("train sft", 100, 40, clock=lambda: now) as advance:
        for step in range(60):
            now += 10.0
            advance(note=f"loss {step / 10:.3f}")
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "train sft  40/100" and told[-1] == "train sft  100/100  loss 5.900  in 10 min"
    assert told[1] == "train sft  43/100  loss 0.200  0.1/s  left 10 min"
    assert len(told) == 2 + 19, "after 30, 60, ... 570 s; the last one ends it"
    assert not any(character in "".join(told) for character in "\r\x1b")


def test_what_is_over_soon_takes_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("predict", 2, clock=lambda: 0.0) as advance:
        advance(2)
    assert capsys.readouterr().err.splitlines() == ["predict  0/2", "predict  2/2  in 0 s"]
    with progress("predict", 2, show=False) as advance:
        advance(2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "words"), [(59.6, "60 s"), (180, "3 min"), (9000, "2.5 h")])
def test_times_in_words(seconds: float, words: str) -> None:
    assert lasting(seconds) == words
