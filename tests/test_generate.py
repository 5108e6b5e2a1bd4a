"""Answers of the policy: the same tokens as transformers' own generation, their log-probabilities, and who leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig

from tests.conftest import dialogue, draw
from unveil.core.sampling import Sampling
from unveil.testing.models import TREES, fresh, loaded
from unveil.vlm import attention
from unveil.vlm.engine import Engine
from unveil.vlm.families import ModelError
from unveil.vlm.features import Features
from unveil.vlm.generate import banned, batches, drawn_from, rollout
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Distribution, Scorer, whole


def scorer_of(copy: Loaded, tree: bool = True, **options: object) -> Scorer:
    for p in copy.model.parameters():
        p.requires_grad_(False)
    seeing = Features(whole(copy.model), copy.chat.processor.image_processor, 100)
    return Scorer(copy.model, copy.chat, seeing, tree=tree, **options)  # type: ignore[arg-type]


def questions(copy: Loaded, folder: Path) -> list[EncodedExample]:
    """Three questions on two images of different sizes, none of one length."""
    first, second = draw(folder / "a.png", (96, 64), 3), draw(folder / "b.png", (50, 120), 4)
    asked = (
        (first, "Where is it?"),
        (second, "Is anything abnormal in this image?"),
        (first, "What is in this region?"),
    )
    return [copy.chat.encode(dialogue(f"d{i}", p.name, q), p, with_answer=False) for i, (p, q) in enumerate(asked)]


def generated(copy: Loaded, rows: list[EncodedExample], longest: int) -> list[str]:
    """What transformers' own generation writes, ids that stand for images suppressed."""
    batch = copy.chat.batch(rows, left=True)
    del batch["labels"]
    rule = GenerationConfig(
        max_new_tokens=longest,
        do_sample=False,
        eos_token_id=sorted(copy.chat.stops),
        pad_token_id=copy.chat.tokenizer.pad_token_id or copy.chat.end[0],
        suppress_tokens=banned(copy.chat, copy.model.config),
    )
    out = copy.model.generate(**batch, generation_config=rule)
    return [copy.chat.text(ids) for ids in out[:, batch["input_ids"].shape[1] :].tolist()]


@pytest.mark.parametrize("name", TREES)
def test_greedy_answers_are_those_of_generate(name: str, tmp_path: Path) -> None:
    """Side by side on shared keys, windows, positions of three axes and all: the tokens that generate() writes."""
    copy = fresh(name)
    asked = questions(copy, tmp_path)
    theirs = generated(copy, asked, 24)
    scorer = scorer_of(copy)
    drawn = rollout(scorer, asked, 2, 24, drawn_from(scorer))
    assert [d.question for d in drawn] == [0, 0, 1, 1, 2, 2]
    assert [copy.chat.text(d.ids) for d in drawn] == [theirs[d.question] for d in drawn]


@pytest.mark.parametrize("name", TREES)
def test_kept_probabilities_are_those_of_the_scorer(name: str, tmp_path: Path) -> None:
    """What was drawn at temperature 0.7 scores the same, under that distribution, token by token."""
    copy = fresh(name)
    scorer, asked = scorer_of(copy), questions(copy, tmp_path)
    scorer.distribution = drawn_from(scorer, Sampling(0.7))
    drawn = rollout(scorer, asked, 3, 12, scorer.distribution, seed=5)
    rows = [replace(asked[d.question], id=str(i), answer=d.ids) for i, d in enumerate(drawn)]
    with torch.no_grad():
        scored = scorer(rows).in_order()
    torch.testing.assert_close(scored, torch.tensor([p for d in drawn for p in d.logps]), atol=2e-5, rtol=1e-5)
    assert len({tuple(d.ids) for d in drawn}) > 3, "answers do not differ"


def test_plain_rows_write_the_same(tmp_path: Path) -> None:
    """A model that cannot take a tree writes what one that can does, and keeps the same probabilities."""
    copy = fresh("llava_clip")
    asked = questions(copy, tmp_path)
    ours, plain = (
        rollout(scorer, asked, 2, 12, drawn_from(scorer))
        for scorer in (scorer_of(copy), scorer_of(fresh("llava_clip"), tree=False))
    )
    assert [d.ids for d in ours] == [d.ids for d in plain] and [d.cut for d in ours] == [d.cut for d in plain]
    torch.testing.assert_close([d.logps for d in ours], [d.logps for d in plain], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tree", [True, False])
def test_logits_that_are_not_finite_are_said_to_be(tree: bool, tmp_path: Path) -> None:
    """By the error that a run stops at a checkpoint for, drawn from a tree or by transformers' generation."""
    copy = fresh("llava_clip")
    torch.nn.init.constant_(copy.model.lm_head.weight, float("nan"))
    with pytest.raises(ModelError, match=r"^the model's logits are not finite$"):
        rollout(scorer_of(copy, tree), questions(copy, tmp_path), 2, 4, Distribution(), seed=0)


HABITS = {
    "repetition_penalty": 1.5,
    "encoder_repetition_penalty": 1.5,
    "no_repeat_ngram_size": 1,
    "min_new_tokens": 9,
    "do_sample": True,
    "temperature": 0.1,
    "top_k": 3,
    "num_beams": 2,
    "forced_eos_token_id": 5,
    "suppress_tokens": [*range(40, 200)],
    "begin_suppress_tokens": [*range(200, 300)],
    "bad_words_ids": [[301], [302, 303]],
    "sequence_bias": {(304,): 9.0},
    "renormalize_logits": True,
}


@pytest.mark.parametrize("tree", [True, False])
def test_habits_of_a_checkpoint_change_no_answer(tree: bool, tmp_path: Path) -> None:
    """Its generation configuration decides nothing: answers, and the probabilities kept with them, are the policy's."""
    copy, strange = fresh("llava_clip"), fresh("llava_clip")
    strange.model.generation_config = GenerationConfig(**HABITS)
    asked = questions(copy, tmp_path)
    assert Engine(strange).answer(asked, 12) == Engine(copy).answer(asked, 12)
    sampling, seeds = Sampling(1.0, 0, 1.0), range(len(asked))
    assert Engine(strange).answer(asked, 12, sampling, seeds) == Engine(copy).answer(asked, 12, sampling, seeds)
    scorer = scorer_of(strange, tree=tree)
    greedy = rollout(scorer, asked, 1, 12, drawn_from(scorer))
    assert [copy.chat.text(d.ids) for d in greedy] == [text for text, _ in Engine(copy).answer(asked, 12)]
    scorer.distribution = Distribution(1.0, tuple(banned(copy.chat, copy.model.config)))
    drawn = rollout(scorer, asked, 2, 12, scorer.distribution, seed=1)
    with torch.no_grad():
        scored = scorer([replace(asked[d.question], answer=d.ids) for d in drawn]).in_order()
    torch.testing.assert_close(scored, torch.tensor([p for d in drawn for p in d.logps]), atol=2e-5, rtol=1e-5)
    assert strange.model.generation_config.repetition_penalty == 1.5, "left as it was"


def test_the_seed_decides(tiny: Loaded, tmp_path: Path) -> None:
    scorer, asked = scorer_of(fresh("llava_siglip")), questions(tiny, tmp_path)

    def ids(seed: int) -> list[list[int]]:
        return [d.ids for d in rollout(scorer, asked, 2, 8, Distribution(), seed)]

    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = ids(3)
    assert torch.equal(before, torch.get_rng_state()), "a global generator was touched"
    assert first == ids(3) and first != ids(4)


def test_answers_that_end_leave(tmp_path: Path) -> None:
    """A model whose end is drawn half of the time: an answer of n tokens costs n - 1 passes of a token at the most.

    Places are cleared once a quarter has ended, so fewer tokens pass than if all had gone on to the longest answer.
    """
    copy = fresh("llava_siglip")
    scorer, asked = scorer_of(copy), questions(copy, tmp_path)
    whole(copy.model).lm_head.weight.data.zero_()
    some = [i for i in range(len(copy.chat.tokenizer)) if i not in copy.chat.stops][1:]
    only = Distribution(1.0, tuple(some))  # the end or token 0
    before = scorer.counts["lm_tokens"]
    scorer.budget = None
    prompts = sum(len(row) for row in asked[:2]) + len(asked[2]) - len(asked[0].seen.block)
    drawn = rollout(scorer, asked, 32, 64, only, seed=1)
    longest = max(len(d.ids) for d in drawn)
    assert not any(d.cut for d in drawn) and 1 < longest < 32
    assert all(copy.chat.stops.isdisjoint(d.ids[:-1]) and d.ids[-1] in copy.chat.stops for d in drawn)
    passed = scorer.counts["lm_tokens"] - before - prompts
    assert sum(len(d.ids) - 1 for d in drawn) <= passed + 10 < len(drawn) * (longest - 1) * 0.6
    mean = sum(len(d.ids) for d in drawn) / len(drawn)
    assert 1.5 < mean < 2.6, "of a fair coin, two"


def test_an_answer_at_the_limit_is_cut(tmp_path: Path) -> None:
    copy = fresh("llava_siglip")
    asked = questions(copy, tmp_path)
    never = Distribution(1.0, tuple(copy.chat.stops))
    drawn = rollout(scorer_of(copy), asked, 2, 5, never, seed=1)
    assert all(d.cut and len(d.ids) == len(d.logps) == 5 for d in drawn)


@pytest.mark.parametrize("name", TREES)
def test_tokens_of_images_are_never_drawn(name: str) -> None:
    """Whatever stands in an image's place may not be said, padding neither; the end may."""
    copy = loaded(name)
    out = banned(copy.chat, copy.model.config)
    image = copy.model.config.image_token_id
    assert image in out or image >= len(copy.model.lm_head.weight), "or it is beyond what the head can say"
    assert copy.chat.stops.isdisjoint(out)
    words = copy.chat.tokenizer.convert_ids_to_tokens(list(out))
    assert not any(word.isalpha() for word in words)


def test_the_prompt_and_its_image_pass_once(tmp_path: Path) -> None:
    """Three questions on two images: two pictures through the tower, whatever the number of answers; none again."""
    copy = fresh("llava_siglip")
    scorer, asked = scorer_of(copy), questions(copy, tmp_path)
    rollout(scorer, asked, 8, 2, Distribution(), seed=0)
    assert scorer.features.encodings == 2
    rollout(scorer, asked, 8, 2, Distribution(), seed=1)
    assert scorer.features.encodings == 2


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    """Training mode and attention are what they were, also after an error."""
    copy = fresh("gemma3")
    scorer = scorer_of(copy)
    scorer.train()
    before = attention.of(copy.model)
    rollout(scorer, questions(copy, tmp_path), 2, 3, Distribution(), seed=0)
    with pytest.raises(ValueError):
        rollout(scorer, [], 2, 3, Distribution(), seed=0)
    assert scorer.training and attention.of(copy.model) == before
    assert all("unveil_hook" not in vars(m) for m in copy.model.modules())


def test_all_questions_on_one_image_stand_in_one_batch() -> None:
    """Two images a batch, and never more than eight questions for each of these."""
    asked = [dialogue(f"{i}-{q}", f"{i}.png", "X") for q in range(3) for i in range(3)]
    asked += [dialogue(f"many-{q}", "many.png", "X") for q in range(20)]
    found = [[d.id for d in batch] for batch in batches(asked, 2)]
    assert found[0] == ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]
    assert found[1] == ["2-0", "2-1", "2-2"], "sixteen questions more would be too many"
    assert found[2:] == [[f"many-{q}" for q in range(16)], [f"many-{q}" for q in range(16, 20)]]


def test_a_second_question_on_an_image_costs_its_own_words_only(tmp_path: Path) -> None:
    """The image's prefix passes once, and is held once, for both questions on it."""
    copy = fresh("llava_siglip")
    scorer, asked = scorer_of(copy), questions(copy, tmp_path)
    one = asked[0]
    rollout(scorer, [one], 1, 1, Distribution())
    alone = scorer.counts["lm_tokens"]
    rollout(scorer, [one, asked[2]], 1, 1, Distribution())
    shared = next(i for i, (a, b) in enumerate(zip(one.prompt, asked[2].prompt, strict=False)) if a != b)
    assert scorer.counts["lm_tokens"] - alone == len(one.prompt) + len(asked[2].prompt) - shared


def test_what_is_drawn_depends_on_the_question_and_its_seed_alone(tmp_path: Path) -> None:
    """Alone, together, in another order, by plain rows: the same answers, three to each question."""
    copy = fresh("llava_siglip")
    scorer, asked = scorer_of(copy), questions(copy, tmp_path)
    some = drawn_from(scorer, Sampling(1.0, 50, 0.95))

    def ids(scorer: Scorer, rows: list[EncodedExample]) -> dict[str, list[list[int]]]:
        drawn = rollout(scorer, rows, 3, 8, some, seed=4)
        return {row.id: [d.ids for d in drawn if rows[d.question] is row] for row in rows}

    together = ids(scorer, asked)
    assert together == ids(scorer, asked[::-1]) == {k: v for row in asked for k, v in ids(scorer, [row]).items()}
    assert together == ids(scorer_of(fresh("llava_siglip"), tree=False), asked)
    assert len({tuple(i) for drawn in together.values() for i in drawn}) > 3


@pytest.mark.parametrize("name", TREES)
def test_images_that_pass_the_encoder_together_give_the_same_answers(name: str, tmp_path: Path) -> None:
    """Two of one size and one of another, by two runs, as one by one."""
    copy = fresh(name)
    paths = [draw(tmp_path / f"{i}.png", size, i) for i, size in enumerate(((96, 64), (96, 64), (50, 120)))]
    rows = [copy.chat.encode(dialogue(p.name, p.name, "Where is it?"), p, with_answer=False) for p in paths]
    together = Features(copy.model, copy.chat.processor.image_processor, 100, trained=(), together=True)
    runs = []
    look = together._encode
    together._encode = lambda tensors: runs.append(1) or look(tensors)  # type: ignore[method-assign, func-returns-value]
    ours = rollout(Scorer(copy.model, copy.chat, together), rows, 1, 12, Distribution(0.0))
    assert together.encodings == 3 and len(runs) == (2 if "image_grid_thw" in rows[0].seen.tensors else len(runs))
    assert len(runs) < 3 or name not in ("llava_clip", "llava_siglip")
    alone = Features(copy.model, copy.chat.processor.image_processor, 100, trained=())
    theirs = rollout(Scorer(copy.model, copy.chat, alone), rows, 1, 12, Distribution(0.0))
    assert [d.ids for d in ours] == [d.ids for d in theirs]
