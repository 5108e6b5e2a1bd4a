"""A default that has taken in more since an older version: what that version made is there already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from unveil.core.provenance import OutputError, output
from unveil.evaluate.options import PredictOptions
from unveil.train.options import SftOptions


@dataclass(frozen=True)
class Config:
    """A command's options, as they were."""

    out: Path
    names: tuple[str, ...] = ("a",)
    restart: bool = False


@dataclass(frozen=True)
class Grown(Config):
    """The same since."""

    former: ClassVar = {"names": ("a",)}
    names: tuple[str, ...] = ("a", "b")


def make(config: Config) -> bool:
    """Whether there was anything to do."""
    with output(config.out, "curate", config, []) as made:
        if made is None:
            return False
        config.out.write_text("made")
        made.write()
    return True


def test_a_default_that_took_in_more_makes_no_other_output(tmp_path: Path) -> None:
    """The older version asked all that it knew; who asks for one thing now asks for something else."""
    old = Config(tmp_path / "out.jsonl")
    assert make(old) and not make(Grown(old.out)) and not make(Grown(old.out, names=("a",)))
    with pytest.raises(OutputError, match="names a -> b"):
        make(replace(Grown(old.out), names=("b",)))


@pytest.mark.parametrize("options", [PredictOptions, SftOptions])
def test_questions_for_reports_are_what_was_taken_in(options: type) -> None:
    """An older version knew no such questions, so that files which it has answered hold none."""
    now = next(field.default for name, field in options.__dataclass_fields__.items() if name == "kinds")
    assert {*now} - {*options.former["kinds"]} == {"report"}


def test_attention_that_is_chosen_by_itself_is_what_was_usual(tmp_path: Path) -> None:
    """A model that an older version has trained is there already; one that was asked for otherwise is another."""
    given: dict[str, Any] = {"dialogues": tmp_path / "d.jsonl", "out": tmp_path / "out"}
    (tmp_path / "d.jsonl").write_text("")

    def there(attention: Any) -> bool:
        with output(given["out"], "train sft", SftOptions(**given, attention=attention), [], ("model",)) as made:
            if made is not None:
                (given["out"] / "model").write_text("")
                made.write()
        return made is None

    assert not there("sdpa") and there("auto") and there("sdpa")
    with pytest.raises(OutputError, match="attention sdpa -> eager"):
        there("eager")
