"""Shell completion: bash itself is asked what it would offer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from unveil import cli
from unveil.core import shell_completion
from unveil.core.options import OptionError

OFFERS = """source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
$(complete -p unveil | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("completion") / "unveil.bash"
    file.write_text(cli.completion_script("bash"))
    return file


def offered(script: Path, *words: str) -> set[str]:
    """What bash offers in the place of the last word."""
    asked = ["bash", "-c", OFFERS, "bash", str(script), "unveil", *words]
    return set(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split())


def test_commands_are_completed_and_their_second_words(script: Path) -> None:
    assert {name.split()[0] for name in cli.COMMANDS} <= offered(script, "")
    assert offered(script, "pre") == {"prefer", "predict"}
    assert {"sft", "dpo", "aar", "grpo", "ppo"} <= offered(script, "train", "")


def test_options_of_the_command_are_completed(script: Path) -> None:
    """Those of groups too, and the values of a choice; those of other commands are not."""
    assert {"--dialogues", "--config", "--lora-rank"} <= offered(script, "train", "sft", "--")
    assert offered(script, "train", "aar", "--generate.conc") == {"--generate.concurrency"}
    assert offered(script, "check", "--res") == {"--resplit", "--restart"}
    assert {"grpo", "ppo"} <= offered(script, "train", "aar", "--algorithm", "")
    assert {"auto", "voc", "synthetic"} <= offered(script, "ingest", "--format", "")
    assert not offered(script, "check", "--lora")


@pytest.mark.parametrize("shell", shell_completion.SHELLS)
def test_each_shell_gets_a_script_that_knows_the_commands(shell: str) -> None:
    text = shell_completion.script(shell, {"report": cli.COMMANDS["report"].config()})
    assert "report" in text and "unveil" in text and "--run" in text


@pytest.mark.parametrize("words", [[], ["powershell"], ["bash", "zsh"]])
def test_another_shell_is_refused_with_those_that_are_known(words: list[str]) -> None:
    with pytest.raises(OptionError, match="one of bash, zsh, fish"):
        cli.parse(["--completion", *words])
