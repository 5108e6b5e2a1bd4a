"""What is compared in the main job: who gets which labels."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import write_both
from tests.helpers.cases import record
from unveil.core import provenance
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue
from unveil.pipelines import prefer
from unveil.pipelines.variants import (
    BASELINES,
    FULL,
    PREFERRED,
    REWARDED,
    USUAL,
    VARIANTS,
    Comparison,
    _some,
    asked_kinds,
    why_not,
)
from unveil.rl import aar
from unveil.train import dpo, sft
from unveil.train.options import TrainOptions


def test_a_tenth_of_the_patients_is_a_tenth_rounded_up(tmp_path: Path) -> None:
    """Of 21 training patients with two images each, three; all of validation; nothing of the test split; the same for
    the same seed and others for another."""
    splits = ("train",) * 21 + ("val", "test")
    rows = [record(f"{p}-{i}", patient=str(p), split=split) for p, split in enumerate(splits) for i in range(2)]
    asked = [Dialogue(f"{r.id}/q", r.id, r.image, r.split, "open", "Why?", "So.") for r in rows]
    write_jsonl(tmp_path / "records.jsonl", rows)
    write_jsonl(tmp_path / "dialogues.jsonl", asked)

    def part(seed: int) -> list[str]:
        sft: Any = SimpleNamespace(seed=seed)
        comparison = Comparison(tmp_path / "records.jsonl", tmp_path / "dialogues.jsonl", tmp_path, sft, 8)
        return [d.record for d in _some(comparison, tmp_path / "part" / "tenth.jsonl", 0.1)]

    chosen = part(0)
    train = {name.partition("-")[0] for name in chosen} - {"21"}
    assert len(train) == 3 and len(chosen) == 8 and {"21-0", "21-1"} <= set(chosen)
    assert not any(name.startswith("22") for name in chosen)
    assert part(0) == chosen and any(part(seed) != chosen for seed in range(1, 5))


@pytest.mark.parametrize(
    ("there", "kinds"),
    [
        ("detection diagnosis closed", "diagnosis"),
        ("detection diagnosis closed report", "diagnosis report"),
        ("report", "report closed choice open"),
        ("grounding closed", "grounding report closed choice open"),
    ],
)
def test_reports_that_were_asked_for_are_learnt_beside_diagnoses(there: str, kinds: str) -> None:
    asked: Any = [SimpleNamespace(kind=kind) for kind in there.split()]
    assert asked_kinds(asked) == tuple(kinds.split())


def test_advice_is_of_what_a_comparison_can_be_told() -> None:
    """`unveil prefer` names options of its own; a comparison has variants for some, and others are whole commands."""
    hidden = prefer.SideError("r.jsonl: no box", {"--sides text": "does without", "--map attention": "hides"})
    whole = "r.jsonl: no box: {} does without, `unveil prefer --name mmedpo --map attention` hides"
    assert why_not("mmedpo", hidden) == whole.format("--compare mmedpo-text")
    assert why_not("mmedpo-global", hidden) == whole.format("`unveil prefer --name mmedpo --sides text`")
    other = prefer.SideError("r.jsonl: no box", {"--noise global": "hides all"})
    assert why_not("mdpo", other) == "r.jsonl: no box: `unveil prefer --name mdpo --noise global` hides all"
    collapsed = ValueError("entropy is 0.1 (--least-entropy): lower --learning-rate")
    assert why_not("aar", collapsed).endswith(" (`unveil train aar` has --least-entropy, `unveil run` has not)")
    assert why_not("dpo", ValueError("no pair: give --seed. Or --model.")) == "no pair: give --seed. Or --model."
    plain = ValueError("lower --learning-rate, or deal by `unveil check --records R`")
    assert why_not("dpo", plain) == str(plain)


def test_every_variant_can_be_trained() -> None:
    assert set(VARIANTS) == {*PREFERRED, *REWARDED, *BASELINES} and set(USUAL) <= set(FULL) <= set(VARIANTS)
    assert not set(FULL) & set(BASELINES)


def test_attention_loss_alone_differs_from_fine_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a difference between the two is of that loss."""
    write_both(tmp_path, 9)
    common: dict[str, Any] = {"records": tmp_path / "records.jsonl", "dialogues": tmp_path / "dialogues.jsonl"}
    learning = sft.Config(**common, out=tmp_path / "sft", epochs=3.0, seed=5, resume=True)
    trained: list[Any] = []
    monkeypatch.setattr(provenance, "stage", lambda command, config, read, main: main(config))
    monkeypatch.setattr(sft, "main", trained.append)
    assert (
        Comparison(**common, out=tmp_path, sft=learning, answer_batch=4).train("sft-attention-loss") == trained[0].out
    )
    assert trained == [replace(learning, out=tmp_path / "sft-attention-loss", attention_loss=0.1)]


def test_baselines_are_what_their_names_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each method by its name, and rewards that differ from the usual ones in the threshold alone."""
    write_both(tmp_path, 9)
    common: dict[str, Any] = {"records": tmp_path / "records.jsonl", "dialogues": tmp_path / "dialogues.jsonl"}
    comparison = Comparison(**common, out=tmp_path, sft=sft.Config(**common, out=tmp_path / "sft"), answer_batch=4)
    chosen: list[Any] = []
    monkeypatch.setattr(aar, "main", chosen.append)
    monkeypatch.setattr(prefer, "main", chosen.append)
    for variant in ("mdpo", "povid", "sima", "self-rewarding", "aar", "aar-tightened"):
        comparison.train(variant)
    assert [c.name for c in chosen[:4]] == ["mdpo", "povid", "sima", "self-rewarding"]
    assert chosen[5] == replace(chosen[4], out=tmp_path / "aar-tightened", tighten=True)


def test_fine_tuning_on_a_tenth_is_done_once(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Self-training starts from it too, and a run that goes on finds it there."""
    write_both(tmp_path, 9)
    common: dict[str, Any] = {"records": tmp_path / "records.jsonl", "dialogues": tmp_path / "dialogues.jsonl"}
    options: dict[str, Any] = {"model": str(tiny_folder), "epochs": 0.1, "validate_every": 0, "max_new_tokens": 8}
    learning = sft.Config(**common, out=tmp_path / "sft", workers=0, **options)
    comparison = Comparison(**common, out=tmp_path, sft=learning, answer_batch=4)
    trained, train = [], sft.main
    monkeypatch.setattr(sft, "main", lambda config: trained.append(train(config)))
    assert comparison.train("sft-tenth") == comparison.train("sft-tenth") == tmp_path / "sft-tenth"
    assert len(trained) == 1


def test_variants_compute_in_what_fine_tuning_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is trained after it, with or without rewards."""
    write_both(tmp_path, 9)
    common: dict[str, Any] = {"records": tmp_path / "records.jsonl", "dialogues": tmp_path / "dialogues.jsonl"}
    learning = sft.Config(**common, out=tmp_path / "sft", precision="bf16", checkpoint_every=7, workers=3, seed=5)
    chosen: list[Any] = []
    monkeypatch.setattr(aar, "main", chosen.append)
    monkeypatch.setattr(prefer, "main", chosen.append)
    variants = [variant for variant in VARIANTS if variant not in ("sft-tenth", "selftrain", "sft-attention-loss")]
    for variant in variants:
        Comparison(**common, out=tmp_path, sft=learning, answer_batch=4).train(variant)
    assert [(c.precision, c.checkpoint_every, c.workers, c.seed) for c in chosen] == [("bf16", 7, 3, 5)] * len(variants)


def test_variants_train_what_fine_tuning_does(tmp_path: Path) -> None:
    """But what is theirs: the model, which is the fine-tuned one and remembers how it is spoken to, and how long, in
    which batches and how fast they learn."""
    write_both(tmp_path, 9)
    common: dict[str, Any] = {"records": tmp_path / "records.jsonl", "dialogues": tmp_path / "dialogues.jsonl"}
    shared = Comparison(**common, out=tmp_path, sft=sft.Config(**common, out=tmp_path / "sft"), answer_batch=4).shared
    own = {"model", "revision", "box_format", "limits", "epochs", "batch_size", "accumulate", "learning_rate"}
    assert {field.name for field in fields(TrainOptions)} - own == set(shared) - {"seed", "restart"}


def test_what_learns_from_a_tenth_goes_on_as_fine_tuning_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both trainings of self-training: how often they write checkpoints, and what they may write over."""
    write_both(tmp_path, 9)
    common: dict[str, Any] = {"records": tmp_path / "records.jsonl", "dialogues": tmp_path / "dialogues.jsonl"}
    learning = sft.Config(**common, out=tmp_path / "sft", checkpoint_every=7, workers=3, resume=True, restart=True)
    begun: dict[str, Any] = {}
    monkeypatch.setattr(provenance, "stage", lambda command, config, *_: begun.update({command: config}))
    Comparison(**common, out=tmp_path, sft=learning, answer_batch=4).train("selftrain")
    trained = [config for command, config in begun.items() if command.startswith("train")]
    assert [(c.checkpoint_every, c.workers, c.resume) for c in trained] == [(7, 3, True)] * 2
    assert all(config.restart for config in begun.values())


@pytest.mark.parametrize(("size", "passes"), [(32, (16, 1)), (16, (16, 1)), (5, (5, 4)), (1, (1, 16))])
def test_variants_take_no_larger_batches_than_fine_tuning(
    size: int, passes: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fits while fine-tuning fits then; at the usual size they are as they were published."""
    write_both(tmp_path, 9)
    common: dict[str, Any] = {"records": tmp_path / "records.jsonl", "dialogues": tmp_path / "dialogues.jsonl"}
    learning = sft.Config(**common, out=tmp_path / "sft", batch_size=size)
    chosen: list[Any] = []
    monkeypatch.setattr(aar, "main", chosen.append)
    monkeypatch.setattr(prefer, "main", chosen.append)
    monkeypatch.setattr(
        provenance, "stage", lambda command, config, read, main: command == "train aar" and main(config)
    )
    monkeypatch.setattr(dpo, "Config", lambda **asked: chosen.append(SimpleNamespace(**asked)))
    for variant in ("aar", "mmedpo", "selftrain"):
        Comparison(**common, out=tmp_path, sft=learning, answer_batch=4).train(variant)
    assert [(c.batch_size, c.accumulate) for c in chosen] == [passes] * 3
