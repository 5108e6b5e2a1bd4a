"""Words that the options of a command do not take: one line says which, and what would be taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from tyro.conf import OmitArgPrefixes, Positional

from unveil import cli
from unveil.core import option_errors, options
from unveil.curate import mau
from unveil.evaluate.score import NamedFiles


@dataclass(frozen=True)
class Size:
    """How large it is."""

    width: int | None = None
    """Its width."""

    def __post_init__(self) -> None:
        if self.width == 0:
            raise ValueError("--width 0: it must be 1 at least")


@dataclass(frozen=True, kw_only=True)
class Print:
    """Print a picture."""

    picture: Positional[Path]
    """What is printed."""
    out: Path
    """Where it goes."""
    epochs: float = 1.0
    """How often."""
    copies: bool = True
    """Whether copies are made."""
    shares: tuple[float, float] = (0.5, 0.5)
    """How much of each."""
    form: Literal["letter", "card"] | None = None
    """How it is sent."""
    sides: tuple[Literal["front", "back"], ...] = ()
    """What is printed on."""
    inks: tuple[str, ...] | None = None
    """Which, or none; by default black."""
    models: NamedFiles = field(default_factory=dict)
    """Which."""
    size: OmitArgPrefixes[Size] = field(default_factory=Size)
    """How large it is."""
    judge: Size = field(default_factory=Size)
    """How large the judge is."""

    lacks: ClassVar = {"ink": "it prints with toner"}


GOOD = "x.png --out o"


def test_an_option_that_others_have_is_told_why() -> None:
    with pytest.raises(options.OptionError, match=r"^no option --ink: it prints with toner$"):
        options.read(Print, f"{GOOD} --ink black".split(), "print")


def test_an_option_may_be_called_absent() -> None:
    """``unveil curate mau`` has one, which was taken for what the class says of options that it lacks."""
    with pytest.raises(options.OptionError, match=r"^no option --split$"):
        options.read(mau.Config, ["--records", "x", "--out", "y", "--split", "train"], "unveil curate mau")


@pytest.mark.parametrize(
    "words",
    [
        GOOD,
        "--out o x.png",
        "--out=o x.png --epochs -1 --no-copies --form None --width 3 --judge.width None",
        "x.png --out o --sides front back",
        "x.png --out o --inks --sides=front",
        "x.png --out o --models a b c d",
    ],
)
def test_good_words_have_no_fault(words: str) -> None:
    options.read(Print, words.split(), "print")
    assert option_errors.fault(options.every(Print), words.split()) is None


def test_a_list_that_is_given_otherwise_is_emptied_by_its_bare_name() -> None:
    given = options.read(Print, f"{GOOD} --sides front".split(), "print")
    assert options.read(Print, ["--sides"], "print", given).sides == ()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("", "--out PATH is needed"),
        ("--out o", "PICTURE is needed"),
        (f"{GOOD} y.png", "'y.png' belongs to no option"),
        (f"{GOOD} --epoch 2", "no option --epoch; perhaps you meant --epochs FLOAT: How often."),
        ("--epoch 2", "no option --epoch; perhaps you meant --epochs FLOAT: How often."),
        (f"{GOOD} --colour red", "no option --colour"),
        (f"{GOOD} --judge.with 2", "no option --judge.with; perhaps you meant --judge.width INT: Its width."),
        (f"{GOOD} --no-form", "no option --no-form; perhaps you meant --form {letter,card}: How it is sent."),
        (f"{GOOD} --out", "--out: PATH is needed"),
        (f"{GOOD} --epochs two", "--epochs two: a number is needed"),
        (f"{GOOD} --epochs=two", "--epochs two: a number is needed"),
        (f"{GOOD} --width 1.5", "--width 1.5: a whole number is needed"),
        (f"{GOOD} --shares 0.5", "--shares 0.5: 2 values are needed, FLOAT FLOAT"),
        (f"{GOOD} --shares 0.5 x", "--shares 0.5 x: a number is needed"),
        (f"{GOOD} --form post", "--form post: one of letter, card is needed"),
        (f"{GOOD} --form leter", "--form leter: one of letter, card is needed; perhaps you meant letter"),
        (f"{GOOD} --sides front top", "--sides front top: one of front, back is needed"),
        (f"{GOOD} --sides", "--sides: at least one value is needed, {front,back} ..."),
        (f"{GOOD} --sides front --sides", "--sides: at least one value is needed, {front,back} ..."),
        (f"{GOOD} --models", "--models: a name and a file for each model, such as: base base.jsonl sft sft.jsonl"),
        (f"{GOOD} --models x", "--models x: a name and a file for each model, such as: base base.jsonl sft sft.jsonl"),
        (f"{GOOD} --copies yes", "'yes' belongs to no option"),
        (f"{GOOD} --width 0", "--width 0: it must be 1 at least"),
    ],
)
def test_a_fault_is_one_line(words: str, fault: str) -> None:
    with pytest.raises(options.OptionError) as error:
        options.read(Print, words.split(), "print")
    assert str(error.value).endswith(fault)


def test_what_tyro_says_is_told_without_its_frame() -> None:
    box = (
        "╭─ Value error ─╮\n│ Error parsing   │\n│ --x: no y       │\n│ ─────────────── │\n│ For help        │\n╰──╯\n"
    )
    assert option_errors.unboxed(box) == "Error parsing --x: no y"
    plain = " Value error \n ---- \n  Error parsing\n  --x: no y\n  ------\n  For help"
    assert option_errors.unboxed(plain) == "Error parsing --x: no y"


def test_a_command_tells_it_in_two_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "sft", "--epoch", "1"]) == 2
    out, err = capsys.readouterr()
    assert not out and err.splitlines() == [
        "error: no option --epoch; perhaps you meant --epochs FLOAT: Passes over the training rows.",
        "`unveil train sft --help` explains its options",
    ]
