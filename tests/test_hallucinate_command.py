"""The command that writes wrong answers: a broken run goes on, bad input is named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import draw
from tests.helpers.cases import (
    BY_ID,
    DIALOGUES,
    RECORDS,
    Scripted,
    command,
    folder_of,
    shown,
)
from unveil.core.digests import sha256
from unveil.core.pairs import read_pairs
from unveil.core.pixels import ImageError
from unveil.core.records import image_path
from unveil.curate.candidates import Asking
from unveil.experts import local
from unveil.experts.expert import Expert
from unveil.experts.requests import Request, file_hash


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("data"))


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "data")


def curate(folder: Path, tiny_folder: Path, *words: object, expert: Expert | None = None) -> int:
    brief = ("--model", tiny_folder, "--max-new-tokens", 6, "--samples", 2)
    return command("curate hallucinate", folder, *brief, *words, expert=expert)


def test_the_command_writes_pairs(fresh: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A random model's answers are no true ones: they are picked, but where the rules cannot tell, they write."""
    assert curate(fresh, tiny_folder, "--no-balance") == 0
    file = fresh / "out" / "pairs.jsonl"
    pairs, told = read_pairs(file), shown(capsys)
    wanted = [f"{d.id}/hallucinated" for d in DIALOGUES if d.record != "t"]
    assert [pair.id for pair in pairs] == wanted, "in the order of the dialogues"
    assert all(image_path(pair, file).is_file() for pair in pairs) and pairs[0].image == "../a.png"
    assert f"{len(pairs)} pairs in {file}" in told and "left out 8 x test split" in told
    about = json.loads((fresh / "out" / "pairs.jsonl.run.json").read_text())
    assert about["command"] == "curate hallucinate" and about["left_out"] == {"test split": 8}
    model = next(name for name in about["asked"] if name != "rules")
    assert list(about["decoding"]) == [model] and about["decoding"][model]["stop_ids"]
    assert about["asked"][model]["asked"] == 2 * len(pairs) and about["asked"]["rules"]["asked"] == len(pairs)
    assert set(about["inputs"]) == {*map(str, (fresh / "records.jsonl", fresh / "dialogues.jsonl", tiny_folder))}


def test_a_broken_run_goes_on(
    fresh: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped in the third batch of three: six answers are kept, and never asked for again; the file is the same."""
    words = ("--answer-batch", 3, "--kinds", "detection", "localisation")
    count = 2 * sum(d.kind in ("detection", "localisation") and d.record != "t" for d in DIALOGUES)
    asked: list[str] = []
    answer = local.Local._answer

    def breaking(self: local.Local, batch: Any) -> Any:
        if len(asked) == 6:
            raise KeyboardInterrupt
        asked.extend(request.id for request in batch)
        return answer(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(local.Local, "_answer", breaking)
        assert curate(fresh, tiny_folder, *words) == 130
    assert "stopped; 6 replies are kept; the same command goes on from here" in shown(capsys)
    assert not (fresh / "out" / "pairs.jsonl").exists()
    again: list[str] = []

    def counting(self: local.Local, batch: Any) -> Any:
        again.extend(request.id for request in batch)
        return answer(self, batch)

    monkeypatch.setattr(local.Local, "_answer", counting)
    assert curate(fresh, tiny_folder, *words) == 0
    assert len(asked) == 6 and len(again) == count - 6 and not set(asked) & set(again)
    broken = (fresh / "out" / "pairs.jsonl").read_bytes()
    for file in (fresh / "out").iterdir():
        file.unlink()
    assert curate(fresh, tiny_folder, *words) == 0
    assert (fresh / "out" / "pairs.jsonl").read_bytes() == broken


def test_what_the_model_says_without_seeing(fresh: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is led along the true answer under noise over the whole image, with a seed of each dialogue's own."""
    seen: list[Request] = []
    row = local.Local._row
    monkeypatch.setattr(local.Local, "_row", lambda self, request: seen.append(request) or row(self, request))
    assert curate(fresh, tiny_folder, "--origin", "noised", "--kinds", "diagnosis", "--step", 900) == 0
    pairs = read_pairs(fresh / "out" / "pairs.jsonl")
    assert [pair.id for pair in pairs] == [f"{name}/diagnosis/unseen" for name in ("a", "b", "c", "v")]
    assert len({request.picture.noise.seed for request in seen if request.picture and request.picture.noise}) == 4
    for request, pair in zip(sorted(seen, key=lambda r: r.id), pairs, strict=True):
        assert request.forced == pair.chosen == BY_ID[request.id].answer and request.picture is not None
        hidden = request.picture.noise
        assert hidden is not None and hidden.map.whole and hidden.step == 900
        assert pair.rejected_noise is None, "the pair itself is of the clean image"
        assert pair.writer.endswith("under noise") and pair.rejected != pair.chosen


def test_a_missing_image_is_named_with_its_dialogue(fresh: Path, tiny_folder: Path, capsys: Any) -> None:
    (fresh / "a.png").unlink()
    for origin in ("sampled", "noised"):
        assert curate(fresh, tiny_folder, "--origin", origin) == 1
        told = shown(capsys)
        assert "error: a/" in told and "a.png" in told


def _emptied(folder: Path) -> None:
    (folder / "dialogues.jsonl").write_text("")


def _gone(folder: Path) -> None:
    (folder / "dialogues.jsonl").unlink()


def _broken(folder: Path) -> None:
    (folder / "dialogues.jsonl").write_text('{"id": 1}\n')


@pytest.mark.parametrize(
    ("words", "spoil", "message"),
    [
        ((), _gone, "dialogues.jsonl: no such file"),
        ((), _emptied, "no pair could be made: there are no such dialogues"),
        ((), _broken, "dialogues.jsonl:1: Dialogue: field"),
        (("--kinds", "self-question"), None, "no pair could be made: there are no such dialogues"),
        (("--limit", "0"), None, "--limit 0: a whole number from 1 on is needed"),
        (("--origin", "written", "--edit", "minimal"), None, "--edit minimal corrects the model's own answers"),
        (("--model", "no/such/folder"), None, "no/such/folder: no folder here, and the hub has no such model"),
        (("--expert", "gpt"), None, "--expert: use rules, local:MODEL or the address of an endpoint"),
    ],
)
def test_bad_input(
    words: tuple[str, ...],
    spoil: Callable[[Path], None] | None,
    message: str,
    fresh: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if spoil:
        spoil(fresh)
    assert curate(fresh, tiny_folder, *words) == 1
    assert message in shown(capsys) and not (fresh / "out" / "pairs.jsonl").exists()


def test_the_pairs_say_who_picked(fresh: Path, tiny_folder: Path) -> None:
    script = Scripted(lambda request: '{"candidate": 2, "hallucination": ""}', name="judge")
    assert curate(fresh, tiny_folder, "--kinds", "detection", "--limit", 2, expert=Expert(script)) == 0
    pairs = read_pairs(fresh / "out" / "pairs.jsonl")
    assert [pair.writer.endswith("picked by judge") for pair in pairs] == [True, True]


def test_an_image_that_has_changed_is_not_asked_about(tmp_path: Path) -> None:
    """Its file is no longer that of the record's hash: set aside and counted; a missing one is named."""
    folder = folder_of(tmp_path / "data")
    rows = [replace(r, source=replace(r.source, sha256=sha256(folder / r.image))) for r in RECORDS if r.id in "bc"]
    dialogues = [d for d in DIALOGUES if d.record in "bc" and d.kind == "diagnosis"]
    skipped = Counter[str]()
    assert len(Asking.of(dialogues, folder / "dialogues.jsonl", rows, skipped).dialogues) == 2 and not skipped
    moved = folder_of(tmp_path / "other")
    draw(moved / "b.png", (100, 100), 99)
    kept = Asking.of(dialogues, moved / "dialogues.jsonl", rows, skipped).dialogues
    assert [d.record for d in kept] == ["c"] and skipped == {"its image has changed since it was annotated": 1}
    (moved / "c.png").unlink()
    file_hash.cache_clear()
    with pytest.raises(ImageError, match=r"c/diagnosis: .*c\.png: no such file"):
        Asking.of(dialogues, moved / "dialogues.jsonl", rows, skipped)
