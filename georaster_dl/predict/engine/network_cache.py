"""Cache of the last run's network, for processes that do many runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from torch import nn

__all__ = ["keep_networks", "last_network"]

N = TypeVar("N", bound="nn.Module")


class _Last(threading.local):
    """Cache of a thread; networks shared by two runs would have to be thread-safe."""

    keeping = False
    key: Hashable = None
    network: nn.Module | None = None


_last = _Last()


def keep_networks() -> None:
    """From now on, keep the network of this thread's last run for the next one."""
    _last.keeping = True


def last_network(key: Hashable, make: Callable[[], N]) -> N:
    """Return the network of the last run if it had the same key, else make it.

    Parameters
    ----------
    key : all that the network depends on.
    """
    if _last.network is not None and _last.key == key:
        return cast("N", _last.network)
    _last.network = None  # before the next is made: two take twice the memory
    made = make()
    if _last.keeping:
        _last.key, _last.network = key, made
    return made
