"""The token tree: what is shared, in which order it is written, and who sees whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention.flex_attention import create_mask

from unveil.vlm.families import ModelError
from unveil.vlm.inputs import EncodedExample, ImageInput
from unveil.vlm.token_tree import Forest, Node, Tree, allowed, block_mask, grow, plant

I, W, y, n, H, c = 1, 2, 3, 4, 5, 6  # noqa: E741, the letters of tree.py's drawing


def image(block: Sequence[int] = (I, I), grey: float = 0.0) -> ImageInput:
    return ImageInput({"pixel_values": torch.full((1, 1), grey)}, "", list(block), {}, cast(Any, None))


def row(
    seen: ImageInput, prompt: Sequence[int], answer: Sequence[int], image_at: int = 0, name: str = "r"
) -> EncodedExample:
    return EncodedExample(name, seen, list(prompt), list(answer), image_at)


def drawn() -> list[EncodedExample]:
    """The rows of tree.py's drawing: where? yes, where? no, what? cyst."""
    seen = image()
    return [row(seen, (I, I, W), (y,)), row(seen, (I, I, W), (n,)), row(seen, (I, I, H), (c,))]


def chain(length: int, number: int) -> Tree:
    """A tree of one prompt of ``length - 1`` tokens and an answer of one."""
    return Tree(image(), 0, Node([I] * (length - 1), [Node([y], row=number)]))


def picture(mask: Tensor) -> list[str]:
    return ["".join("■" if cell else " " for cell in line).rstrip() for line in mask.tolist()]


# ---------------------------------------------------------------------------------------------------- the drawn example


def test_the_drawn_example() -> None:
    """tree.py's drawing to the letter.

    I I W y n H c: the image ends with the tree (7), where? after its answers (5), an answer with itself. y and n are
    both predicted by W (column 2), c by H (column 5). Offsets: y and n both stand behind three tokens, H behind two.
    """
    (tree,) = grow(drawn())
    forest = plant([tree])
    assert forest.ids_BT.tolist() == [[I, I, W, y, n, H, c]]
    assert forest.until_BT.tolist() == [[7, 7, 5, 4, 5, 7, 7]]
    assert forest.offsets_BT.tolist() == [[0, 1, 2, 3, 3, 2, 3]]
    assert forest.roots_BT.tolist() == [[0, 0, -1, -1, -1, -1, -1]]
    assert forest.before_S.tolist() == [2, 2, 5]
    assert forest.targets_S.tolist() == [y, n, c]
    assert forest.leaves_S.tolist() == [0, 1, 2]
    assert (forest.places, forest.tokens, len(tree)) == ([(0, 0)], 7, 7)
    assert allowed(forest).shape == (1, 1, 7, 7)
    assert picture(allowed(forest)[0, 0]) == [
        "■",
        "■■",
        "■■■",
        "■■■■",
        "■■■ ■",
        "■■   ■",
        "■■   ■■",
    ]


def test_an_answer_of_several_tokens_predicts_itself() -> None:
    """I I W | y n c: W, y and n predict y, n and c; they stand in columns 2, 3 and 4."""
    forest = plant(grow([row(image(), (I, I, W), (y, n, c))]))
    assert forest.before_S.tolist() == [2, 3, 4] and forest.targets_S.tolist() == [y, n, c]


def test_a_window_looks_along_the_path() -> None:
    """Three tokens, oneself included, on one's own path: n and c leave out as much as y, whatever stands between."""
    forest = plant(grow(drawn()))
    assert picture(allowed(forest, window=3)[0, 0]) == [
        "■",
        "■■",
        "■■■",
        " ■■■",
        " ■■ ■",
        "■■   ■",
        " ■   ■■",
    ]


def test_tokens_that_see_one_another() -> None:
    """The image is numbered 0, so its first token sees its second; -1 is no number that tokens could share.

    A window of one leaves of that only what comes later, as in transformers (Gemma 3): first "or", then the window.
    """
    forest = plant(grow(drawn()))
    both_ways = torch.tensor([[0, 0, -1, -1, -1, -1, -1]])
    assert picture(allowed(forest, both_ways)[0, 0])[:3] == ["■■", "■■", "■■■"]
    assert picture(allowed(forest, both_ways)[0, 0])[3:] == picture(allowed(forest)[0, 0])[3:]
    assert picture(allowed(forest, both_ways, window=1)[0, 0])[:3] == ["■■", " ■", "  ■"]
    other = torch.tensor([[0, 1, -1, -1, -1, -1, -1]])
    assert torch.equal(allowed(forest, other), allowed(forest))


# ----------------------------------------------------------------------------------------------------------------- grow


def test_answers_to_one_prompt_share_it() -> None:
    seen = image()
    (tree,) = grow([row(seen, (I, I, W), (y,)), row(seen, (I, I, W), (n, c))])
    assert tree.root == Node([I, I, W], [Node([y], row=0), Node([n, c], row=1)])
    assert (tree.seen, tree.image_at) == (seen, 0)


def test_prompts_share_their_common_run() -> None:
    """8 I I 7 in common, though 7 stands behind the image; then W and H W. A prompt's rows need not be neighbours."""
    seen = image()
    rows = [row(seen, (8, I, I, 7, W), (y,), 1), row(seen, (8, I, I, 7, H, W), (c,), 1)]
    rows.append(row(seen, (8, I, I, 7, W), (n,), 1))
    (tree,) = grow(rows)
    below = [Node([W], [Node([y], row=0), Node([n], row=2)]), Node([H, W], [Node([c], row=1)])]
    assert tree.root == Node([8, I, I, 7], below) and tree.image_at == 1


@pytest.mark.parametrize("shorter_first", [True, False])
def test_a_prompt_that_another_begins_with(shorter_first: bool) -> None:
    """Nothing of it is left behind the common run, so its answer stands there itself and no node is empty."""
    seen = image()
    rows = [row(seen, (I, I, W), (y,)), row(seen, (I, I, W, H), (c,))]
    (tree,) = grow(rows if shorter_first else rows[::-1])
    short, long = (0, 1) if shorter_first else (1, 0)
    below = [Node([y], row=short), Node([H], [Node([c], row=long)])]
    assert tree.root == Node([I, I, W], below if shorter_first else below[::-1])


def test_what_differs_before_the_image_keeps_rows_apart() -> None:
    """8 9 I I W and 8 7 I I W have the 8 in common only: a tree for each prompt, its answers together."""
    seen = image()
    rows = [row(seen, (8, 9, I, I, W), (y,), 2), row(seen, (8, 7, I, I, W), (y,), 2)]
    rows.append(row(seen, (8, 9, I, I, W), (n,), 2))
    trees = grow(rows)
    assert [t.root for t in trees] == [
        Node([8, 9, I, I, W], [Node([y], row=0), Node([n], row=2)]),
        Node([8, 7, I, I, W], [Node([y], row=1)]),
    ]
    assert [t.image_at for t in trees] == [2, 2]


def test_images_have_trees_of_their_own() -> None:
    """Also those with equal ids, and one image in two places."""
    one, other = image(), image(grey=1.0)
    rows = [row(one, (I, I, W), (y,)), row(other, (I, I, W), (y,)), row(one, (8, I, I, W), (y,), 1)]
    assert [t.seen is one for t in grow(rows)] == [True, False, True]


def test_without_sharing_the_image_only_answers_share() -> None:
    trees = grow(drawn(), share_image=False)
    assert [t.root for t in trees] == [
        Node([I, I, W], [Node([y], row=0), Node([n], row=1)]),
        Node([I, I, H], [Node([c], row=2)]),
    ]
    roots = plant(trees, budget=100).roots_BT.tolist()
    assert roots == [[0, 0, 0, -1, -1, 1, 1, 1, -1]]


def test_a_row_without_an_answer_is_named() -> None:
    with pytest.raises(ModelError, match=r"^d7: there is no answer to score"):
        grow([*drawn(), row(image(), (I, I, W), (), name="d7")])


# -------------------------------------------------------------------------------------------------------------- packing


def test_trees_are_packed_into_the_budget() -> None:
    """Lengths 3, 7, 2, 5 into rows of 9, the longest first: 7 and 2; 5 and 3, and one token of padding."""
    forest = plant([chain(3, 0), chain(7, 1), chain(2, 2), chain(5, 3)], budget=9, pad=99)
    assert [len(t) for t in forest.trees] == [7, 2, 5, 3]
    assert forest.places == [(0, 0), (0, 7), (1, 0), (1, 5)]
    assert forest.ids_BT.shape == (2, 9) and forest.tokens == 17
    assert (forest.ids_BT == 99).nonzero().tolist() == [[1, 8]]
    assert forest.leaves_S.tolist() == [1, 2, 3, 0]
    assert forest.before_S.tolist() == [5, 7, 9 + 3, 9 + 6]
    assert forest.offsets_BT[1].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 0]


def test_by_default_rows_are_as_long_as_the_longest_tree() -> None:
    """7; 5 and 2; 3. A budget that is smaller than a tree is no other."""
    trees = [chain(3, 0), chain(7, 1), chain(2, 2), chain(5, 3)]
    for budget in (None, 1, 7):
        forest = plant(trees, budget)
        assert forest.places == [(0, 0), (1, 0), (1, 5), (2, 0)] and forest.ids_BT.shape == (3, 7)


def test_trees_in_one_row_do_not_see_one_another_and_nobody_sees_padding() -> None:
    """Trees of 3 and 2 tokens and one of 4 below them: two triangles, and the fifth column of row 1 for itself."""
    forest = plant([chain(4, 0), chain(3, 1), chain(2, 2)], budget=5)
    assert forest.places == [(0, 0), (1, 0), (1, 3)]
    assert picture(allowed(forest)[1, 0]) == ["■", "■■", "■■■", "   ■", "   ■■"]
    assert picture(allowed(forest)[0, 0]) == ["■", "■■", "■■■", "■■■■", "    ■"]


@given(st.lists(st.integers(2, 30), min_size=1, max_size=20), st.integers(1, 60))
def test_every_tree_is_packed_once_and_no_row_is_too_long(lengths: list[int], budget: int) -> None:
    forest = plant([chain(length, i) for i, length in enumerate(lengths)], budget, pad=99)
    assert sorted(forest.leaves_S.tolist()) == list(range(len(lengths)))
    assert forest.ids_BT.shape[1] <= max(budget, *lengths)
    assert int((forest.ids_BT != 99).sum()) == sum(lengths) == forest.tokens
    for tree, (r, column) in zip(forest.trees, forest.places, strict=True):
        assert forest.ids_BT[r, column : column + len(tree)].tolist() == [*tree.root.ids, y]


# ----------------------------------------------------------------------------------------------------------- properties

RUN = st.lists(st.integers(2, 9), min_size=1, max_size=3)
NODES: st.SearchStrategy[Node] = st.recursive(
    RUN.map(lambda ids: Node(ids, row=0)),
    lambda below: st.builds(Node, RUN, st.lists(below, min_size=1, max_size=3)),
    max_leaves=8,
)
TREES = st.builds(lambda ids, below: Tree(image(), 0, Node(ids, below)), RUN, st.lists(NODES, min_size=1, max_size=3))


def parents(node: Node, above: int | None, out: list[int | None]) -> list[int | None]:
    """The token that stands right before each token on its path, None for the first, in the order of writing."""
    for _ in node.ids:
        out.append(above)
        above = len(out) - 1
    for child in node.below:
        parents(child, above, out)
    return out


def ancestry(forest: Forest) -> tuple[Tensor, Tensor]:
    """Who is an ancestor of whom or itself, and how many ancestors each has, by walking up token by token."""
    seen = torch.eye(forest.ids_BT.shape[1], dtype=torch.bool).repeat(len(forest.ids_BT), 1, 1)
    depth = torch.zeros_like(forest.ids_BT)
    for tree, (r, column) in zip(forest.trees, forest.places, strict=True):
        up = parents(tree.root, None, [])
        for i in range(len(up)):
            at = up[i]
            while at is not None:
                seen[r, column + i, column + at] = True
                depth[r, column + i] += 1
                at = up[at]
    return seen, depth


@given(st.lists(TREES, min_size=1, max_size=3), st.one_of(st.none(), st.integers(1, 60)))
def test_a_token_sees_its_ancestors_and_itself(trees: list[Tree], budget: int | None) -> None:
    forest = plant(trees, budget)
    seen, depth = ancestry(forest)
    assert torch.equal(allowed(forest)[:, 0], seen)
    assert torch.equal(forest.offsets_BT, depth)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.lists(st.integers(2, 3), max_size=4), RUN), min_size=1, max_size=8),
    st.booleans(),
)
def test_each_path_reads_as_its_row(asked: list[tuple[int, list[int], list[int]]], share: bool) -> None:
    """What the last token of an answer sees, in order, is its whole row; and its answer is scored, token by token."""
    images = [image(), image()]
    rows = [row(images[which], (8, I, I, *prompt), answer, 1) for which, prompt, answer in asked]
    forest = plant(grow(rows, share_image=share), budget=40)
    ids, seen = forest.ids_BT.flatten(), allowed(forest)[:, 0]
    width = forest.ids_BT.shape[1]
    for number, expected in enumerate(rows):
        mine = forest.leaves_S == number
        assert forest.targets_S[mine].tolist() == expected.answer
        r, last = divmod(int(forest.before_S[mine][-1]), width)  # the token that predicts the answer's last one
        assert forest.ids_BT[r][seen[r, last]].tolist() == [*expected.prompt, *expected.answer[:-1]]
        assert int(ids[forest.before_S[mine][0]]) == expected.prompt[-1]
        assert int(forest.offsets_BT[r, last]) == len(expected) - 2
    most = sum(map(len, rows))
    assert forest.tokens <= most and (len(rows) > 1 or forest.tokens == most)


@settings(max_examples=30)
@given(st.lists(TREES, min_size=1, max_size=3), st.one_of(st.none(), st.integers(1, 6)), st.booleans())
def test_the_mask_of_blocks_is_the_same(trees: list[Tree], window: int | None, roots: bool) -> None:
    """FlexAttention's function evaluated for every pair, with and without window and tokens that see both ways."""
    forest = plant(trees, budget=24)
    both_ways = forest.roots_BT if roots else None
    rows, length = forest.ids_BT.shape
    blocks = cast(Any, block_mask(forest, both_ways, window))
    found = create_mask(blocks.mask_mod, rows, None, length, length, device="cpu")
    assert torch.equal(found, allowed(forest, both_ways, window))
