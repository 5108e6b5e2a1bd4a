"""The commands that stand in the documents: blocks of code, and what a comment before a block says of it.

<!-- not run: REASON -->      its commands are read by the command line's parser, and no more
<!-- test: --epochs 0.1 -->   these options are added to the commands of the block that have them
<!-- fails: WORDS -->         it is to end with an error that says so
<!-- file: NAME -->           the block is a file of this name, not commands
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from scripts.reference import options
from unveil import cli
from unveil.cli import COMMANDS

ROOT = Path(__file__).parents[2]
MARKS = {"not run", "test", "fails", "file"}
#: First words of lines that are commands, and not what a command prints.
PROGRAMS = {"unveil", "python", "python3", "make", "pip", "pytest", "torchrun", "accelerate", "transformers", "vllm"}
_BLOCK = re.compile(
    r"(?P<marks>(?:^ *<!-- \w[^\n]* -->\n)*)^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.S | re.M,
)


@dataclass(frozen=True)
class Block:
    """A block of code in a document."""

    document: Path
    line: int
    language: str
    text: str
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether it holds commands that are to be run."""
        return self.language == "bash" and "not run" not in self.marks

    def commands(self) -> list[str]:
        """Its lines as a shell reads them: continued ones as one, without comments."""
        whole = re.sub(r"\\\n\s*", " ", self.text)
        return [line for line in (re.sub(r"\s+#.*", "", line).strip() for line in whole.splitlines()) if line]


def blocks(document: Path) -> list[Block]:
    """All blocks of a document, in order."""
    text, found = document.read_text(encoding="utf-8"), []
    for match in _BLOCK.finditer(text):
        marks = dict(re.findall(r"<!-- ([\w ]+):? ?(.*?) -->", match["marks"]))
        inside = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.M)
        line = text.count("\n", 0, match.start("language")) + 1
        found.append(Block(document, line, match["language"], inside, marks))
    return found


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def follow(document: Path, names: Mapping[str, str]) -> None:
    """Does in the working folder what a document says, block after block; words such as MODEL stand for ``names``."""
    for block in blocks(document):
        if "file" in block.marks:
            Path(block.marks["file"]).write_text(block.text, encoding="utf-8")
        elif block.runs:
            for line in block.commands():
                code, said = _done(line, names, block.marks.get("test", ""))
                wanted = block.marks.get("fails", "")
                assert bool(code) == bool(wanted) and wanted in said, f"{block.where}: {line}: {said[-800:]}"


def _done(line: str, names: Mapping[str, str], more: str) -> tuple[int, str]:
    """Runs a line; its exit code, and what it said of errors. Our own commands need no process of their own."""
    words = [names.get(word, word) for word in shlex.split(line)]
    if words[0] == "unveil":
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
            return cli.main([*words[1:], *_added(words[1:], more)]), said.getvalue()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(["bash", "-euc", line], capture_output=True, text=True, check=False, env=environment)
    return ended.returncode, ended.stderr


def command_of(words: list[str]) -> str:
    """The name of the command that the words after ``unveil`` begin with."""
    return next(name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS)


def _added(words: list[str], more: str) -> Iterator[str]:
    """The options of a mark that the command has."""
    for option in re.findall(r"--\S+(?: (?!--)\S+)*", more):
        if option.split()[0] in options_of(words):
            yield from option.split()


def options_of(words: list[str]) -> set[str]:
    """The options of the command that the words after ``unveil`` begin with."""
    every = options(COMMANDS[command_of(words)].config())
    return {name for option in every for name in option.name.split(", ")}


def _without_config(words: list[str]) -> list[str]:
    """A command's words without the run.json that it repeats, which is not there before that run."""
    at = words.index("--config") if "--config" in words else len(words)
    return words[:at] + words[at + 2 :]


def parse(block: Block) -> None:
    """Reads a block's commands as far as they can be read without being run."""
    for line in block.commands():
        words = shlex.split(line)
        if "unveil" in words:  # also as `torchrun … -m unveil`
            cli.parse(_without_config(words[words.index("unveil") + 1 :]))
        elif words[0] == "pytest":
            gone = [word for word in words if word.startswith("tests/") and not (ROOT / word).is_file()]
            assert not gone, f"{block.where}: {gone}"
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M), f"{block.where}: {line}"
        elif words[:2] == ["python", "-m"] and words[2].split(".")[0] in ("bench", "scripts"):
            assert (ROOT / words[2].replace(".", "/")).with_suffix(".py").is_file(), f"{block.where}: {line}"
