"""Cache of the last run's network, for processes and models that do many runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NetworkCache", "keep_networks", "of_process"]

N = TypeVar("N", bound="nn.Module")


class NetworkCache(threading.local):
    """The network of each thread's last run; one shared by two runs would have to be thread-safe.

    Parameters
    ----------
    keeping : whether networks are kept at all.
    """

    def __init__(self, *, keeping: bool = True) -> None:
        self.keeping = keeping
        self._key: Hashable = None
        self._network: nn.Module | None = None

    def __reduce__(self) -> tuple[Callable[[], NetworkCache], tuple[()]]:
        """Pickle without the networks, which another process loads for itself."""
        return partial(NetworkCache, keeping=self.keeping), ()

    def get(self, key: Hashable, make: Callable[[], N]) -> N:
        """Return the network of the last run if it had the same key, else make it.

        Parameters
        ----------
        key : all that the network depends on.
        """
        if self._network is not None and self._key == key:
            return cast("N", self._network)
        self._network = None  # before the next is made: two take twice the memory
        made = make()
        if self.keeping:
            self._key, self._network = key, made
        return made


of_process = NetworkCache(keeping=False)
"""Cache of the runs that bring none of their own."""


def keep_networks() -> None:
    """From now on, keep the network of this thread's last run for the next one."""
    of_process.keeping = True
