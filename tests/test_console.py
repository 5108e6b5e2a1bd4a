"""Progress where nobody looks: plain lines, not too many."""

from __future__ import annotations

import io
import threading
import time

import pytest
from rich.console import Console

from unveil.core import console
from unveil.core.console import keeping, lasting, progress


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


def test_more_steps_than_thought_are_told_without_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    """Slices of two files: 259 of 157, or 30 of none, would be nonsense, and so would be less than no time left."""
    now = 0.0
    with progress("ingest", 2, clock=lambda: now) as advance:
        for _ in range(5):
            now += 20.0
            advance()
    told = capsys.readouterr().err.splitlines()
    assert told == ["ingest  0/2", "ingest  3  for 60 s", "ingest  5  for 2 min", "ingest  5  in 2 min"]
    with progress("ingest", 0, clock=lambda: 0.0) as advance:
        advance(30)
    assert capsys.readouterr().err == ""


def test_a_step_that_takes_long_is_told_by_the_clock(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step is made, and none of what goes on within one; the clock tells of both."""
    told = threading.Semaphore(0)
    said: list[str] = []
    monkeypatch.setattr(console, "EVERY", 0.01)
    monkeypatch.setattr(console, "say", lambda line: (said.append(line), told.release()))
    with progress("train sft", 8) as advance:
        advance(note="loss 0.700")
        with progress("validation", 80) as answered:
            answered(16)
            while not any("validation" in line for line in said):
                assert told.acquire(timeout=60)
    assert said[0] == "train sft  0/8" and said[-1].startswith("train sft  1/8  loss 0.700  in ")
    inner = next(line for line in said if "validation" in line)
    assert inner.startswith("train sft  1/8  loss 0.700  ") and inner.endswith("  validation  16/80")
    assert not any(line.startswith("validation") for line in said), "the outer line speaks for both"


def test_what_comes_after_the_last_step_is_told_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the saving of a model. It looks at the clock as often as it has a line to tell, and a little more."""
    told, looks = threading.Semaphore(0), 0
    said: list[str] = []

    def clock() -> float:
        nonlocal looks
        looks += 1
        told.release()
        return time.monotonic()

    monkeypatch.setattr(console, "EVERY", 0.01)
    monkeypatch.setattr(console, "say", said.append)
    with progress("train sft", 1, clock=clock) as advance:
        advance()
        while len(said) < 6 and looks < 200:
            assert told.acquire(timeout=60)
    assert len(said) >= 6 and set(said[1:-1]) == {"train sft  1/1  for 0 s"} and said[-1] == "train sft  1/1  in 0 s"


def test_work_without_steps_is_told_only_if_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    """20 s are silent; of 40 s the first 30 are told, and the end."""
    now = 0.0
    with progress("load tiny", None, clock=lambda: now):
        now = 20.0
    assert capsys.readouterr().err == ""
    with progress("load tiny", None, clock=lambda: now) as advance:
        for _ in range(4):
            now += 10.0
            advance()
    assert capsys.readouterr().err.splitlines() == ["load tiny  for 30 s", "load tiny  in 40 s"]


def test_after_an_error_the_next_work_is_told_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), progress("predict", 2):
        raise ValueError("broken")
    with progress("score", 1) as advance:
        advance()
    assert capsys.readouterr().err.splitlines() == ["predict  0/2", "score  0/1", "score  1/1  in 0 s"]


def test_a_terminal_has_a_bar_within_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes on within leaves nothing behind, nor does what has no steps."""
    screen = Console(file=io.StringIO(), force_terminal=True, width=120, highlight=False)
    monkeypatch.setattr(console, "console", screen)
    with progress("train sft", 8) as advance:
        with progress("validation", 80) as answered, progress("save", None):
            answered(16)
            console._bars[0].refresh()
            assert [task.description for task in console._bars[0].tasks] == ["train sft", "validation", "save"]
        advance(note="loss 0.700")
        assert [task.description for task in console._bars[0].tasks] == ["train sft"]
    with progress("load tiny", None):
        pass
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "16/80" in shown and "loss 0.700" in shown and not console._bars


@pytest.mark.parametrize(("seconds", "words"), [(59.6, "60 s"), (180, "3 min"), (9000, "2.5 h")])
def test_times_in_words(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


def test_who_stops_is_told_what_is_kept_then_and_no_other_end_is() -> None:
    done = [1]
    with pytest.raises(KeyboardInterrupt) as stopped, keeping(lambda most: f"{len(done)} of {most} are kept", 9):
        done.append(2)
        raise KeyboardInterrupt
    assert stopped.value.__notes__ == ["2 of 9 are kept"]
    with pytest.raises(ValueError, match="bad") as failed, keeping(lambda: "nothing"):
        raise ValueError("bad")
    assert not hasattr(failed.value, "__notes__")
