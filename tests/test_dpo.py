"""Preference optimisation: its loss is the one of the papers, its reference is computed once, a broken run goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from conftest import SIZES, draw
from killing import run_and_kill
from PIL import Image
from safetensors.torch import load_file, save_file

from bench.families import fresh, loaded, parts, pristine
from unveil import models, noise, pixels
from unveil.encoding import Encoded
from unveil.models import Loaded
from unveil.records import Pair, RecordError, image_path, write_jsonl
from unveil.train import dpo, loop, losses
from unveil.train.dpo import DpoConfig
from unveil.train.engine import Scorer
from unveil.train.features import Features
from unveil.train.loop import TrainingError
from unveil.train.reference import Reference
from unveil.train.stream import Stream

QUESTION = "Where is the nodule?"


def pairs_in(folder: Path) -> list[Pair]:
    """Six pairs for training on two images, two for validation, with answers of unlike length and other images."""
    for i in range(4):
        draw(folder / f"{i}.png", SIZES[i], i)
    out = []
    for i in range(8):
        question, other = ("Name the finding.", QUESTION)[i % 2], f"{(i + 1) % 4}.png"
        better, worse = "nodule; " * (1 + i % 3) + "cyst.", ("No.", "Detection: none. " * 2)[i // 2 % 2]
        pair = Pair(f"p{i}", f"r{i}", f"{i % 2}.png", "train" if i < 6 else "val", "open", question, better, worse)
        out.append(replace(pair, rejected_image=other, weight=(0.5, 1.0, 2.0)[i % 3]))
    return out


@pytest.fixture
def base(tiny_folder: Path, tmp_path: Path) -> DpoConfig:
    """A short run: all weights, two updates of two pairs."""
    (tmp_path / "data").mkdir()
    write_jsonl(tmp_path / "data" / "pairs.jsonl", pairs_in(tmp_path / "data"))
    return DpoConfig(
        pairs=tmp_path / "data" / "pairs.jsonl",
        out=tmp_path / "out",
        model=str(tiny_folder),
        method="full",
        batch_size=2,
        epochs=2 / 3,
        learning_rate=1e-2,
        lora_rank=4,
        lora_alpha=8.0,
        validate_every=0,
        checkpoint_every=0,
        log_every=1,
    )


def rewritten(config: DpoConfig, **changes: Any) -> DpoConfig:
    """The run with a field of its first pair changed."""
    first, *rest = pairs_in(config.pairs.parent)
    write_jsonl(config.pairs, [replace(first, **changes), *rest])
    return config


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def references(config: DpoConfig) -> list[Path]:
    return sorted(config.pairs.parent.glob("pairs.jsonl.reference-*.safetensors"))


def scorer_of(copy: Loaded) -> Scorer:
    return Scorer(copy.model, copy.chat, Features(copy.model, copy.chat.processor.image_processor, 100)).eval()


def encoded(batch: Any, config: DpoConfig) -> list[Encoded]:
    """The rows of a batch of pairs."""
    chat, asked = loaded("llava_siglip").chat, dpo.asked_of(batch, config.terms)
    return [chat.encode(d, image_path(d, config.pairs), with_answer=True) for d in asked]


# ------------------------------------------------------------------------------------------------------------- the loss


def plain_logps(model: Any, row: Encoded) -> list[float]:
    """log p of each answer token of one row alone, from all logits in double precision."""
    inputs = loaded("llava_siglip").chat.batch([row])
    del inputs["labels"]
    with torch.no_grad():
        logps = model(**inputs).logits[0].double().log_softmax(-1)
    return [float(logps[place - 1, token]) for place, token in enumerate(row.answer, len(row.prompt))]


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


def by_hand(pair: Pair, config: DpoConfig, policy: dict[str, list[float]], ref: dict[str, list[float]]) -> float:
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
def test_the_loss_is_the_papers(options: dict[str, Any], base: DpoConfig) -> None:
    """A batch of three pairs, weights 1/2, 1 and 2, against each row alone and sums without tensors.

    The worse answer stands under ``rejected_image`` unless a visual term takes that for the better one.
    """
    config, policy = replace(base, **options), moved()
    batch = dpo.data(config)[0][:3]
    assert [p.weight for p in batch] == [0.5, 1.0, 2.0]
    folder, chat = config.pairs.parent, policy.chat
    known, expected = {}, 0.0
    for pair in batch:
        better, worse = pair.sides()
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
    loss, figures = dpo.pair_loss(scorer_of(policy), batch, encoded(batch, config), Reference(known), config)
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-4)
    assert figures["loss"] == float(loss.detach())
    at_rest = {"sigmoid": math.log(2), "hinge": 1.0, "ipo": 0.25}[config.loss]
    assert expected != pytest.approx(at_rest, abs=1e-2), "the model has moved"


@pytest.mark.parametrize("terms", [("text",), MDPO])
def test_before_the_first_step_nothing_is_preferred(terms: Any, base: DpoConfig) -> None:
    """Policy and reference are one: each term log 2, no margin, no pair won, no distance. Bit for bit in one batch."""
    config, copy = replace(base, terms=terms, weighted=False), fresh("llava_siglip")
    batch, scorer = dpo.data(config)[0][:2], scorer_of(copy)
    stream = Stream(scorer, config.pairs, config)
    held = dpo.before_training(config, Accelerator(cpu=True), scorer, stream, batch, {"weights": "x"})
    in_order = sorted(batch, key=lambda pair: pair.image)
    loss, figures = dpo.pair_loss(scorer, in_order, encoded(in_order, config), held, config)
    assert float(loss.detach()) == pytest.approx(len(terms) * math.log(2), abs=1e-6)
    assert figures["margin"] == figures["accuracy"] == figures["kl"] == 0.0


@pytest.mark.parametrize("terms", [("text",), MDPO])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_run_learns_the_pairs(method: str, terms: Any, base: DpoConfig) -> None:
    """It begins at log 2 per term, weighed by the two pairs of its first batch, and wins its pairs in the end."""
    lines = metrics(dpo.main(replace(base, method=method, terms=terms, epochs=4, weighted=False)))
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert lines[0]["loss"] == pytest.approx(len(terms) * math.log(2), abs=1e-4)
    assert abs(lines[0]["margin"]) < 1e-4 and abs(lines[0]["kl"]) < 1e-6
    assert lines[-1]["loss"] < lines[0]["loss"] and lines[-1]["margin"] > 0 and lines[-1]["accuracy"] > 0.5


@pytest.mark.parametrize("options", [{"loss": "hinge"}, {"loss": "ipo"}, {"smoothing": 0.1}, {"per_token": True}])
def test_two_updates_of_each_form(options: dict[str, Any], base: DpoConfig) -> None:
    """At rest hinge is 1, ipo 1/4, sigmoid log 2; the language model has changed and is loaded again, the tower not."""
    lines = metrics(dpo.main(replace(base, weighted=False, **options)))
    at_rest = {"hinge": 1.0, "ipo": 0.25}.get(options.get("loss", ""), math.log(2))
    assert len(lines) == 2 and lines[0]["loss"] == pytest.approx(at_rest, abs=1e-4)
    after, before = models.load(base.out, device="cpu").model.state_dict(), pristine("llava_siglip")
    assert {models.part_of(n) for n, v in after.items() if not torch.equal(v, before[n])} == {"language", "projector"}
    about = json.loads((base.out / "run.json").read_text())
    assert about["command"] == "train dpo" and about["chosen"]["updates"] == 2


def test_validation_pairs_are_validated_and_not_trained_on(base: DpoConfig) -> None:
    """p6 and p7, whose figures are those of their own batch; pairs that say no split are for training."""
    train, val = dpo.data(rewritten(base, split=None))
    assert ([p.id for p in train], [p.id for p in val]) == (["p1", "p2", "p3", "p4", "p5", "p0"], ["p6", "p7"])
    lines = metrics(dpo.main(replace(base, validate_every=1)))
    assert [set(line) for line in lines if "val_loss" in line] and len(lines) == 4
    assert lines[1]["val_loss"] != lines[3]["val_loss"]


# -------------------------------------------------------------------------------------------------------- the reference


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A list that grows with each batch that is scored without being trained on."""
    calls: list[int] = []
    real = Scorer.forward

    def forward(self: Scorer, rows: Any) -> Any:
        if not self.training:
            calls.append(len(rows))
        return real(self, rows)

    monkeypatch.setattr(Scorer, "forward", forward)
    yield calls


def test_the_reference_is_computed_once(base: DpoConfig, looks: list[int], tmp_path: Path) -> None:
    """8 pairs of two rows in batches of two pairs: four batches; none again for another beta, rate, form or seed."""
    dpo.main(base)
    (file,) = references(base)
    assert looks == [4] * 4
    kept = load_file(file)
    assert set(kept) == {f"p{i} ({side})" for i in range(8) for side in ("chosen", "rejected")}
    again = replace(base, beta=0.5, learning_rate=1e-3, loss="ipo", seed=3, out=tmp_path / "again")
    dpo.main(again)
    assert looks == [4] * 4 and references(base) == [file]


def test_the_reference_holds_plain_log_probabilities(base: DpoConfig) -> None:
    dpo.main(base)
    kept, pair = load_file(references(base)[0]), dpo.data(base)[0][2]
    better, worse = pair.sides()
    for side, image in ((better, pair.image), (worse, pair.rejected_image)):
        row = loaded("llava_siglip").chat.encode(side, base.pairs.parent / str(image), True)
        expected = plain_logps(parts("llava_siglip")[0], row)
        assert kept[side.id].tolist() == pytest.approx(expected, abs=1e-4)


def test_another_model_or_term_or_pair_has_another_reference(base: DpoConfig, looks: list[int], tmp_path: Path) -> None:
    """The model that came out; the visual term, with three rows per pair; a pair whose answer was mended."""
    dpo.main(base)
    dpo.main(replace(base, model=str(base.out), out=tmp_path / "second"))
    assert looks == [4] * 8 and len(references(base)) == 2
    dpo.main(replace(base, terms=MDPO, out=tmp_path / "third"))
    assert looks == [4] * 8 + [6] * 4 and len(references(base)) == 3
    dpo.main(replace(rewritten(base, rejected="No, never."), out=tmp_path / "fourth"))
    assert looks[12:] == [4] * 4 and len(references(base)) == 4


def test_another_sample_for_validation_has_another_reference(base: DpoConfig, tmp_path: Path) -> None:
    """One of two validation pairs, p6 or p7 as the seed will have it: both runs find what they need."""
    seeds = {dpo.data(replace(base, validation_rows=1, seed=seed))[1][0].id: seed for seed in range(20)}
    assert set(seeds) == {"p6", "p7"}
    for name, seed in seeds.items():
        dpo.main(replace(base, validation_rows=1, seed=seed, validate_every=1, out=tmp_path / name))
    assert len(references(base)) == 2


def test_a_damaged_reference_is_refused(base: DpoConfig) -> None:
    dpo.main(base)
    (file,) = references(base)
    whole = file.read_bytes()
    for damage in (whole[:-50], whole[:20], b"", b"x" * 100):
        file.write_bytes(damage)
        with pytest.raises(TrainingError, match=rf"{file.name} is damaged .*: remove it"):
            dpo.main(base)


def test_a_reference_that_cannot_be_written_lasts_for_the_run(
    base: DpoConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Hours of scoring are not lost because the folder of the pairs is read-only; it is said."""

    def full(*args: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("unveil.train.reference.save_file", full)
    dpo.main(base)
    assert not references(base) and not list(base.pairs.parent.glob("*.partial"))
    assert "cannot be written (no space left); the reference lasts as long as this run" in caplog.text


def test_a_reference_of_another_model_under_this_name_is_refused(base: DpoConfig) -> None:
    dpo.main(base)
    (file,) = references(base)
    save_file(load_file(file), file, {"weights": "of another"})
    with pytest.raises(TrainingError, match=rf"{file.name} is of another model or other pairs than its name says"):
        dpo.main(base)


def test_a_reference_that_does_not_fit_the_rows_names_one(base: DpoConfig) -> None:
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


# ------------------------------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_run_ends_as_an_uninterrupted_one(method: str, base: DpoConfig, tmp_path: Path) -> None:
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
        assert [p.name for p in loop.checkpoints(config.out / "checkpoints")] == ["step-0000002"]
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
def test_a_missing_image_is_named_with_its_pair(field: str, message: str, base: DpoConfig) -> None:
    with pytest.raises(pixels.ImageError, match=message):
        dpo.main(rewritten(base, **{field: "gone.png"}))
    assert not references(base) and not list(base.pairs.parent.glob("*.partial"))


def test_a_loss_that_is_not_a_number_names_its_pairs(base: DpoConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second update."""
    calls: list[int] = []

    def broken(*args: Any, real: Any = losses.preference) -> torch.Tensor:
        calls.append(1)
        return real(*args) * (float("nan") if len(calls) == 2 else 1)

    monkeypatch.setattr(losses, "preference", broken)
    with pytest.raises(TrainingError, match=r"the loss is nan on p\d, p\d: lower --learning-rate"):
        dpo.main(base)
    assert [line["step"] for line in metrics(base.out)] == [1]


def test_a_visual_term_needs_other_images(base: DpoConfig) -> None:
    config = rewritten(base, rejected_image=None)
    dpo.data(config)
    with pytest.raises(
        TrainingError, match=r"^p0: the visual term needs a rejected_image or rejected_noise \(1 lack one\)"
    ):
        dpo.main(replace(config, terms=MDPO))


def test_nothing_to_train_on(base: DpoConfig) -> None:
    write_jsonl(base.pairs, [replace(p, split="test") for p in pairs_in(base.pairs.parent)])
    with pytest.raises(TrainingError, match=r"pairs\.jsonl: no pair has the split 'train'"):
        dpo.main(base)
    with pytest.raises(RecordError, match="no such file"):
        dpo.main(replace(base, pairs=base.pairs.with_name("none.jsonl")))


def test_a_row_that_is_too_long_is_named(base: DpoConfig) -> None:
    with pytest.raises(TrainingError, match=r"^p\d \(chosen\): \d+ tokens are more than 18,"):
        dpo.main(replace(base, max_length=18))


# ------------------------------------------------------------------------------------------------------ hidden lesions


@pytest.mark.parametrize("terms", [("text",), MDPO])
def test_a_hidden_lesion_is_another_image(terms: Any, base: DpoConfig, tmp_path: Path) -> None:
    """Noise that stands in the pair gives the loss of a pair whose rejected image is that noised picture as a file."""
    (pair, *_), folder = dpo.data(base)[0], base.pairs.parent
    array = pixels.to_rgb(pixels.read(folder / pair.image))
    hidden = noise.draw(array, noise.LesionMap(boxes=((2, 3, 20, 25),)), seed=1)
    Image.fromarray(noise.apply(array, hidden)).save(folder / "hidden.png")
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
        losses_of.append(float(dpo.pair_loss(scorer, [one], rows, Reference(known), config)[0].detach()))
        assert len({row.seen.digest for row in rows}) == 2
    assert losses_of[0] == pytest.approx(losses_of[1], abs=1e-6)


def test_an_image_that_changed_under_its_noise_is_named(base: DpoConfig) -> None:
    pair, folder = dpo.data(base)[0][0], base.pairs.parent
    array = pixels.to_rgb(pixels.read(folder / pair.image))
    hidden = noise.draw(array + 1, noise.LesionMap(whole=True), seed=1)
    write_jsonl(base.pairs, [replace(pair, rejected_image=None, rejected_noise=hidden)])
    with pytest.raises(pixels.ImageError, match=rf"^{pair.id} \(rejected\): .*not the one that was drawn"):
        dpo.main(base)
