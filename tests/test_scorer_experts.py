"""A token of a tree goes to the experts that it goes to in a row of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.helpers.trees import rows_of, scorer
from unveil.testing.models import fresh
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer


def routed(copy: Loaded, scoring: Scorer, rows: Sequence[EncodedExample]) -> list[Tensor]:
    """What each router says of the tokens of one pass, (tokens, experts)."""
    found: list[Tensor] = []
    gates = [m for name, m in copy.model.named_modules() if name.endswith(".mlp.gate")]
    hooks = [gate.register_forward_hook(lambda _, args, out: found.append(out[0])) for gate in gates]
    with torch.no_grad():
        scoring(rows)
    for hook in hooks:
        hook.remove()
    assert len(found) == len(gates) == 2
    return found


@pytest.mark.parametrize("name", ["qwen3_vl_moe", "qwen3_5_moe"])
def test_routers_say_the_same_on_a_tree(name: str, tmp_path: Path) -> None:
    """Of each token of each row by its path in the forest, and how many tokens of all rows each expert is given."""
    copy = fresh(name)
    rows = rows_of(copy, tmp_path)
    treed, plain = scorer(copy), scorer(copy, tree=False)
    forest = treed.forest(rows)
    shape, at_T = forest.ids_BT.shape, torch.arange(forest.ids_BT.shape[1])
    paths = []
    for row in range(len(rows)):
        b, end = divmod(int(forest.own_S[forest.leaves_S == row][-1]), shape[1])
        paths.append(b * shape[1] + at_T[(at_T <= end) & (end < forest.until_BT[b])])
    assert [len(path) for path in paths] == [len(row) for row in rows]
    for shared_TE, own_TE in zip(routed(copy, treed, rows), routed(copy, plain, rows), strict=True):
        along_TE = torch.cat([shared_TE[path] for path in paths])
        rows_BTE = own_TE.unflatten(0, (len(rows), -1))
        own_TE = torch.cat([of_row[: len(row)] for of_row, row in zip(rows_BTE, rows, strict=True)])
        torch.testing.assert_close(along_TE, own_TE, atol=1e-5, rtol=1e-5)
        counts = [torch.bincount(e.topk(2).indices.flatten(), minlength=4).tolist() for e in (along_TE, own_TE)]
        assert counts[0] == counts[1] and min(counts[0]) > 0
        apart = shared_TE[torch.arange(len(own_TE)) % len(shared_TE)] - own_TE
        assert float(apart.abs().max()) > 0.1, "tokens in another order would be seen"
