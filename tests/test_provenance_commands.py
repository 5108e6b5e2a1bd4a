"""Every command that writes something asks first whether it may: no finished output is written over unasked.

How what is there is told from what is to be made, and in which words, is tested in ``test_provenance``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from unveil.cli import COMMANDS
from unveil.core import provenance

#: These write nothing but what they print, make all of it from files beside it, leave it to the commands they call, or
#: only add to a file that they have open alone (`review`, the manifest of `try`).
OTHERS = {"ask", "benchmark", "check", "check-model", "datasets", "gate", "report", "review", "runs", "start", "study"}
OTHERS |= {"try"}
#: Options that are needed and are no paths, or may be left out and are not here.
GIVEN: dict[str, dict[str, Any]] = {
    "ingest": {"format": "synthetic"},
    "export records": {"form": "coco"},
    "export boxes": {"form": "mm"},
    "export model": {"for_": "vllm"},
    "check-served": {"url": "http://127.0.0.1:1/v1"},
    "prefer": {"name": "dpo"},
    "convert model": {"source": Path("nowhere")},
    "demo": {"data": None},
    "curate corrections": {"reviews": (Path("in.jsonl"),), "records": Path("in.jsonl")},
}


class Asked(Exception):
    """What ``provenance.output`` was called with."""


def smallest(kind: type, file: Path, given: dict[str, Any]) -> Any:
    """A configuration of which only what is required is given: ``file`` for every path that is read."""
    hints = get_type_hints(kind)
    required = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    values: dict[str, Any] = {}
    for name in (name for name in required if name not in given):
        values[name] = file.with_name("out") if name == "out" else file if hints[name] is Path else {"a": file}
    return kind(**(values | given))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `unveil run` leaves, as far as it is looked for before anything is written."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "sft").mkdir()
    for name in ("sft/config.json", "resplit.jsonl", "dialogues.jsonl"):
        (folder / name).write_text("{}")
    return folder


#: Commands that begin with what a run has left.
OF_RUNS = ("export model", "check-served")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in OTHERS])
def test_a_command_asks_before_it_writes(name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(out: Path, command: str, config: Any, inputs: Sequence[Any], *_: Any, **__: Any) -> Any:
        raise Asked(command, config)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "output", asked)
    (tmp_path / "in.jsonl").write_text("")
    module = COMMANDS[name].load()
    with pytest.raises(Asked) as found:
        given = GIVEN.get(name, {}) | ({"run": run} if name in OF_RUNS else {})
        module.main(smallest(module.Config, tmp_path / "in.jsonl", given))
    command, config = found.value.args
    # `prefer` chains others as `run` does, and the first of these asks for itself
    expected = {"demo": "run", "prefer": "curate hallucinate"}.get(name, name)
    assert command == expected and (name == "prefer" or isinstance(config, module.Config))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]
