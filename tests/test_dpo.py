"""Preference optimisation: its loss is the one of the papers, its reference is computed once, a broken run goes on."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import logged
from tests.helpers.killing import run_and_kill
from tests.helpers.pairs import encoded, pairs_in, plain_logps, references, rewritten, short_run
from unveil.core import image_files, lesion_noise, pixels
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Pair, RecordError
from unveil.testing.models import fresh, parts, pristine
from unveil.train import checkpoints, dpo, losses
from unveil.train.dataloader import Stream
from unveil.train.loop import TrainingError
from unveil.train.reference import Reference
from unveil.vlm import model_parts, models
from unveil.vlm.features import Features
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer


@pytest.fixture
def base(tiny_folder: Path, tmp_path: Path) -> dpo.Config:
    return short_run(tiny_folder, tmp_path)


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def scorer_of(copy: Loaded) -> Scorer:
    return Scorer(copy.model, copy.chat, Features(copy.model, copy.chat.processor.image_processor, 100)).eval()


# ------------------------------------------------------------------------------------------------------------- the loss


def moved() -> Loaded:
    """The tiny model a little away from itself, so that policy and reference differ."""
    copy = fresh("llava_siglip")
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in copy.model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    return copy


def softplus(x: float) -> float:
    """-log sigmoid(-x) = log(1 + e^x)."""
    return math.log1p(math.exp(x))


FORMS = {
    "sigmoid": lambda gain, e: (1 - e) * softplus(-gain) + e * softplus(gain),
    "hinge": lambda gain, e: max(0.0, 1 - gain),
    "ipo": lambda gain, e: (gain - 0.5) ** 2,
}


def by_hand(pair: Pair, config: dpo.Config, policy: dict[str, list[float]], ref: dict[str, list[float]]) -> float:
    """One pair's loss from the log-probabilities of its answers' tokens; the papers' formulas, without tensors.

    Answers are called w (better), l (worse, under its own image, or under the pair's if there is a visual term) and
    o (better, under the other image).
    """

    def gain(side: str) -> float:
        difference = sum(policy[side]) - sum(ref[side])
        return config.beta * (difference / len(policy[side]) if config.per_token else difference)

    form, total = FORMS[config.loss], 0.0
    if "text" in config.terms:
        total += form(gain("w") - gain("l"), config.smoothing)
    if "visual" in config.terms:
        total += form(gain("w") - gain("o"), config.smoothing)
    if "anchor" in config.terms:
        total += softplus(-gain("w"))
    total *= pair.weight if config.weighted else 1.0
    return total - config.sft_weight * sum(policy["w"]) / len(policy["w"])


MDPO: Any = ("text", "visual", "anchor")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"beta": 1.5},
        {"weighted": False},
        {"per_token": True, "beta": 2.0},
        {"sft_weight": 0.7},
        {"loss": "hinge", "beta": 0.5},
        {"loss": "ipo"},
        {"smoothing": 0.2},
        {"terms": MDPO},
        {"terms": MDPO, "per_token": True, "sft_weight": 0.3, "loss": "ipo", "weighted": False},
        {"terms": ("visual",)},
        {"terms": ("text", "anchor")},
    ],
)
def test_the_loss_is_the_papers(options: dict[str, Any], base: dpo.Config) -> None:
    """A batch of three pairs, weights 1/2, 1 and 2, against each row alone and sums without tensors.

    The worse answer stands under ``rejected_image`` unless a visual term takes that for the better one.
    """
    config, policy = replace(base, **options), moved()
    batch = dpo.data(config)[0][:3]
    assert [p.weight for p in batch] == [0.5, 1.0, 2.0]
    folder, chat = config.pairs.parent, policy.chat
    known: dict[str, Any] = {}
    expected = 0.0
    for pair in batch:
        better, worse = pair.sides()
        assert pair.rejected_image
        under = pair.image if "visual" in config.terms else pair.rejected_image
        rows = {
            "w": chat.encode(better, folder / pair.image, True),
            "l": chat.encode(worse, folder / under, True),
            "o": chat.encode(better, folder / pair.rejected_image, True),
        }
        mine = {side: plain_logps(policy.model, row) for side, row in rows.items()}
        before = {side: plain_logps(parts("llava_siglip")[0], row) for side, row in rows.items()}
        expected += by_hand(pair, config, mine, before) / len(batch)
        names = {"w": "(chosen)", "l": "(rejected)", "o": "(chosen, other image)"}
        known |= {f"{pair.id} {names[side]}": torch.tensor(values) for side, values in before.items()}
    loss, figures = dpo.losing(config, Reference(known))(scorer_of(policy), batch, encoded(batch, config))
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-4)
    assert logged(figures)["loss"] == pytest.approx(float(loss.detach()))
    at_rest = {"sigmoid": math.log(2), "hinge": 1.0, "ipo": 0.25}[config.loss]
    assert expected != pytest.approx(at_rest, abs=1e-2), "the model has moved"


@pytest.mark.parametrize("terms", [("text",), MDPO])
def test_before_the_first_step_nothing_is_preferred(terms: Any, base: dpo.Config) -> None:
    """Policy and reference are one: each term log 2, no margin, no pair won, no distance. Bit for bit in one batch."""
    config, copy = replace(base, terms=terms, weighted=False), fresh("llava_siglip")
    batch, scorer = dpo.data(config)[0][:2], scorer_of(copy)
    stream = Stream(scorer, config.pairs, config)
    held = dpo.before_training(config, Accelerator(cpu=True), scorer, stream, batch, {"weights": "x"})
    in_order = sorted(batch, key=lambda pair: pair.image)
    loss, figures = dpo.losing(config, held)(scorer, in_order, encoded(in_order, config))
    assert float(loss.detach()) == pytest.approx(len(terms) * math.log(2), abs=1e-6)
    found = logged(figures)
    assert found["margin"] == found["reward_accuracy"] == found["kl"] == 0.0


@pytest.mark.parametrize("terms", [("text",), MDPO])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_run_learns_the_pairs(method: Any, terms: Any, base: dpo.Config) -> None:
    """It begins at log 2 per term, weighed by the two pairs of its first batch, and wins its pairs in the end."""
    lines = metrics(dpo.main(replace(base, method=method, terms=terms, epochs=4, weighted=False)))
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert lines[0]["loss"] == pytest.approx(len(terms) * math.log(2), abs=1e-4)
    assert abs(lines[0]["margin"]) < 1e-4 and abs(lines[0]["kl"]) < 1e-6
    assert lines[-1]["loss"] < lines[0]["loss"] and lines[-1]["margin"] > 0 and lines[-1]["reward_accuracy"] > 0.5


@pytest.mark.parametrize("options", [{"loss": "hinge"}, {"loss": "ipo"}, {"smoothing": 0.1}, {"per_token": True}])
def test_two_updates_of_each_form(options: dict[str, Any], base: dpo.Config) -> None:
    """At rest hinge is 1, ipo 1/4, sigmoid log 2; the language model has changed and is loaded again, the tower not."""
    lines = metrics(dpo.main(replace(base, weighted=False, **options)))
    at_rest = {"hinge": 1.0, "ipo": 0.25}.get(options.get("loss", ""), math.log(2))
    assert len(lines) == 2 and lines[0]["loss"] == pytest.approx(at_rest, abs=1e-4)
    after, before = models.load(base.out, device="cpu").model.state_dict(), pristine("llava_siglip")
    part_of = model_parts.parts_of(parts("llava_siglip")[0])
    assert {part_of(n) for n, v in after.items() if not torch.equal(v, before[n])} == {"language", "projector"}
    about = json.loads((base.out / "run.json").read_text())
    assert about["command"] == "train dpo" and about["chosen"]["updates"] == 2


def test_validation_pairs_are_validated_and_not_trained_on(base: dpo.Config) -> None:
    """p6 and p7, whose figures are those of their own batch; pairs that say no split are for training."""
    train, val = dpo.data(rewritten(base, split=None))
    assert ([p.id for p in train], [p.id for p in val]) == (["p1", "p2", "p3", "p4", "p5", "p0"], ["p6", "p7"])
    lines = metrics(dpo.main(replace(base, validate_every=1)))
    assert [set(line) for line in lines if "val_loss" in line] and len(lines) == 4
    assert lines[1]["val_loss"] != lines[3]["val_loss"]


# ------------------------------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_run_ends_as_an_uninterrupted_one(method: Any, base: dpo.Config, tmp_path: Path) -> None:
    """Bit for bit, over the end of an epoch, with dropout, validation and accumulation.

    Killed after update 3 of 4, the last checkpoint being that of update 2: 3 is done again, and logged once.
    """
    config = replace(
        base,
        method=method,
        terms=MDPO,
        lora_dropout=0.3,
        accumulate=2,
        epochs=8 / 3,
        validate_every=2,
        checkpoint_every=2,
        weight_decay=0.1,
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        straight = dpo.main(replace(config, out=tmp_path / "straight"))
        run_and_kill(config, tmp_path / "job", after=3)
        assert [p.name for p in checkpoints.found(config.out / "checkpoints")] == ["step-0000002"]
        dpo.main(replace(config, resume=True))
    finally:
        torch.set_num_threads(threads)
    assert metrics(config.out) == metrics(straight)
    assert [m["step"] for m in metrics(straight) if "loss" in m] == [1, 2, 3, 4]
    (one,), (other,) = (list(folder.glob("*model.safetensors")) for folder in (config.out, straight))
    mine, theirs = load_file(one), load_file(other)
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[n], theirs[n]) for n in mine)


# ------------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("field", "message"), [("image", r"^p0 \(chosen\): .*gone\.png: no such"), ("rejected_image", r"^p0 \(rejected\)")]
)
def test_a_missing_image_is_named_with_its_pair(field: str, message: str, base: dpo.Config) -> None:
    with pytest.raises(pixels.ImageError, match=message):
        dpo.main(rewritten(base, **{field: "gone.png"}))
    assert not references(base) and not list(base.pairs.parent.glob("*.partial"))


def test_a_loss_that_is_not_a_number_names_its_pairs(base: dpo.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second update."""
    calls: list[int] = []

    def broken(*args: Any, real: Any = losses.preference) -> torch.Tensor:
        calls.append(1)
        return real(*args) * (float("nan") if len(calls) == 2 else 1)

    monkeypatch.setattr(losses, "preference", broken)
    with pytest.raises(TrainingError, match=r"the loss is nan on p\d, p\d: lower --learning-rate"):
        dpo.main(base)
    assert [line["step"] for line in metrics(base.out)] == [1]


def test_a_visual_term_needs_other_images(base: dpo.Config) -> None:
    config = rewritten(base, rejected_image=None)
    dpo.data(config)
    with pytest.raises(
        TrainingError, match=r"^p0: the visual term needs a rejected_image or rejected_noise \(1 lack one\)"
    ):
        dpo.main(replace(config, terms=MDPO))


def test_nothing_to_train_on(base: dpo.Config) -> None:
    write_jsonl(base.pairs, [replace(p, split="test") for p in pairs_in(base.pairs.parent)])
    with pytest.raises(TrainingError, match=r"pairs\.jsonl: no pair has the split 'train'"):
        dpo.main(base)
    with pytest.raises(RecordError, match="no such file"):
        dpo.main(replace(base, pairs=base.pairs.with_name("none.jsonl")))


def test_a_row_that_is_too_long_is_named(base: dpo.Config) -> None:
    with pytest.raises(TrainingError, match=r"^p\d \(chosen\): \d+ tokens are more than 18,"):
        dpo.main(replace(base, max_length=18))


# ------------------------------------------------------------------------------------------------------ hidden lesions


@pytest.mark.parametrize("terms", [("text",), MDPO])
def test_a_hidden_lesion_is_another_image(terms: Any, base: dpo.Config, tmp_path: Path) -> None:
    """Noise that stands in the pair gives the loss of a pair whose rejected image is that noised picture as a file."""
    (pair, *_), folder = dpo.data(base)[0], base.pairs.parent
    array = pixels.to_rgb(image_files.read(folder / pair.image))
    hidden = lesion_noise.draw(array, lesion_noise.LesionMap(boxes=((2, 3, 20, 25),)), seed=1)
    Image.fromarray(lesion_noise.apply(array, hidden)).save(folder / "hidden.png")
    config, policy = replace(base, terms=terms), moved()
    pairs = [
        replace(pair, id="a", rejected_image="hidden.png"),
        replace(pair, id="b", rejected_image=None, rejected_noise=hidden),
    ]
    losses_of = []
    for one in pairs:
        scorer = scorer_of(policy)
        stream = Stream(scorer, config.pairs, config)
        ((_, rows),) = stream([[one]], lambda batch: dpo.asked_of(batch, config.terms))
        known = {row.id: torch.zeros(len(row.answer)) for row in rows}
        losses_of.append(float(dpo.losing(config, Reference(known))(scorer, [one], rows)[0].detach()))
        assert len({row.seen.digest for row in rows}) == 2
    assert losses_of[0] == pytest.approx(losses_of[1], abs=1e-6)


def test_an_image_that_changed_under_its_noise_is_named(base: dpo.Config) -> None:
    pair, folder = dpo.data(base)[0][0], base.pairs.parent
    array = pixels.to_rgb(image_files.read(folder / pair.image))
    hidden = lesion_noise.draw(array + 1, lesion_noise.LesionMap(whole=True), seed=1)
    write_jsonl(base.pairs, [replace(pair, rejected_image=None, rejected_noise=hidden)])
    with pytest.raises(pixels.ImageError, match=rf"^{pair.id} \(rejected\): .*not the one that was drawn"):
        dpo.main(base)
