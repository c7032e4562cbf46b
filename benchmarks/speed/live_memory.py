"""How much memory the tensors of a computation take, free of an allocator's noise."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What makes the host wait for a device: a value read, or a shape that depends on one.
SYNCS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "_unique2")


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of all tensors alive while a block runs, and their peak.

    Follows each storage from the operator that returns it to its release, on any
    device; on ``meta`` nothing is computed, so that a network of any size can be
    measured. What an operator takes and gives back inside (a convolution's
    workspace) is not seen. Also counts operators and those that wait for a device.

    Args:
        held: Tensors that exist before and count too, such as a model's parameters
            and buffers and its optimizer's state.

    Examples:
        >>> import torch
        >>> held = torch.zeros(10)
        >>> with LiveMemory([held]) as memory:
        ...     x = torch.zeros(100) + 1
        ...     del x
        >>> memory.peak, memory.live, memory.operators, memory.syncs
        (840, 40, 2, 0)
    """

    def __init__(self, held: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        """Bytes alive now."""
        self.peak = 0
        """Most bytes alive at once."""
        self.peak_operator = ""
        """The operator after which the peak was reached."""
        self.operators = 0
        """Operators run."""
        self.syncs = 0
        """Operators among them that make the host wait for a device."""
        self._known: set[int] = set()
        for tensor in held:
            self._add(tensor)
        self.peak = self.live

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = {
            leaf.untyped_storage()._cdata
            for leaf in tree_leaves((args, kwargs))
            if isinstance(leaf, Tensor)
        }
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.split("::")[-1]
        self.operators += 1
        self.syncs += name in SYNCS or (name == "index" and _has_mask(args))
        for leaf in tree_leaves(out):
            # A view of what was there before is no new memory.
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in given:
                self._add(leaf)
        if self.live > self.peak:
            self.peak, self.peak_operator = self.live, str(func)
        return out

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known or not size:
            return
        self._known.add(key)
        self.live += size
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _has_mask(args: Any) -> bool:
    """Return whether an ``index`` picks by a mask: its shape is on the device."""
    indices = [index for index in args[1] if index is not None]
    return any(index.dtype in (torch.bool, torch.uint8) for index in indices)
