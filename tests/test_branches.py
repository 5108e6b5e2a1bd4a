"""Keys and values that answers share, on their own: who reads whose prefix when questions have left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conftest import dialogue, draw
from unveil.testing.models import fresh
from unveil.vlm.branches import Branches, Prompts
from unveil.vlm.features import Features
from unveil.vlm.generate import banned, rollout
from unveil.vlm.scorer import Distribution, Scorer, whole

IMAGES, HEADS, ROOT, WIDTH, REST = 3, 2, 3, 4, 2


def state(image_Q: list[int]) -> Branches:
    """One layer with random keys, for questions on these images."""
    torch.manual_seed(0)
    count = len(image_Q)
    prompts = Prompts(
        torch.tensor(image_Q),
        torch.ones(IMAGES, ROOT, dtype=torch.bool),
        torch.arange(ROOT).expand(IMAGES, ROOT),
        torch.ones(count, REST, dtype=torch.bool),
        torch.arange(REST).expand(count, REST) + ROOT,
        torch.full((count,), ROOT + REST),
    )
    roots = (torch.randn(IMAGES, HEADS, ROOT, WIDTH) for _ in range(2))
    rests = (torch.randn(count, HEADS, REST, WIDTH) for _ in range(2))
    own = (torch.empty(count, 1, HEADS, 0, WIDTH) for _ in range(2))
    return Branches(prompts, None, *roots, *rests, *own)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image_Q", "kept"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([0, 1, 0, 2], [1, 2, 3]),
        ([0, 1, 0, 2], [1, 2]),
        ([2, 1, 0], [2, 0]),
        ([0, 0, 0, 0, 0, 0, 0, 1, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ([1, 0, 0, 0, 0, 0, 0, 2], [7, 0]),
        ([0, 1, 2, 2], [3]),
    ],
)
def test_each_question_reads_its_own_image(image_Q: list[int], kept: list[int]) -> None:
    """In any order, after others have left and their images with them: left @ right of its image, by hand."""
    layer, left = state(image_Q), torch.randn(len(image_Q), HEADS, 1, WIDTH)
    expected = left @ layer.root_key_IKRD.transpose(-1, -2)[torch.tensor(image_Q)]
    torch.testing.assert_close(layer.prompts.packed(left, layer.root_key_IKRD.transpose(-1, -2)), expected)
    questions = torch.tensor(kept)
    images = layer.prompts.keep(questions)
    layer.keep(questions, torch.zeros(len(kept), 1, dtype=torch.long), images)
    found = layer.prompts.packed(left[questions], layer.root_key_IKRD.transpose(-1, -2))
    torch.testing.assert_close(found, expected[questions])


@pytest.mark.parametrize("name", ["llava_siglip", "mllama"])
def test_answers_that_end_leave_the_others_as_they_would_be_alone(name: str, tmp_path: Path) -> None:
    """Questions on three images in turn, whose answers end at many places: drawn together, each is as drawn alone, and
    its log-probabilities are those of the model's own pass over it."""
    copy = fresh(name)
    scorer = Scorer(copy.model, copy.chat, Features(whole(copy.model), copy.chat.processor.image_processor, 100, None))
    pictures = [draw(tmp_path / f"{i}.png", size, i) for i, size in enumerate(((96, 64), (50, 50), (140, 35)))]
    rows = [
        copy.chat.encode(dialogue(f"d{i}", pictures[i % 3].name, "Where? " * (1 + i // 3)), pictures[i % 3], False)
        for i in (0, 4, 2, 3, 1, 8, 7, 5, 6)
    ]
    never = banned(copy.chat, copy.model.config)
    some = [i for i in range(len(copy.model.lm_head.weight)) if i not in (*copy.chat.stops, *never)]
    how = Distribution(1.0, (*never, *some[9:]))  # ends come often, and at different places
    drawn = rollout(scorer, rows, 3, 24, how, seed=2)
    assert len({len(d.ids) for d in drawn}) > 4
    for i, row in enumerate(rows):
        alone = rollout(scorer, [row], 3, 24, how, seed=2)
        assert [d.ids for d in drawn if d.question == i] == [d.ids for d in alone]
    scorer.distribution = how
    with torch.no_grad():
        scored = scorer([replace(rows[d.question], id=str(i), answer=d.ids) for i, d in enumerate(drawn)]).in_order()
    torch.testing.assert_close(scored, torch.tensor([p for d in drawn for p in d.logps]), atol=3e-5, rtol=1e-5)
