"""Every command in the documents is run, or says before it why it is not; then the parser has at least read it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.documents import MARKS, PROGRAMS, ROOT, Block, blocks, documents, follow, options_of, parse

BLOCKS = [block for document in documents() for block in blocks(document)]
TUTORIALS = sorted(page for folder in ("tutorials", "papers") for page in (ROOT / "docs" / folder).glob("*.md"))
#: Other documents with commands that are run: they begin with what README.md has left.
OTHERS = sorted({b.document for b in BLOCKS if b.runs} - {ROOT / "README.md", *TUTORIALS})
#: What names in the documents stand for, which a reader replaces by his own.
NAMES = {"DIR": "ward", "MODEL": "tiny", "OUT": "out"}

#: One process makes what they begin with.
together = pytest.mark.xdist_group("docs")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who has followed README.md with images of his own: records, dialogues, a tuned model."""
    folder = tmp_path_factory.mktemp("made")
    scripts = {b.marks["file"]: b.text for b in blocks(ROOT / "docs/tutorials/your-own-boxes.md") if "file" in b.marks}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(scripts["make_ward.py"], "make_ward.py", "exec"), {})
        follow(ROOT / "README.md", NAMES)
    return folder


@together
def test_the_readme_can_be_followed(made: Path) -> None:
    assert (made / "out" / "report.html").is_file() and (made / "tuned.jsonl").is_file()


@together
def test_the_program_of_the_readme_runs(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It trains, scores and asks; the last line that it prints is the answer."""
    [program] = [block.text for block in blocks(ROOT / "README.md") if block.language == "python"]
    shutil.copytree(made / "ward", tmp_path / "ward")
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "README.md", "exec"), {})
    assert Path("python/tuned/model.safetensors").is_file() and Path("python/scores/scores.json").is_file()
    assert capsys.readouterr().out.splitlines()[-1].startswith("Answer(")


@pytest.mark.parametrize("document", TUTORIALS, ids=name)
def test_a_tutorial_or_paper_can_be_followed_in_an_empty_folder(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    follow(document, NAMES)


@together
@pytest.mark.parametrize("document", OTHERS, ids=name)
def test_commands_of_other_documents_run(
    document: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    follow(document, NAMES)


@pytest.mark.parametrize("block", [b for b in BLOCKS if "not run" in b.marks], ids=lambda b: b.where)
def test_commands_that_are_not_run_can_be_read(block: Block) -> None:
    assert block.language == "bash"
    parse(block)


def test_commands_stand_in_blocks_that_are_run_or_marked() -> None:
    """A block without ``bash`` is what a file or the screen shows."""
    for block in BLOCKS:
        begins = {line.split()[0] for line in block.text.splitlines() if line.split()}
        assert block.language in ("bash", "python", "json") or not begins & PROGRAMS, block.where
        assert block.language == "bash" or not block.marks.keys() - {"file"}, block.where


def test_marks_are_known_and_their_options_taken_by_some_command_of_the_block() -> None:
    for block in BLOCKS:
        assert block.marks.keys() <= MARKS, block.where
        added = {word for word in block.marks.get("test", "").split() if word.startswith("--")}
        lines = [line.split()[1:] for line in block.commands() if added and line.startswith("unveil ")]
        assert added <= {option for words in lines for option in options_of(words)}, block.where
