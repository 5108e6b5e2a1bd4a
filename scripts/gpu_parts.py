"""What ``scripts.gpu_check`` sees to: each part gives its figures. Models have random weights."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench import dpo, grpo, race
from bench.growth import rows_on
from bench.models import PRESETS, make, make_picture
from scripts.gpu_config import Config
from scripts.gpu_fitting import fitting
from unveil.core import jsonl, records
from unveil.testing.models import TREES
from unveil.vlm import model_parts, models
from unveil.vlm.engine import Engine
from unveil.vlm.features import Features
from unveil.vlm.scorer import Scorer, whole

FLEX = ("llava_clip", "llava_mistral", "internvl", "idefics3", "gemma3")
"""Families on which FlexAttention is compared with SDPA: of Qwen's transformers has none."""


def machine(config: Config) -> dict[str, Any]:
    """Versions, and how fast matrices are multiplied and memory is copied."""
    memory = torch.empty(2**30 if config.device == "cuda" else 2**26, dtype=torch.uint8, device=config.device)
    copy = 2 * memory.nbytes / _seconds(memory.clone, 20)
    rate = _matrix_tflops(config.device, torch.bfloat16)
    about: dict[str, Any] = {"matrix_tflops_bf16": rate, "copy_gb_per_s": copy / 1e9, **race.surroundings()}
    if config.device == "cuda":
        kind = torch.cuda.get_device_properties(0)
        about |= {
            "capability": [kind.major, kind.minor],
            "memory_gb": kind.total_memory / 1e9,
            "cuda": torch.version.cuda,
        }
    return about


def _matrix_tflops(device: str, dtype: torch.dtype) -> float:
    """Of square matrices with random values."""
    side, turns = (8192, 20) if device == "cuda" else (512, 3)
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / _seconds(lambda: a @ b, turns) / 1e12


def _seconds(work: Callable[[], Any], turns: int) -> float:
    """Of one turn, after three that warm up."""
    for _ in range(3):
        work()
    began = race.clock()
    for _ in range(turns):
        work()
    return (race.clock() - began) / turns


def recipes(config: Config) -> dict[str, Any]:
    """Two updates of each recipe in bfloat16 and in float32, on the tiny model and synthetic images."""
    folder = _drawn(config.folder / "drawn")
    found: dict[str, dict[str, Any]] = {}
    for method in ("lora", "full"):
        for name, recipe in RECIPES.items():
            began = time.monotonic()
            told = {p: recipe(folder, folder / f"{name}-{method}-{p}", method, p) for p in ("bf16", "float32")}
            if not all(math.isfinite(value) for values in told.values() for value in values):
                raise RuntimeError(f"{name}, {method}: {told}")
            pairs = zip(told["bf16"], told["float32"], strict=True)
            apart = [abs(half - full) / max(abs(full), 0.1) for half, full in pairs]
            found[f"{name}-{method}"] = {**told, "apart": apart, "seconds": round(time.monotonic() - began, 1)}
            print(name, method, told, file=sys.stderr, flush=True)
    worst = max(f["apart"][0] for f in found.values())  # rewards' second updates learn from other answers
    return {"recipes": found, "ran": len(found), "largest_relative_difference": worst}


def _drawn(folder: Path) -> Path:
    """Records, dialogues and pairs of a few synthetic patients."""
    from unveil.curate import mau, noise
    from unveil.ingest import ingest

    data, file = folder / "data", folder / "data" / "records.jsonl"
    ingest.main(ingest.Config(format="synthetic", out=data, patients=8, restart=True))
    mau.main(mau.Config(records=file, out=folder / "dialogues.jsonl", restart=True))
    files: dict[str, Any] = {"dialogues": folder / "dialogues.jsonl", "out": folder / "pairs.jsonl"}
    noise.main(noise.Config(records=file, **files, restart=True))
    return folder


def _common(folder: Path, out: Path, method: str, precision: str) -> dict[str, Any]:
    return {
        "out": out,
        "method": method,
        "precision": precision,
        "learning_rate": 1e-5,
        "log_every": 1,
        "validate_every": 0,
        "workers": 0,
        "restart": True,  # in a folder that is used again, too: what comes out is of this run
    }


def _told(out: Path, name: str) -> list[float]:
    """A figure before each of two updates, the second of which shows what the first one did."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    told = [line for line in lines if name in line]
    if [line["step"] for line in told] != [1, 2]:
        raise RuntimeError(f"{out}: updates {[line['step'] for line in told]} instead of 1 and 2")
    return [float(line[name]) for line in told]


def _sft(folder: Path, out: Path, method: str, precision: str, looking: float = 0.0) -> list[float]:
    from unveil.train import sft

    file = folder / "dialogues.jsonl"
    rows = sum(d.split == "train" for d in jsonl.read_jsonl(file, records.Dialogue))
    options = _common(folder, out, method, precision) | {
        "batch_size": 8,
        "epochs": 12 / rows,
        "attention_loss": looking,
    }
    sft.main(sft.Config(dialogues=file, **options))
    return _told(out, "loss")


def _dpo(folder: Path, out: Path, method: str, precision: str) -> list[float]:
    from unveil.train import dpo as recipe

    file = folder / "pairs.jsonl"
    rows = sum(p.split == "train" for p in jsonl.read_jsonl(file, records.Pair))
    options = _common(folder, out, method, precision) | {"batch_size": 4, "epochs": 6 / rows}
    recipe.main(recipe.Config(pairs=file, **options))
    return _told(out, "loss")


def _rewarded(folder: Path, out: Path, method: str, precision: str, kind: str, **more: Any) -> list[float]:
    from unveil.rl import aar, grpo, ppo

    options = _common(folder, out, method, precision) | {
        "batch_size": 2,
        "limit": 4,
        "answers": 4,
        "max_new_tokens": 32,
    }
    files = {"records": folder / "data" / "records.jsonl", "dialogues": folder / "dialogues.jsonl"}
    recipe: Any = {"grpo": grpo, "ppo": ppo, "aar": aar}[kind]
    recipe.main(recipe.Config(**files, **options, most_unusable=1.0, least_entropy=0.0, **more))
    return _told(out, "entropy")  # the loss is 0 before the first update


RECIPES: dict[str, Callable[..., list[float]]] = {
    "sft": _sft,
    "dpo": _dpo,
    "grpo": partial(_rewarded, kind="grpo"),
    "ppo": partial(_rewarded, kind="ppo"),
    "aar": partial(_rewarded, kind="aar"),
    "aar-ppo": partial(_rewarded, kind="aar", algorithm="ppo"),
    "attention_loss": partial(_sft, looking=0.1),
}


def dpo_race(config: Config) -> dict[str, Any]:
    """A DPO step of the large model, ours against TRL's: ratio, memory, share of the matrix rate."""
    options = dpo.Config(preset=config.preset, device=config.device, steps=5, warmup=2, data=_large(config))
    with _quiet():
        found = dpo.main(options)
    return found | _utilisation(config, found)


def grpo_race(config: Config) -> dict[str, Any]:
    """A GRPO step of the large model with its own answers, ours against TRL's; few of them where it has to be small."""
    steps, answers = (1, 2) if config.tenth else (3, 8)
    options = grpo.Config(
        preset=config.preset,
        device=config.device,
        steps=steps,
        warmup=1,
        memory=False,
        data=_large(config),
        answers=answers,
    )
    with _quiet():
        return grpo.main(options)


def ways_to_fit(config: Config) -> dict[str, Any]:
    """A DPO step of the large model in each way to take less memory: time, peak, loss."""
    with _quiet():
        return fitting(config, _large(config), steps=1 if config.tenth else 5)


def _large(config: Config) -> Path:
    """The large model with pictures and pairs, made once for all parts."""
    folder, preset = config.folder / "large", PRESETS[config.preset]
    if not (folder / "pairs.jsonl").is_file():
        make(folder, preset, images=2 * preset.pairs)
    return folder


def _utilisation(config: Config, found: dict[str, Any]) -> dict[str, float]:
    """Model FLOPs of a step per second, and their share of the matrix rate of this machine in the model's dtype.

    4 N per token for adapters (forward, and gradients of activations), 6 N with all weights, N those of the language
    model; the frozen tower's features are known, and so is the reference. (arXiv 2204.02311, appendix B)
    """
    with torch.device("meta"):
        model = models.blank(config.folder / "large" / "model")
    weights = sum(p.numel() for p in model_parts.language_model(model).parameters())
    ours = found["ours"]
    tflops = (4 if found["method"] == "lora" else 6) * weights * ours["lm_tokens"] / ours["step_s"] / 1e12
    return {"tflops": tflops, "mfu": tflops / _matrix_tflops(config.device, PRESETS[config.preset].dtype)}


@contextmanager
def _quiet() -> Iterator[None]:
    """What a race prints goes to stderr: standard output is for the figures."""
    kept, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = kept


def trees(config: Config) -> dict[str, Any]:
    """Log-probabilities on the token tree and on plain rows, in bfloat16 and float32, of each family.

    ``noise`` is what bfloat16 itself costs on plain rows: the tree may differ from them by as much.
    """
    found = {name: _tree(config, name) for name in TREES}
    return {"families": found, "worst_over_noise": max(f["bf16"] / f["noise"] for f in found.values())}


def _tree(config: Config, name: str) -> dict[str, float]:
    one = config.family(name)
    picture = make_picture(config.folder / "tree.png", 2 * config.size.picture, 0)
    rows = rows_on(one.chat, picture, 2, 2)
    logps = {}
    for dtype in (torch.float32, torch.bfloat16):
        one.model.to(config.device, dtype).eval()
        for tree in (True, False):
            scorer = Scorer(
                one.model, one.chat, Features(one.model, one.chat.processor.image_processor, 512), tree=tree
            )
            with torch.no_grad():
                logps[dtype, tree] = scorer(rows).in_order().float()
    full, half = torch.float32, torch.bfloat16

    def apart(a: Any, b: Any) -> float:
        return float((logps[a] - logps[b]).abs().max())

    return {
        "float32": apart((full, True), (full, False)),
        "bf16": apart((half, True), (half, False)),
        "noise": apart((half, False), (full, False)),
    }


def flex(config: Config) -> dict[str, Any]:
    """FlexAttention on token trees against SDPA: log-probabilities, gradients and time of forward and backward."""
    with torch.compiler.set_stance("default" if config.device == "cuda" else "force_eager"):
        found = {name: _flex(config, name) for name in FLEX}
    worst = max(f["gradient_diff"] for f in found.values()) if config.device == "cuda" else None
    return {"families": found, "worst_gradient": worst, "worst_logp": max(f["logp_diff"] for f in found.values())}


def _flex(config: Config, name: str) -> dict[str, float]:
    one = config.family(name)
    picture = make_picture(config.folder / "flex.png", 2 * config.size.picture, 0)
    rows = rows_on(one.chat, picture, 4, 4)
    backward = config.device == "cuda"  # FlexAttention has no backward pass on a CPU, nor is it compiled there
    one.model.to(config.device, torch.float32).train().requires_grad_(True)
    logps: dict[str, torch.Tensor] = {}
    grads: dict[str, dict[str, torch.Tensor]] = {}
    seconds: dict[str, float] = {}
    for how in ("sdpa", "flex_attention"):
        one.model.set_attn_implementation({"text_config": how})
        scorer = Scorer(one.model, one.chat, Features(one.model, one.chat.processor.image_processor, 512))

        def step(scorer: Scorer = scorer, how: str = how) -> None:
            one.model.zero_grad()
            with torch.set_grad_enabled(backward):
                logps[how] = scorer(rows).in_order()
            if backward:
                logps[how].mean().backward()

        seconds[how] = _seconds(step, 5 if backward else 1)
        grads[how] = {n: p.grad.clone() for n, p in whole(one.model).named_parameters() if p.grad is not None}
    out = {
        "logp_diff": float((logps["sdpa"] - logps["flex_attention"]).detach().abs().max()),
        "sdpa_over_flex": seconds["sdpa"] / seconds["flex_attention"],
    }
    if backward:
        largest = max(float(g.abs().max()) for g in grads["sdpa"].values())
        pairs = ((grads["sdpa"][n], g) for n, g in grads["flex_attention"].items())
        out["gradient_diff"] = max(float((a - b).abs().max()) for a, b in pairs) / largest
    return out


def predict(config: Config) -> dict[str, Any]:
    """Answers of the large model: tokens drawn per second, 64 questions at a time."""
    folder = _large(config)
    known = models.load(folder / "model", device=config.device)
    asked = list(jsonl.read_jsonl(folder / "dialogues.jsonl", records.Dialogue))
    rows = [known.chat.encode(d, records.image_path(d, folder / "dialogues.jsonl"), with_answer=False) for d in asked]
    count, longest = (64, 64) if config.device == "cuda" else (4, 8)
    batch = [rows[i % len(rows)] for i in range(count)]
    Engine(known).answer(batch[:2], 4)
    began = race.clock()
    Engine(known).answer(batch, longest)
    seconds = race.clock() - began
    return {"tokens_per_s": count * longest / seconds, "questions": count, "tokens": longest}
