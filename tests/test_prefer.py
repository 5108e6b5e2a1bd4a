"""Preference methods by name: what each of them learns from and with, and that what is there is not made again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.helpers.cases import blocks_of, folder_of, saying, shown
from unveil import cli
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.pairs import read_pairs
from unveil.core.provenance import OutputError
from unveil.core.records import Record, RecordError, image_path
from unveil.curate import candidates, noise
from unveil.experts import local
from unveil.experts.expert import Expert
from unveil.experts.requests import Request
from unveil.experts.store import Store
from unveil.pipelines import prefer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "data")


class Judge(NamedTuple):
    """An expert, and what it has been asked."""

    expert: Expert
    asked: list[Request]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """An expert for all, who counts letters: no two of a random model's answers are alike to it."""

    def reply(request: Request) -> str:
        inside = [block.strip() for block in blocks_of(request)]
        fields = {
            "score by rubric": lambda: {"points": len(inside[1]) % 6},
            "compare given the truth": lambda: {"better": 1 if len(inside[2]) > len(inside[3]) else 2},
            "pick a hallucination": lambda: {"candidate": min(1, len(inside) - 2), "hallucination": "It is a cat."},
            "correct": lambda: {"answer": inside[1]},
            "relevance": lambda: {"score": len(inside[1]) % 7 / 7},
        }
        return json.dumps(fields[request.task]())

    expert, asked = saying(reply, name="judge")
    return Judge(Expert(expert.backend, Store(tmp_path / "judge.sqlite")), asked)


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of eight tokens."""
    answer = local.Local._answer

    def short(self: local.Local, batch: Any) -> Any:
        return answer(self, [replace(r, sampling=replace(r.sampling, max_tokens=8)) for r in batch])

    monkeypatch.setattr(local.Local, "_answer", short)


def preferring(folder: Path, tiny_folder: Path, name: Any, **more: Any) -> prefer.Config:
    """A few updates of one pair each on the diagnoses of three images; the fourth is of validation."""
    usual: dict[str, Any] = {
        "kinds": ("diagnosis",),
        "batch_size": 1,
        "samples": 2,
        "learning_rate": 1e-3,
        "balance": False,
    }
    files = {"records": folder / "records.jsonl", "dialogues": folder / "dialogues.jsonl", "out": folder / "out"}
    return prefer.Config(name=name, **{"model": str(tiny_folder), "workers": 0, **files, **usual} | more)


def learnt(folder: Path) -> dict[str, Any]:
    """What training was told in the end."""
    about = json.loads((folder / "run.json").read_text())
    assert about["command"] == "train dpo"
    return about["config"]


def updates(folder: Path) -> int:
    return json.loads((folder / "run.json").read_text())["chosen"]["updates"]


def ids(file: Path) -> list[str]:
    return [pair.id for pair in read_pairs(file)]


EACH = ("a/diagnosis", "b/diagnosis", "c/diagnosis", "v/diagnosis")
HELD = ("a/diagnosis", "c/diagnosis", "v/diagnosis")
"""The images with a lesion that could be hidden."""


@pytest.mark.parametrize(
    ("name", "terms", "weighted", "pairs"),
    [
        ("dpo", ["text"], False, [f"{d}/hallucinated" for d in EACH]),
        ("self-rewarding", ["text"], False, [f"{d}/ranked" for d in EACH]),
        ("sima", ["text"], False, [f"{d}/ranked" for d in EACH]),
        ("mdpo", ["text", "visual", "anchor"], False, [f"{d}/hallucinated" for d in HELD]),
        ("mmedpo", ["text"], True, [*(f"{d}/hallucinated" for d in EACH), *(f"{d}/hidden" for d in HELD)]),
        ("povid", ["text"], False, [*(f"{d}/hallucinated" for d in EACH), *(f"{d}/unseen" for d in EACH)]),
    ],
)
def test_each_method_trains(
    name: str, terms: list[str], weighted: bool, pairs: list[str], folder: Path, tiny_folder: Path, judge: Judge
) -> None:
    """With the loss's terms and weights of its paper, on the sides that it stands for."""
    assert prefer.main(preferring(folder, tiny_folder, name), judge.expert) == folder / "out"
    out = folder / "out"
    made = read_pairs(out / "pairs.jsonl")
    assert [pair.id for pair in made] == pairs and (out / "model.safetensors").is_file()
    assert all(image_path(pair, out / "pairs.jsonl").is_file() for pair in made)
    told = learnt(out)
    assert (told["terms"], told["weighted"], told["loss"], told["beta"]) == (terms, weighted, "sigmoid", 0.1)
    assert told["model"] == str(out / "round-1" if name == "povid" else tiny_folder) and updates(out) >= 2
    for pair in made:
        hidden = pair.rejected_noise is not None
        assert hidden == (pair.id.endswith("/hidden") or name == "mdpo")
        assert (pair.chosen == pair.rejected) == pair.id.endswith("/hidden")
        assert hidden is False or (pair.rejected_noise and not pair.rejected_noise.map.whole)
    if name == "mmedpo":
        text, visual = ([p.weight for p in made if bool(p.rejected_noise) is side] for side in (False, True))
        assert len(set(text)) > 1 and min(text) >= 0.75 and max(text) <= 1.25 and set(visual) == {1.0}
    else:
        assert {pair.weight for pair in made} == {1.0}


def test_two_updates(folder: Path, tiny_folder: Path) -> None:
    """Three pairs of training in batches of two; the rules pick."""
    prefer.main(preferring(folder, tiny_folder, "dpo", sft_weight=0.5, beta=0.3, batch_size=2))
    told = learnt(folder / "out")
    assert updates(folder / "out") == 2 and (told["sft_weight"], told["beta"]) == (0.5, 0.3)


@pytest.mark.parametrize(
    ("options", "weighted", "pairs", "whole"),
    [
        ({"sides": ("text",)}, True, [f"{d}/hallucinated" for d in EACH], set()),
        ({"sides": ("visual",)}, True, [f"{d}/hidden" for d in HELD], {False}),
        (
            {"weights": False},
            False,
            [*(f"{d}/hallucinated" for d in EACH), *(f"{d}/hidden" for d in HELD)],
            {False},
        ),
        ({"sides": ("visual",), "noise": "global", "weights": False}, False, [f"{d}/hidden" for d in HELD], {True}),
    ],
)
def test_what_mmedpo_can_be_told(
    options: dict[str, Any], weighted: bool, pairs: list[str], whole: set[bool], folder: Path, tiny_folder: Path
) -> None:
    """Its ablations: either side, no weights (nobody is asked for any), noise on the whole image."""
    prefer.main(preferring(folder, tiny_folder, "mmedpo", **options))
    out = folder / "out"
    made = read_pairs(out / "pairs.jsonl")
    assert sorted(pair.id for pair in made) == sorted(pairs) and learnt(out)["weighted"] is weighted
    assert {pair.rejected_noise.map.whole for pair in made if pair.rejected_noise} == whole
    assert (out / "weighed.jsonl").exists() is weighted


@pytest.mark.parametrize(
    ("name", "ways"), [("mmedpo", ["--map attention", "--sides text"]), ("mdpo", ["--noise global"])]
)
def test_without_boxes_nothing_is_hidden_and_no_model_is_asked(
    name: str, ways: list[str], folder: Path, tmp_path: Path
) -> None:
    """Records as of a set of questions and answers alone: the refusal names the ways that remain."""
    file = folder / "records.jsonl"
    plain = [
        replace(record, findings=tuple(replace(f, box=None, mask=None) for f in record.findings))
        for record in read_jsonl(file, Record)
    ]
    write_jsonl(file, plain)
    with pytest.raises(RecordError, match="no finding has a box or a mask") as told:
        prefer.main(preferring(folder, tmp_path / "no such model", name))
    assert all(way in str(told.value) for way in ways)


def test_a_side_of_mmedpo_without_a_pair_is_named(
    folder: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the option that learns from the other side; where that one alone was asked for there is none to name."""

    def none(config: Any, **_: Any) -> None:
        candidates.write_pairs([], config, Counter(["the map is empty"]))

    monkeypatch.setattr(noise, "main", none)
    with pytest.raises(RecordError, match=r"hidden lesions make no pair .*1 x the map is empty.*: --sides text learns"):
        prefer.main(preferring(folder, tiny_folder, "mmedpo"))
    assert not (folder / "out" / "pairs.jsonl").exists(), "half of the method is not trained under its name"
    with pytest.raises(RecordError, match=r"^[^(]*no pair could be made: 1 x the map is empty$"):
        prefer.main(preferring(folder, tiny_folder, "mmedpo", sides=("visual",)))


def test_agents_and_minimal_edits_reach_their_commands(folder: Path, tiny_folder: Path, judge: Judge) -> None:
    """Two agents of one mind agree on all; the better answers are the model's own, corrected."""
    prefer.main(
        preferring(folder, tiny_folder, "mmedpo", sides=("text",), edit="minimal", agents=("rules", "local:x")),
        judge.expert,
    )
    weighed = json.loads((folder / "out" / "weighed.jsonl.run.json").read_text())
    assert weighed["config"]["agents"] == ["rules", "local:x"]
    assert all(len(history) == 2 for history in weighed["scores"].values())
    made = read_pairs(folder / "out" / "pairs.jsonl")
    assert [pair.id for pair in made] == [f"{d}/corrected" for d in EACH]


def test_povid_has_two_rounds(folder: Path, tiny_folder: Path, judge: Judge) -> None:
    """The second starts from the first's model and learns from the same written answers, asked for once, and from what
    that model says without seeing."""
    prefer.main(preferring(folder, tiny_folder, "povid"), judge.expert)
    out = folder / "out"
    assert ids(out / "round-1" / "pairs.jsonl") == [f"{d}/hallucinated" for d in EACH]
    assert learnt(out / "round-1")["model"] == str(tiny_folder) and learnt(out)["model"] == str(out / "round-1")
    first, second = (read_pairs(file) for file in (out / "round-1" / "pairs.jsonl", out / "pairs.jsonl"))
    assert [(p.id, p.chosen, p.rejected) for p in first] == [(p.id, p.chosen, p.rejected) for p in second[:4]]
    assert all(image_path(p, out / "round-1" / "pairs.jsonl").is_file() for p in first)
    assert [request.id for request in judge.asked] == list(EACH) and {request.task for request in judge.asked} == {
        "pick a hallucination"
    }
    assert all(p.writer.startswith(str(out / "round-1")) for p in second[4:])


def test_rounds_of_self_rewarding(folder: Path, tiny_folder: Path, judge: Judge) -> None:
    """Each with the model of the one before, and draws of its own."""
    prefer.main(preferring(folder, tiny_folder, "self-rewarding", rounds=3), judge.expert)
    out = folder / "out"
    folders = [out / "round-1", out / "round-2", out]
    assert [learnt(one)["model"] for one in folders] == [str(tiny_folder), *map(str, folders[:2])]
    configs = [json.loads((one / "ranked.jsonl.run.json").read_text())["config"] for one in folders]
    assert [c["model"] for c in configs] == [str(tiny_folder), *map(str, folders[:2])]
    assert len({c["seed"] for c in configs}) == 3
    with pytest.raises(RecordError, match="--rounds must be 1 at least"):
        prefer.main(preferring(folder, tiny_folder, "self-rewarding", rounds=0), judge.expert)


def modified(folder: Path) -> dict[str, int]:
    """When each model and each file of pairs of a stage was written; what is joined of them is written each time."""
    joined = ("pairs.jsonl", "unweighed.jsonl")
    files = [*folder.rglob("*.jsonl"), *folder.rglob("*.safetensors")]
    return {str(f): f.stat().st_mtime_ns for f in files if f.name not in joined}


@pytest.mark.parametrize("name", ["dpo", "mdpo", "mmedpo", "povid", "self-rewarding"])
def test_what_is_there_is_not_made_again(
    name: str, folder: Path, tiny_folder: Path, judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    config = preferring(folder, tiny_folder, name, rounds=2)
    prefer.main(config, judge.expert)
    before, asked = modified(folder / "out"), len(judge.asked)
    capsys.readouterr()
    prefer.main(config, judge.expert)
    assert modified(folder / "out") == before and len(judge.asked) == asked
    assert "[" not in shown(capsys).replace(str(folder), ""), "no stage has begun"
    with pytest.raises(OutputError, match=r"made with other settings \(beta 0.1 -> 0.2\): --restart"):
        prefer.main(replace(config, beta=0.2), judge.expert)
    assert modified(folder / "out") == before
    prefer.main(replace(config, beta=0.2, restart=True), judge.expert)
    trained = {f for f, at in modified(folder / "out").items() if before.get(f) != at}
    assert str(folder / "out" / "model.safetensors") in trained, "another setting trains again, where that is asked for"
    assert not {f for f in trained if f.endswith(("sampled.jsonl", "written.jsonl"))}, "what it does not touch is kept"


def test_a_changed_model_is_asked_anew(folder: Path, tiny_folder: Path, judge: Judge) -> None:
    """Trained anew at the same place, its answers are no longer those of before."""
    prefer.main(preferring(folder, tiny_folder, "dpo"), judge.expert)
    config = preferring(folder, tiny_folder, "dpo", model=str(folder / "out"), out=folder / "next")
    prefer.main(config, judge.expert)
    before = modified(folder / "next")
    prefer.main(preferring(folder, tiny_folder, "dpo", beta=0.5, restart=True), judge.expert)
    with pytest.raises(OutputError, match=r"made with other settings \(model changed since\)"):
        prefer.main(config, judge.expert)
    prefer.main(replace(config, restart=True), judge.expert)
    drawn = str(folder / "next" / "sampled.jsonl")
    assert modified(folder / "next")[drawn] != before[drawn]


def test_the_command(folder: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--records", folder / "records.jsonl", "--dialogues", folder / "dialogues.jsonl", "--out", folder / "out"]
    words = ["--name", "dpo", "--model", tiny_folder, "--kinds", "diagnosis", "--samples", "1", "--limit", "2"]
    assert cli.main(["prefer", *map(str, [*files, *words])]) == 0
    assert f"trained model: {folder / 'out'}" in shown(capsys)
    assert ids(folder / "out" / "pairs.jsonl") == ["a/diagnosis/hallucinated", "b/diagnosis/hallucinated"]
    elsewhere = [*files[:-1], folder / "none", *words, "--kinds", "self-question"]
    assert cli.main(["prefer", *map(str, elsewhere)]) == 1
    assert "no pair could be made" in shown(capsys)
