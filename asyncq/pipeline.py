"""`compose`: the only way anything wraps anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

__all__ = ["compose"]

In = TypeVar("In")
Out = TypeVar("Out")


def compose(
    layers: Sequence[Callable[[In, Callable[[In], Awaitable[Out]]], Awaitable[Out]]],
    core: Callable[[In], Awaitable[Out]],
) -> Callable[[In], Awaitable[Out]]:
    """Wrap `core` in `layers`, the first one outermost; no layers give `core` itself, at no cost."""
    stack = core
    for layer in reversed(layers):
        stack = _wrap(layer, stack)
    return stack


def _wrap(
    layer: Callable[[In, Callable[[In], Awaitable[Out]]], Awaitable[Out]],
    call_next: Callable[[In], Awaitable[Out]],
) -> Callable[[In], Awaitable[Out]]:
    def wrapped(value: In) -> Awaitable[Out]:
        return layer(value, call_next)

    return wrapped
