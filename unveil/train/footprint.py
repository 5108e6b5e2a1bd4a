"""What an update of training takes in memory, found out without weights: by a pass on tensors that have no storage.

Shapes: T tokens of a forward pass.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from unveil.train import adapters, optimizers, quantised
from unveil.train.lengths import Batch, Shared
from unveil.train.offload import Offloaded
from unveil.train.options import Optimizer, RecipeOptions
from unveil.vlm import attention, crossed, features, models, shapes, states
from unveil.vlm.families import family_of
from unveil.vlm.masks import refusal
from unveil.vlm.model_parts import language_model, parts_of
from unveil.vlm.scorer import CHUNK, whole

#: Bytes of the gradient of a trained weight, in float32.
GRADIENT = 4
#: Bytes at the most for a logit, from its value to the gradient of its logarithm.
LOGIT = 16
Kind = Literal["cpu", "cuda"]
"""Where training runs; whatever is no CPU counts as CUDA."""
#: Bytes of the program itself: Python, torch and transformers on a CPU; CUDA's context and kernels on a GPU.
PROGRAM: dict[Kind, int] = {"cpu": 700_000_000, "cuda": 900_000_000}
#: Tokens of the passes that tell what a token takes.
FEW, MANY = 1024, 2048
#: The same where what pairs of them take is told too, each a number of whole parts in which attention is computed.
LENGTHS = (4 * attention.PART, 8 * attention.PART, 12 * attention.PART)


def kind_of(device: torch.device) -> Kind:
    """Of a device."""
    return "cpu" if device.type == "cpu" else "cuda"


@dataclass(frozen=True)
class Footprint:
    """A model in training, in bytes where not said otherwise."""

    weights: int
    """Number of weights, adapters among them."""
    trained: int
    """Number of those that are trained."""
    products: int
    """Number of those that each token of the language model is multiplied with, the head left out."""
    tower: int
    """Number of those of the vision encoder and the projector."""
    vocabulary: int
    """Number of logits of a token."""
    width: int
    """Numbers that a token is for the language model."""
    remembered: int
    """Of a token of an image, as what the vision encoder makes of it is kept; 0 where it looks at each image again."""
    shares: Shared
    """What rows of a batch share: on a token tree, which known families take."""
    narrow: bool
    """Whether it computes in 16 bits."""
    kept: int
    """Of the weights, as they are kept."""
    token: int
    """Of a token in the language model, at the moment of its pass there and back at which most is held."""
    passed: int
    """The same at the end of the pass there, when the logits come."""
    pair: int
    """The same of a pair of tokens in one row: in each layer, whether the one sees the other; where attention is
    computed eagerly, how much, for each head; where in parts, the keys and values that each part has for itself."""
    passed_pair: int
    """The same at the end of the pass there."""
    once: int
    """The same of what does not grow with the tokens."""
    largest: int
    """Number of weights of the largest matrix that is trained."""
    optimizer: Optimizer = "adamw"

    @property
    def held(self) -> int:
        """Weights, gradients and Adam's moments, which every update needs."""
        return self.kept + GRADIENT * self.trained + self.moments

    @property
    def moments(self) -> int:
        """Both of Adam's moments of all that is trained."""
        return round(optimizers.MOMENTS[self.optimizer] * self.trained)

    def peak(self, batch: Batch, accumulate: int = 1, kind: Kind = "cpu") -> int:
        """At the moment of an update at which most is held; the program itself is left out.

        Activations go while gradients come, so that both are there together only where an earlier pass has left its
        gradients. Logits are gone before the pass back reaches a layer, which matters where layers compute again what
        they have not kept. torch's Adam works on all weights at once on a GPU, and needs as much again for that.
        """
        logits = LOGIT * min(batch.scored * self.vocabulary, max(CHUNK, self.vocabulary))
        pairs = batch.tokens * batch.longest
        computing = self.token * batch.tokens + self.pair * pairs
        passing = max(computing, self.passed * batch.tokens + self.passed_pair * pairs + logits) + self.once
        gradients = GRADIENT * self.trained
        together = kind == "cuda" and self.optimizer == "adamw"
        stepping = gradients + 4 * (self.trained if together else self.largest)
        return self.kept + self.moments + max(passing + (gradients if accumulate > 1 else 0), stepping)


def of(base: Any, config: RecipeOptions, precision: str) -> Footprint:
    """What training a model without weights (``models.unfilled``) takes, by process; the model is changed for that.

    ``precision`` is what is computed in: "float32", "bf16" or "fp16". FlexAttention, which runs on a GPU only, is
    counted as SDPA, which takes no less. Raises ``TrainingError`` where the model cannot attend as is asked.

    It takes a second or more, so that what was found is kept, by the model's configuration and what ``ASKED`` names.
    """
    config = adapters.chosen(config, base.num_parameters())
    key = (base.config.to_json_string(), precision, *(getattr(config, name) for name in ASKED))
    if key not in _KNOWN:
        _KNOWN[key] = _measured(base, config, precision)
    return _KNOWN[key]


#: Options that a footprint depends on.
ASKED = (
    "method", "train_tower", "train_projector", "lora_rank", "lora_alpha", "lora_dropout", "gradient_checkpointing",
    "attention", "optimizer", "offload_activations",
)  # fmt: skip
_KNOWN: dict[tuple[Any, ...], Footprint] = {}


def _measured(base: Any, config: RecipeOptions, precision: str) -> Footprint:
    full = config.method == "full"
    base = base.train().to(torch.float32 if full else models.DTYPES[precision])
    adapters.attend(base, config)
    family = family_of(base.config)
    shares: Shared = "nothing" if refusal(base) else "prompt" if family.both_ways == "prompt" else "image"
    if attention.of(base) in ("sdpa", "flex_attention"):
        parts = shares == "image" and family.both_ways == "none"  # as ``Scorer`` does
        base.set_attn_implementation({"text_config": attention.FOREST if parts else "sdpa"})
    packed = [layer.weight for layer in quantised.quantisable(base)] if config.method == "qlora" else []
    with torch.device("meta"):
        model = adapters.prepare(base, config)
    inner, part_of = language_model(model), parts_of(model)
    text = base.config.get_text_config()
    trained = [p for p in model.parameters() if p.requires_grad]
    known = {
        "weights": sum(p.numel() for p in model.parameters()),
        "trained": sum(p.numel() for p in trained),
        "largest": max(p.numel() for p in trained),
        "products": sum(p.numel() for m in inner.modules() if isinstance(m, nn.Linear) for p in m.parameters(False)),
        "tower": sum(p.numel() for name, p in model.named_parameters() if part_of(name) != "language"),
        "kept": sum(p.nbytes for p in model.parameters())
        - sum(weight.nbytes - math.ceil(quantised.BYTES * weight.numel()) for weight in packed),
    }
    if config.offload_activations:
        Offloaded(inner, lambda tensor: tensor.to("meta"))
    images = crossed.count(base.config) if family.crossed else 0
    found = _activations(inner, models.DTYPES[precision], full, images)
    found["once"] += max((weight.nbytes for weight in packed), default=0)  # one at a time is unpacked
    return Footprint(
        **known,
        vocabulary=text.vocab_size,
        width=text.hidden_size,
        remembered=features.remembered(whole(model), shapes.patches_a_token(base.config)),
        shares=shares,
        narrow=precision != "float32",
        optimizer=config.optimizer,
        **found,
    )


class _Grown(NamedTuple):
    """What passes hold, by what it grows with: see ``Footprint``."""

    token: float
    passed: float
    pair: float
    passed_pair: float
    once: float


def _activations(inner: Any, dtype: torch.dtype, full: bool, images: int) -> dict[str, int]:
    """What a pass there and back holds, by the names of ``Footprint``.

    Layers are alike, or repeat a pattern, so few of them tell what each adds. ``images`` features stand beside a row.
    """
    layers, pattern = inner.layers, _pattern(inner.config)
    total = len(layers)
    some, more = (2 * pattern, 3 * pattern) if 3 * pattern < total else (total, total)
    with FakeTensorMode(allow_non_fake_inputs=True):
        inner.layers = layers[:more]
        inner.to_empty(device="cpu")
        found = _grown(inner, dtype, full, images)
        if more < total:
            inner.layers = layers[:some]
            times, fewer = (total - more) / (more - some), _grown(inner, dtype, full, images)
            found = _Grown(*(new + times * (new - old) for new, old in zip(found, fewer, strict=True)))
    inner.layers = layers
    return {name: max(0, round(value)) for name, value in found._asdict().items()}


def _grown(inner: Any, dtype: torch.dtype, full: bool, images: int) -> _Grown:
    """The same of the layers that are there: from two lengths, and who sees whom.

    Where attention is computed eagerly or in parts, pairs take something else too, so that three lengths tell.
    """
    if attention.of(inner) not in ("eager", attention.FOREST):
        few, many = (_held(inner, tokens, dtype, full, images, dense=False) for tokens in (FEW, MANY))
        token, passed = ((long - short) / (MANY - FEW) for short, long in zip(few, many, strict=True))
        seen = _held(inner, FEW, dtype, full, images, dense=True)
        pair, passed_pair = ((dense - short) / FEW**2 for short, dense in zip(few, seen, strict=True))
        return _Grown(token, passed, pair, passed_pair, few[0] - token * FEW)
    held = [_held(inner, tokens, dtype, full, images, dense=True) for tokens in LENGTHS]
    (pair, token, once), (passed_pair, passed, _) = np.polyfit(LENGTHS, held, 2).T
    return _Grown(*map(float, (token, passed, pair, passed_pair, once)))


def _pattern(config: Any) -> int:
    """After how many layers their kinds repeat."""
    crossing = getattr(config, "cross_attention_layers", None) or ()
    kinds = getattr(config, "layer_types", None) or [str(i in crossing) for i in range(config.num_hidden_layers)]
    return next(n for n in range(1, len(kinds) + 1) if all(a == b for a, b in zip(kinds, kinds[n:], strict=False)))


def _held(inner: Any, tokens: int, dtype: torch.dtype, full: bool, images: int, dense: bool) -> tuple[int, int]:
    """The most bytes that a pass of so many tokens holds, there and back, beside weights and their gradients, and those
    at the end of the pass there.

    Each layer keeps a ``dense`` mask as numbers, or where it attends eagerly takes it as such, one for each kind of
    layer; the other one is the same for all tokens and takes next to nothing.
    """
    known = [*inner.parameters(), *inner.buffers()]
    hooks = [p.register_post_accumulate_grad_hook(_forget) for p in inner.parameters() if p.requires_grad]
    embedded = torch.empty(1, tokens, inner.config.hidden_size, dtype=dtype, requires_grad=full)
    if told := getattr(inner.config, "hidden_size_per_layer_input", 0):  # Gemma 4, each of whose layers is told tokens
        size = 1, tokens, inner.config.num_hidden_layers, told
        beside = {"per_layer_inputs": torch.empty(size, dtype=dtype, requires_grad=full)}
    else:
        beside = {}
    if images:  # of one image, which all tokens see
        beside["cross_attention_states"] = torch.empty(1, images, inner.config.hidden_size, dtype=dtype)
        beside["cross_attention_mask"] = torch.ones(1, 1, tokens, images, dtype=torch.bool)
        beside["full_text_row_masked_out_mask"] = torch.ones(1, 1, tokens, 1, dtype=dtype)
    mask = torch.ones(1, 1, tokens if dense else 1, tokens, dtype=torch.bool)
    kinds = set(getattr(inner.config, "layer_types", None) or [])
    with (
        Live([*known, embedded, *beside.values(), mask]) as live,
        torch.autocast("cpu", dtype, enabled=dtype != torch.float32),
    ):
        shown = mask.to(dtype) if attention.of(inner) == "eager" else mask
        own = {kind: None if kind in states.KINDS else shown for kind in kinds or {""}}
        masks = own if len(own) > 1 else own.popitem()[1]
        out = inner(inputs_embeds=embedded, attention_mask=masks, use_cache=False, **beside).last_hidden_state
        passed: int = live.now
        out.backward(torch.empty_like(out))
    for hook in hooks:
        hook.remove()
    most: int = live.most
    return most, passed


def _forget(weight: Tensor) -> None:
    weight.grad = None


class Live(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make within, as long as they live."""

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without types
        self.sizes: dict[int, int] = {tensor.untyped_storage()._cdata: 0 for tensor in known}
        self.now, self.most = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = self._made(func, args, kwargs or {})
        for value in tree_leaves(made):
            if isinstance(value, Tensor):
                self._count(value)
        return made

    def _made(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """What an operation makes; of experts' products, torch knows without storage only those in bfloat16."""
        if func is torch.ops.aten._grouped_mm.default and (dtype := args[0].dtype) != torch.bfloat16:
            return func(args[0].bfloat16(), args[1].bfloat16(), *args[2:], **kwargs).to(dtype)
        return func(*args, **kwargs)

    def _count(self, value: Tensor) -> None:
        storage = value.untyped_storage()
        key = storage._cdata
        if value.device.type == "meta":  # what went to the host's memory
            return
        if key in self.sizes:
            return
        self.sizes[key] = storage.nbytes()
        self.now += self.sizes[key]
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self.sizes.pop(key, 0)
