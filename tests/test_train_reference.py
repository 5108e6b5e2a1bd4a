"""The reference of preference optimisation: computed once, found again, never a stale or a damaged one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.helpers.pairs import encoded, plain_logps, references, rewritten, short_run
from unveil.testing.models import loaded, parts
from unveil.train import dpo
from unveil.train.loop import TrainingError
from unveil.train.reference import Reference
from unveil.vlm import forward_check
from unveil.vlm.scorer import Scorer

MDPO: Any = ("text", "visual", "anchor")


@pytest.fixture
def base(tiny_folder: Path, tmp_path: Path) -> dpo.Config:
    return short_run(tiny_folder, tmp_path)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A list that grows with each batch that is scored without being trained on, but for the look at the first rows."""
    monkeypatch.setattr(forward_check, "settle", lambda *_, **__: None)
    calls: list[int] = []
    real = Scorer.forward

    def forward(self: Scorer, rows: Any) -> Any:
        if not self.training:
            calls.append(len(rows))
        return real(self, rows)

    monkeypatch.setattr(Scorer, "forward", forward)
    yield calls


def test_the_reference_is_computed_once(base: dpo.Config, looks: list[int], tmp_path: Path) -> None:
    """8 pairs of two rows in batches of two pairs: four batches; none again for another beta, rate, form or seed."""
    dpo.main(base)
    (file,) = references(base)
    assert looks == [4] * 4
    kept = load_file(file)
    assert set(kept) == {f"p{i} ({side})" for i in range(8) for side in ("chosen", "rejected")}
    again = replace(base, beta=0.5, learning_rate=1e-3, loss="ipo", seed=3, out=tmp_path / "again")
    dpo.main(again)
    assert looks == [4] * 4 and references(base) == [file]


def test_the_reference_holds_plain_log_probabilities(base: dpo.Config) -> None:
    dpo.main(base)
    kept, pair = load_file(references(base)[0]), dpo.data(base)[0][2]
    better, worse = pair.sides()
    for side, image in ((better, pair.image), (worse, pair.rejected_image)):
        row = loaded("llava_siglip").chat.encode(side, base.pairs.parent / str(image), True)
        expected = plain_logps(parts("llava_siglip")[0], row)
        assert kept[side.id].tolist() == pytest.approx(expected, abs=1e-4)


def test_another_model_or_term_or_pair_has_another_reference(
    base: dpo.Config, looks: list[int], tmp_path: Path
) -> None:
    """The model that came out; the visual term, with three rows per pair; a pair whose answer was mended."""
    dpo.main(base)
    dpo.main(replace(base, model=str(base.out), out=tmp_path / "second"))
    assert looks == [4] * 8 and len(references(base)) == 2
    dpo.main(replace(base, terms=MDPO, out=tmp_path / "third"))
    assert looks == [4] * 8 + [6] * 4 and len(references(base)) == 3
    dpo.main(replace(rewritten(base, rejected="No, never."), out=tmp_path / "fourth"))
    assert looks[12:] == [4] * 4 and len(references(base)) == 4


def test_another_sample_for_validation_has_another_reference(base: dpo.Config, tmp_path: Path) -> None:
    """One of two validation pairs, p6 or p7 as the seed will have it: both runs find what they need."""
    seeds = {dpo.data(replace(base, validation_rows=1, seed=seed))[1][0].id: seed for seed in range(20)}
    assert set(seeds) == {"p6", "p7"}
    for name, seed in seeds.items():
        dpo.main(replace(base, validation_rows=1, seed=seed, validate_every=1, out=tmp_path / name))
    assert len(references(base)) == 2


def test_a_damaged_reference_is_refused(base: dpo.Config) -> None:
    dpo.main(base)
    (file,) = references(base)
    whole = file.read_bytes()
    for damage in (whole[:-50], whole[:20], b"", b"x" * 100):
        file.write_bytes(damage)
        with pytest.raises(TrainingError, match=rf"{file.name} is damaged .*: remove it"):
            dpo.main(replace(base, out=base.out.with_name("again")))


def test_a_reference_that_cannot_be_written_lasts_for_the_run(
    base: dpo.Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Hours of scoring are not lost because the folder of the pairs is read-only; it is said."""

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("unveil.train.reference.save_file", full)
    dpo.main(base)
    assert not references(base) and not list(base.pairs.parent.glob("*.partial"))
    assert "the disk is full" in caplog.text and "the reference lasts as long as this run" in caplog.text


def test_a_reference_of_another_model_under_this_name_is_refused(base: dpo.Config) -> None:
    dpo.main(base)
    (file,) = references(base)
    save_file(load_file(file), file, {"weights": "of another"})
    with pytest.raises(TrainingError, match=rf"{file.name} is of another model or other pairs than its name says"):
        dpo.main(replace(base, out=base.out.with_name("again")))


def test_a_reference_that_does_not_fit_the_rows_names_one(base: dpo.Config) -> None:
    rows = encoded(dpo.data(base)[0][:2], base)
    known = {row.id: torch.zeros(len(row.answer)) for row in rows}
    assert Reference(known).of(rows).shape == (sum(len(row.answer) for row in rows),)
    had, name = len(rows[2].answer), rows[2].id
    assert name == "p1 (chosen)"
    with pytest.raises(TrainingError, match=rf"^p1 \(chosen\): {had} tokens, {had + 1} in the reference: another tok"):
        Reference({**known, name: torch.zeros(had + 1)}).of(rows)
    del known[name]
    with pytest.raises(TrainingError, match=r"^p1 \(chosen\): the reference has no log-probabilities of it"):
        Reference(known).of(rows)
