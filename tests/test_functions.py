"""Commands as functions of their options."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from unveil.core.functions import function
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.paths import PathError
from unveil.core.records import RecordError


@dataclass(frozen=True)
class Inner:
    share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Config:
    """Do nothing but tell the options."""

    out: OutputFile
    """Where to."""
    data: InputFile | None = None
    """Where from."""
    names: tuple[str, ...] = ()
    """Which ones."""
    epochs: float = 3.0
    """How often."""
    inner: Inner = field(default_factory=Inner)
    """How much."""


def main(config: Config) -> Config:
    """Returns them."""
    return config


told = function("told", Config, main)


def test_options_are_those_of_the_configuration() -> None:
    assert told(out=Path("a"), names=("x",)) == Config(out=Path("a"), names=("x",))


def test_values_are_taken_as_a_run_json_has_them() -> None:
    """A path may be a string, a list stand for a tuple, a whole number for one with decimals."""
    assert told(out="a", names=["x", "y"], epochs=1) == Config(out=Path("a"), names=("x", "y"), epochs=1.0)  # type: ignore[arg-type]


def test_a_group_of_options_is_handed_on_whole() -> None:
    assert told(out=Path("a"), inner=Inner(0.25)).inner == Inner(0.25)


def test_a_value_of_another_type_is_named() -> None:
    with pytest.raises(RecordError, match=r"^unveil\.told\.epochs: float is needed, not 'many'"):
        told(out=Path("a"), epochs="many")  # type: ignore[arg-type]


def test_a_path_that_cannot_be_what_it_is_for_is_told_before_the_work(tmp_path: Path) -> None:
    """As the command line tells it."""
    with pytest.raises(PathError, match=f"^--data {tmp_path}/gone: no such file"):
        told(out=Path("a"), data=tmp_path / "gone")
    with pytest.raises(PathError, match=f"^--out {tmp_path}: a folder, and a file is needed"):
        told(out=tmp_path)


def test_options_that_there_are_not_or_that_are_missing() -> None:
    with pytest.raises(TypeError, match="'epoch'"):
        told(out=Path("a"), epoch=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'out'"):
        told()  # type: ignore[call-arg]


def test_help_tells_what_it_does_and_all_options() -> None:
    options = ["out", "data", "names", "epochs", "inner"]
    assert (told.__name__, list(inspect.signature(told).parameters)) == ("told", options)
    assert told.__doc__ and "Do nothing" in told.__doc__ and "Returns them." in told.__doc__
    assert "    epochs: How often." in told.__doc__
