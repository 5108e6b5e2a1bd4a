"""Activations of the language model that wait for the backward pass in the host's memory, not in the device's.

What a layer keeps goes there as it is made and comes back when it is asked for. Weights stay where they are, what
several operations keep goes once, and little things are not worth the way. With gradient checkpointing it is what
layers begin with that goes.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

LITTLE = 64 * 1024
"""Bytes below which a tensor stays where it is."""


class Away:
    """All that a tensor's storage holds, elsewhere; brought back once as long as that is in use."""

    def __init__(self, tensor: Tensor, to: Callable[[Tensor], Any]) -> None:
        self.device = tensor.device
        size = tensor.untyped_storage().nbytes() // tensor.element_size()
        self.there: Any = to(tensor.as_strided((size,), (1,), 0))
        self._back: Callable[[], Tensor | None] = lambda: None

    def back(self) -> Tensor:
        """The same, in a row, where it was."""
        if (tensor := self._back()) is None:
            tensor = self.there.to(self.device)
            self._back = weakref.ref(tensor)
        return tensor


class Offloaded:
    """Lets a module keep its activations elsewhere: its forward pass is wrapped. ``to`` moves a tensor there."""

    def __init__(self, module: nn.Module, to: Callable[[Tensor], Any] | None = None) -> None:
        self.module, self.to = module, to or to_host
        self.moved = 0
        """Bytes that went away so far."""
        self._known: dict[tuple[Any, ...], Callable[[], Away | None]] = {}
        inner = module.forward

        @functools.wraps(inner)
        def forward(*args: Any, **kwargs: Any) -> Any:
            with self.hooks():
                return inner(*args, **kwargs)

        module.forward = forward

    def hooks(self) -> AbstractContextManager[Any]:
        """Moves what is kept within."""
        weights = {p.untyped_storage()._cdata for p in (*self.module.parameters(), *self.module.buffers())}

        def pack(tensor: Tensor) -> Any:
            storage = tensor.untyped_storage()
            if storage._cdata in weights or storage.nbytes() < LITTLE:
                return tensor
            return self._away(tensor), tensor.shape, tensor.stride(), tensor.storage_offset()

        def unpack(kept: Any) -> Tensor:
            if isinstance(kept, Tensor):
                return kept
            away, shape, stride, offset = kept
            tensor: Tensor = away.back().as_strided(shape, stride, offset)
            return tensor

        hooks: AbstractContextManager[Any] = saved_tensors_hooks(pack, unpack)
        return hooks

    def _away(self, tensor: Tensor) -> Away:
        storage = tensor.untyped_storage()
        key = storage._cdata, tensor.dtype, tensor._version
        away = self._known.get(key, lambda: None)()
        if away is None:
            away = Away(tensor.detach(), self.to)
            self.moved += storage.nbytes()
            self._known[key] = weakref.ref(away)
            weakref.finalize(storage, self._known.pop, key, None)  # its place may be another's then
        return away


def to_host(tensor: Tensor) -> Tensor:
    """A copy in the host's memory, pinned where the tensor is on a GPU."""
    host = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu", pin_memory=tensor.is_cuda)
    return host.copy_(tensor)
