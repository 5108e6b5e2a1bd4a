"""Options are flat for who calls from Python, in groups in the help, and handed on by the class that they stand in."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, get_type_hints

import pytest
import tyro

from unveil import cli
from unveil.core import options, provenance
from unveil.ingest.reading import Options
from unveil.pipelines import run
from unveil.pipelines.options import BenchmarkOptions, PreferOptions, RunOptions
from unveil.train.options import RecipeOptions, TrainOptions
from unveil.vlm.resolution import Resolution


@dataclass(frozen=True)
class Ink:
    """What is written with."""

    colour: str = "black"
    """Its colour."""


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What is written on."""

    groups: ClassVar[dict[str, tuple[str, ...]]] = {"paper": ("width", "lines")}
    width: float = 21.0
    """Its width
    in cm."""
    lines: int | None = None
    """How many lines it has."""
    ink: tyro.conf.OmitArgPrefixes[Ink] = field(default_factory=Ink)
    """What is written with."""


@dataclass(frozen=True, kw_only=True)
class Letter(Paper):
    """Write a letter."""

    groups: ClassVar[dict[str, tuple[str, ...]]] = {"post": ("stamp",), "paper": ("margin",)}
    haste: bool = False
    """Whether it is urgent."""
    to: Path
    """Who gets it."""
    stamp: int = 80
    """What its stamp costs."""
    margin: float = 2.0
    """Left and right."""
    width: float = 10.0
    """Width of a small sheet."""


@dataclass(frozen=True, kw_only=True)
class Envelope(Letter):
    """Write a letter and close it."""

    seldom: ClassVar[tuple[str, ...]] = ("paper", "ink", "window")
    window: bool = False
    """Whether the address can be seen."""


def test_what_is_read_is_as_if_options_stood_in_no_groups() -> None:
    words = ["--to", "x", "--lines", "3", "--stamp", "90", "--colour", "blue", "--haste"]
    read = options.read(Letter, words, "letter")
    assert read == Letter(to=Path("x"), lines=3, stamp=90, ink=Ink("blue"), haste=True) and read.width == 10.0


@pytest.mark.parametrize(
    "config",
    [
        run.Config(),
        run.Config(
            data=Path("ct scans"), out=Path("a b"), shares=(0.5, 0.25, 0.25), compare=("aar", "mmedpo"), full=True
        ),
        run.Config(
            learning_rate=1e-5, train_tower=True, limits=Resolution(max_pixels=9), withhold=("pleural effusion",)
        ),
        run.Config(
            reading=Options(decode=False, columns=("image=a b", "box=x,y,w,h"), label_separator="", licence="'")
        ),
    ],
)
def test_a_configuration_can_be_typed(config: run.Config) -> None:
    """Through a shell, with blanks and quotation marks: the same configuration comes back."""
    typed = shlex.split(shlex.join(options.words(config)))
    assert options.read(run.Config, typed, "run") == config


def test_what_has_no_dashes_comes_first_and_without_a_name() -> None:
    """As it is typed; ``--name vqa-rad`` is no option."""
    config = BenchmarkOptions(name="vqa-rad", data=Path("x"), revision="main", restart=True)
    words = options.words(config)
    assert words == ["vqa-rad", "--revision", "main", "--data", "x", "--restart"]
    assert options.read(BenchmarkOptions, words, "benchmark") == config


def test_what_is_not_said_is_as_in_the_default() -> None:
    default = Letter(to=Path("x"), lines=3, stamp=90, ink=Ink("blue"))
    assert options.read(Letter, ["--stamp", "70"], "letter", default) == dataclasses.replace(default, stamp=70)


def test_options_are_told_flat_with_their_group_and_what_they_are_by_default() -> None:
    """Sentences are those of the class that says the last word, on one line."""
    found = {option.name: option for option in options.every(Letter)}
    assert {name: option.group for name, option in found.items()} == {
        "width": "paper", "lines": "paper", "colour": "ink", "haste": "", "to": "", "stamp": "post", "margin": "paper",
    }  # fmt: skip
    assert [name for name, option in found.items() if option.required] == ["to"]
    assert found["width"].sentence == "Width of a small sheet." and found["width"].default == 10.0
    assert options.sentences(Paper)["width"] == "Its width in cm."
    assert (found["haste"].flag, found["haste"].off, found["lines"].off) == ("--haste", "--no-haste", None)
    letter = Letter(to=Path("x"), ink=Ink("blue"))
    assert found["colour"].of(letter) == "blue" == {o.name: o.default for o in options.every(Letter, letter)}["colour"]


def test_what_is_seldom_needed_is_so_by_itself_or_by_its_group() -> None:
    seldom = {option.name for option in options.every(Envelope) if option.seldom}
    assert seldom == {"window", "width", "lines", "margin", "colour"}


def test_options_are_handed_on_by_their_class() -> None:
    letter = Letter(to=Path("x"), lines=3, ink=Ink("blue"))
    assert options.part_of(Paper, letter) == {"width": 10.0, "lines": 3, "ink": Ink("blue")}
    assert Paper(**options.part_of(Paper, letter)).ink is letter.ink


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_option_has_a_sentence_and_stands_in_one_group(name: str) -> None:
    kind = cli.COMMANDS[name].config()
    known = {field.name for field in dataclasses.fields(kind)}
    assert all(options.sentences(kind).get(option) for option in known)
    groups = options.groups_of(kind)
    grouped = Counter(option for group in groups.values() for option in group)
    assert grouped.keys() <= known and not groups.keys() & known and set(grouped.values()) <= {1}


def test_the_main_job_shows_in_groups_what_training_is_told() -> None:
    """What recipes group it does too, and all of training's own, since they are not its headline options."""

    def grouped(kind: type) -> set[str]:
        return {option for group in options.groups_of(kind).values() for option in group}

    own = {field.name for field in dataclasses.fields(RunOptions)}
    assert (grouped(RecipeOptions) & own) | set(vars(TrainOptions)["__annotations__"]) - {"seldom"} <= grouped(
        RunOptions
    )


def test_what_trains_otherwise_makes_no_other_pairs() -> None:
    """But for what is refused to be learnt from, of which no pairs are made."""
    training = set(vars(TrainOptions)["__annotations__"]) - {"seldom", "allow_benchmark_test"}
    assert training <= PreferOptions.passing | provenance.PASSING


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_what_is_seldom_needed_exists_and_is_not_required(name: str) -> None:
    kind = cli.COMMANDS[name].config()
    inner = [options.bare(hint) for hint in get_type_hints(kind, include_extras=True).values()]
    for part in (kind, *filter(dataclasses.is_dataclass, inner)):
        known = {field.name for field in dataclasses.fields(part)} | options.groups_of(part).keys()
        assert options.seldom_of(part) <= known
    assert not [option for option in options.every(kind) if option.seldom and option.required]
