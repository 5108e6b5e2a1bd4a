"""What a command line imports before it does anything: an overview and a help come at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from unveil.cli import COMMANDS


def loaded_by(*words: str) -> set[str]:
    """The modules that a command line imports."""
    code = (
        "import sys\nfrom unveil import cli\ntry: cli.main(sys.argv[1:])\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    called = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    return set(called.stderr.split())


@pytest.mark.parametrize("word", ["--help", "--version", "train"])
def test_the_overview_imports_no_command(word: str) -> None:
    """Nor anything slow: it is shown at once. That there is no such command is, too, but for how it is told."""
    loaded = loaded_by(word)
    assert "unveil.cli" in loaded
    assert not {command.module for command in COMMANDS.values()} & {name.removeprefix("unveil.") for name in loaded}
    assert not loaded & {*SLOW, "numpy", "pydantic"} and (word == "train" or not loaded & {"rich", "tyro"})


#: What takes long to import and no help needs.
SLOW = {"torch", "transformers", "accelerate", "peft", "scipy", "sklearn", "matplotlib", "pydicom", "nibabel", "openai"}
#: Commands whose help names the advantages there are, which are functions of torch.
OF_TORCH = {"train aar", "train grpo", "train ppo"}


#: Says after each command's name what its help imports: a process for each, which begins with what all of them import.
HELP = """
import os, sys
import numpy, pydantic, rich, tyro
from unveil import cli
for name in cli.COMMANDS:
    sys.stdout.flush()
    if not (process := os.fork()):
        try: cli.main([*name.split(), "--help"])
        except SystemExit as end: code = end.code
        print("\\n" + name, code, *sys.modules, sep="\\t", flush=True)
        os._exit(0)
    os.waitpid(process, 0)
"""


@pytest.fixture(scope="session")
def helped() -> dict[str, set[str]]:
    """A command's name -> the modules that its help imports."""
    called = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    told = [line.split("\t") for line in called.stdout.splitlines() if "\tsys\t" in line]
    assert {code for _, code, *_ in told} == {"0"}
    return {name: set(loaded) for name, _, *loaded in told}


@pytest.mark.xdist_group("help")
@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_imports_neither_torch_nor_other_commands(name: str, helped: dict[str, set[str]]) -> None:
    """But a pipeline, which is made of others, and what learns from rewards, which needs torch alone."""
    command = COMMANDS[name]
    assert command.config() is command.load().Config
    loaded = helped[name]
    own = {f"unveil.{(command.options or command.module).partition(':')[0]}"}
    slow = SLOW - {"torch"} if name in OF_TORCH else SLOW
    assert own <= loaded and not loaded & {*slow, "unveil.gate.rules.fields"}
    others = {f"unveil.{other.module}" for other in COMMANDS.values()} - own
    assert command.module.startswith("pipelines.") or not others & loaded
