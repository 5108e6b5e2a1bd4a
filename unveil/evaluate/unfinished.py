"""Rows that a model makes batch by batch: dealt to processes that work together, kept as they come, joined at the end.

Each process writes a part of its own beside the output. Who is stopped goes on from all parts, with as many processes
or with others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from unveil.core import files, making
from unveil.core.console import keeping, progress
from unveil.core.jsonl import from_json, to_line, write_jsonl
from unveil.core.records import RecordError
from unveil.core.workers import ahead
from unveil.vlm.processes import calm, processes


class Identified(Protocol):
    @property
    def id(self) -> str: ...


Made = TypeVar("Made", bound=Identified)
Item = TypeVar("Item", bound=Identified)
Ready = TypeVar("Ready")


def complete(
    out: Path,
    kind: type[Made],
    identity: dict[str, Any],
    restart: bool,
    title: str,
    asked: Sequence[Item],
    batches: Callable[[Sequence[Item]], Iterable[Sequence[Item]]],
    ready: Callable[[Sequence[Item]], Ready],
    make: Callable[[Sequence[Item], Ready], Sequence[Made]],
) -> None:
    """Makes a row of ``kind`` for each of ``asked``, by id, and writes them to ``out`` in order.

    ``ready`` reads what ``make`` needs of a batch, such as its images, while the batch before is made.
    ``identity`` is what must be the same for rows of two runs to belong together: raises ``RecordError`` where an
    unfinished run had another, unless ``restart`` throws it away.
    """
    state = processes()
    if state.is_main_process:
        _take_up(out, identity, restart)
    state.wait_for_everyone()
    done = _read(out, kind)
    todo = list(batches([one for one in asked if one.id not in done]))
    mine = todo[state.process_index :: state.num_processes]
    state.wait_for_everyone()  # nobody adds to a part that another one still reads

    def kept() -> str:
        return f"{title}: {len(_read(out, kind))} of {len(asked)} are kept"

    total = len(asked) - sum(map(len, todo)) + sum(map(len, mine))
    with progress(title, total, len(done), state.is_main_process) as advance, keeping(kept):
        for batch, inputs in ahead(ready, mine):
            lines = [to_line(row) for row in make(batch, inputs)]
            files.append(_part(out, state.process_index), "".join(lines))
            advance(len(batch))
            if state.num_processes == 1:  # the others would wait for one that has ended
                making.heed()
    state.wait_for_everyone()
    if state.is_main_process:
        made = _read(out, kind)
        write_jsonl(out, (made[one.id] for one in asked))
        for part in _parts(out):
            part.unlink()
    if state.num_processes > 1:
        state.wait_for_everyone()
        calm()
        state.destroy_process_group()


def _part(out: Path, process: int) -> Path:
    return out.with_name(f"{out.name}.unfinished" + (f"-{process}" if process else ""))


def _parts(out: Path) -> list[Path]:
    """The parts that are there, the first process's first: it alone begins with the identity."""
    numbered = (path for path in out.parent.iterdir() if path.name.startswith(f"{_part(out, 0).name}-"))
    return [path for path in (_part(out, 0), *sorted(numbered)) if path.is_file()]


def _take_up(out: Path, identity: dict[str, Any], restart: bool) -> None:
    """Leaves the parts of an unfinished run with the same identity; if there is none, one with the identity alone."""
    first = _part(out, 0)
    kept = first.read_bytes() if first.is_file() and not restart else b""
    head, end, _ = kept.partition(b"\n")
    if not end:
        for part in _parts(out):
            part.unlink()
        files.write_text(first, json.dumps(identity) + "\n")
    elif json.loads(head) != identity:
        raise RecordError(
            f"{first}: an unfinished run with another model, other questions or other settings; finish it as it was "
            "or start again with --restart"
        )
    for part in _parts(out):
        os.truncate(part, part.read_bytes().rfind(b"\n") + 1)  # the last line of a killed run may be half-written


def _read(out: Path, kind: type[Made]) -> dict[str, Made]:
    """All rows of all parts by their ids."""
    found: dict[str, Made] = {}
    for part in _parts(out):
        lines = part.read_bytes().split(b"\n")[:-1]
        for line in lines[part == _part(out, 0) :]:
            row = from_json(kind, json.loads(line))
            found[row.id] = row
    return found
