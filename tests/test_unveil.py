"""The public Python interface."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import unveil
from unveil.cli import COMMANDS

ROOT = Path(__file__).parents[1]


def loaded_by(code: str) -> set[str]:
    """The modules that a program imports."""
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def test_importing_the_package_imports_nothing_else() -> None:
    loaded = loaded_by("import unveil; assert 'sft' in dir(unveil)")
    assert {name for name in loaded if name.startswith("unveil")} == {"unveil"}
    assert not loaded & {"torch", "numpy", "transformers"}


def test_data_need_no_torch() -> None:
    assert "torch" not in loaded_by("from unveil import Box, Finding, Record, check, ingest_folder, mau, score")


@pytest.mark.parametrize("name", unveil.__all__)
def test_a_public_name_is_there_and_explains_itself(name: str) -> None:
    value = getattr(unveil, name)
    assert value is getattr(unveil, name)
    assert name == "Box" or value.__doc__


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(AttributeError, match="'unveil' has no attribute 'train_sft'"):
        _ = unveil.train_sft


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "unveil" / "__init__.py").read_text())
    [typed] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name for node in typed.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    seen |= {ast.unparse(node.targets[0]) for node in typed.body if isinstance(node, ast.Assign)}
    assert {name for name in seen if not name.startswith("_")} - {"function"} == set(unveil.__all__)


@pytest.mark.parametrize("name", sorted(unveil._COMMANDS))
def test_a_function_has_the_options_of_its_command(name: str) -> None:
    import inspect

    command = next(c for c in COMMANDS.values() if c.module == unveil._COMMANDS[name])
    options = [field.name for field in fields(command.config())]
    assert sorted(inspect.signature(getattr(unveil, name)).parameters) == sorted(options)


def test_from_records_to_an_answer(tmp_path: Path) -> None:
    """Data of one's own as records, questions, training, answers, scores, and one question about one image."""
    data = unveil.ingest_folder(format="synthetic", patients=6, size=64, out=tmp_path / "data")
    records = [r for r in unveil.read_jsonl(data, unveil.Record) if r.findings][:4]
    own = tmp_path / "data" / "own.jsonl"
    assert unveil.write_jsonl(own, records) == len(records)
    dialogues = unveil.mau(records=data, out=tmp_path / "dialogues.jsonl")
    tuned = unveil.sft(dialogues=dialogues, model="tiny", epochs=0.05, out=tmp_path / "tuned")
    answers = unveil.predict(dialogues=dialogues, model=str(tuned), limit=4, out=tmp_path / "tuned.jsonl")
    assert len(list(unveil.read_jsonl(answers, unveil.Prediction))) == 4
    answer = unveil.ask(unveil.load(tuned), data.parent / records[0].image, "Where is the nodule?", 20)
    assert isinstance(answer, unveil.Answer) and answer.size == (64, 64)


#: What the page writes, and what makes it short.
SHORTER = {"patients=40": "patients=10, size=64", 'model="tiny", out': 'model="tiny", epochs=0.05, out'}


def test_the_programs_in_the_documents_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "how-to" / "python.md").read_text()
    first, own = re.findall(r"```python\n(.*?)```", page, re.S)
    for written, short in SHORTER.items():
        assert first.count(written) == 1
        first = first.replace(written, short)
    monkeypatch.chdir(tmp_path)
    exec(compile(first + own, "python.md", "exec"), {})
    assert (tmp_path / "runs" / "python" / "scores.json").is_file()
    assert capsys.readouterr().out.strip()
    [record] = unveil.read_jsonl("records.jsonl", unveil.Record)
    assert record.findings[0].box == (120.0, 80.0, 180.0, 150.0)
