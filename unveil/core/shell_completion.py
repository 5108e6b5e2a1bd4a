"""Shell completion: a script that completes a program's commands and their options, which tyro writes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import make_dataclass
from pathlib import Path

from tyro.extras import SubcommandApp

SHELLS = ("bash", "zsh", "fish")


def script(shell: str, commands: Mapping[str, type]) -> str:
    """What a shell is to read so that it completes ``unveil``: each command, of one word or two, with its options."""
    app, groups = SubcommandApp(), dict[str, SubcommandApp]()
    for name, config in commands.items():
        first, _, second = name.partition(" ")
        if second and first not in groups:
            app.command(groups.setdefault(first, SubcommandApp()), name=first)
        (groups[first] if second else app).command(name=second or first)(_with_config(config))
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        app.cli(prog="unveil", args=["--tyro-write-completion", shell, "-"])
    # a description of several lines would be offered as so many words
    return "".join(_on_one_line(line) for line in out.getvalue().splitlines(keepends=True))


def _on_one_line(line: str) -> str:
    return line.replace("\\n", " ") if line.startswith("COMPLETION_SPEC") else line


def _with_config(kind: type) -> type:
    """The options of a command and ``--config``, which the command line itself reads."""
    return make_dataclass(kind.__name__, [("config", Path | None, None)], bases=(kind,), frozen=True, kw_only=True)
