"""Where the time of our step goes, and how far it is from the floor.

python -m bench.floor --preset small --method lora

The floor is what cannot be avoided over what the machine can do: the floating-point operations of the language model
on the tokens of the tree, forward and backward, without the tower (its features are known), over the rate of a large
matrix product measured in the same run.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from torch.profiler import ProfilerActivity, profile

from bench import race
from bench.dpo import Config as Race
from bench.dpo import Ours
from bench.models import PRESETS, make
from unveil.vlm.scorer import whole
from unveil.vlm.token_tree import Node, grow

#: What a profiler's operator counts as; the rest is "other".
KINDS = {
    "matrix products": ("mm", "addmm", "bmm", "linear", "baddbmm"),
    "attention": ("_scaled_dot_product", "_flash_attention", "_efficient_attention", "flex_attention"),
    "optimiser": ("_foreach_", "_fused_adamw", "addcdiv_", "addcmul_", "lerp_"),
    "norms, activations, rotary positions": (
        "mul", "add", "silu", "neg", "cat", "pow", "mean", "rsqrt", "div", "sub", "sum", "gelu", "native_layer_norm",
    ),
    "copies": ("copy_", "clone", "_to_copy", "fill_", "zero_", "index", "gather", "scatter", "where", "masked_fill"),
    "head's softmax": ("_log_softmax", "_softmax", "nll_loss", "cross_entropy", "log_sigmoid"),
}  # fmt: skip


@dataclass(frozen=True)
class Config(Race):
    """Profile our DPO step and compare it with the floor."""


def rate(device: str, dtype: torch.dtype) -> float:
    """Floating-point operations per second of a large matrix product: the best of several sizes, medians of seven."""
    best = 0.0
    for n in (1024, 2048) if device == "cpu" else (4096, 8192):
        a, b = torch.randn(n, n, device=device, dtype=dtype), torch.randn(n, n, device=device, dtype=dtype)
        seconds = []
        for _ in range(8):
            began = race.clock()
            a @ b
            seconds.append(race.clock() - began)
        best = max(best, 2 * n**3 / statistics.median(seconds[1:]))
    return best


def unavoidable(side: Ours) -> dict[str, float]:
    """Operations of one step, by part. Shapes: T tokens of the trees, S scored ones.

    A product of (T, a) with a weight (a, b) costs 2 T a b; backward as much for the activations, and as much again for
    a weight that is trained. Attention of width d costs 2 d for each token that a token sees, and as much for values;
    backward twice that. The head runs on scored tokens.
    """
    _, rows = next(side.batches)
    trees = grow(rows)
    tokens = sum(map(len, trees))
    scored = sum(len(row.answer) for row in rows)
    base = whole(side.model)
    text = base.config.get_text_config()
    products = 0.0
    for name, p in base.model.language_model.named_parameters():
        if p.dim() == 2 and "embed_tokens" not in name:
            passes = 3 if p.requires_grad else 2
            products += passes * 2 * tokens * p.numel()
    heads = text.num_attention_heads * (getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
    seen = sum(_seen(tree.root, 0) for tree in trees)
    attention = 3 * 4 * seen * heads * text.num_hidden_layers
    weight = base.lm_head.weight
    head = (3 if weight.requires_grad else 2) * 2 * scored * weight.numel()
    return {"products": products, "attention": float(attention), "head": float(head)}


def _seen(node: Node, before: int) -> int:
    """Pairs of a token and one that it attends to, in and below a node with so many ancestors."""
    own = len(node.ids)
    return own * before + own * (own + 1) // 2 + sum(_seen(child, before + own) for child in node.below)


def main(config: Config) -> dict[str, Any]:
    """Measures, prints and writes."""
    torch.set_num_threads(config.threads)
    preset = PRESETS[config.preset]
    with tempfile.TemporaryDirectory() as made:
        side = Ours(config, config.data or make(Path(made), preset, config.images))
        for step in range(config.warmup):
            side.step(step)
        speed = rate(config.device, preset.dtype)
        flops = unavoidable(side)
        side.rewind()
        seconds = [side.step(step) for step in range(config.steps)]
        on = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if config.device != "cpu" else [])
        with profile(activities=on) as profiler:
            for step in range(2):
                side.step(step)
    step_s, floor_s = statistics.median(seconds), sum(flops.values()) / speed
    found = {
        "step_s": step_s,
        "floor_s": floor_s,
        "share_of_rate": floor_s / step_s,
        "rate_gflops": speed / 1e9,
        "gflop": {name: n / 1e9 for name, n in flops.items()},
        "time": shares(profiler, config.device),
        "preset": config.preset,
        "method": config.method,
        **race.surroundings(),
    }
    print(f"\nDPO, {config.preset}, {config.method}: step {step_s:.3f} s, floor {floor_s:.3f} s")
    print(f"a large matrix product: {speed / 1e9:,.0f} GFLOP/s; this step reaches {floor_s / step_s:.0%} of that")
    print("unavoidable: " + ", ".join(f"{name} {n / 1e9:,.0f} GFLOP" for name, n in flops.items()))
    for name, share in found["time"].items():
        print(f"  {name:38}{share:6.1%}")
    race.write(config.json, found)
    return found


def shares(profiler: Any, device: str) -> dict[str, float]:
    """Shares of the operators' own time by kind, largest first."""
    spent: Counter[str] = Counter()
    for event in profiler.key_averages():
        own = event.self_cpu_time_total if device == "cpu" else event.self_device_time_total
        name = event.key.removeprefix("aten::")
        kind = next((k for k, names in KINDS.items() if any(_is(name, n) for n in names)), "other")
        spent[kind] += own
    total = sum(spent.values())
    return {kind: own / total for kind, own in spent.most_common()}


def _is(name: str, kind: str) -> bool:
    """Whether an operator's name is of a kind: equal, in place or backward; kinds that begin with _ are beginnings."""
    bare = name.removesuffix("_").removesuffix("_backward")
    return bare == kind.removesuffix("_") or (kind.startswith("_") and name.startswith(kind))


if __name__ == "__main__":
    main(tyro.cli(Config))
