"""Model packages found by the digest of their weights, for the maps that state it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from georaster_dl.models.exchange.stac import stac_item
from georaster_dl.models.package.file import builtin_models, find_model, read_card

__all__ = ["NamedPackages"]


class NamedPackages:
    """Models named by the user or bundled.

    Parameters
    ----------
    named : names of bundled models, or paths of packages.

    Raises
    ------
    UnknownModelError
        When there is no such model.
    """

    def __init__(self, named: Sequence[str | Path]) -> None:
        self._named = {str(name): find_model(name) for name in named}
        self._used: set[Path] = set()

    def item(self, digest: str) -> Mapping[str, Any] | None:
        """STAC item of the model whose weights have a digest; None where it is unknown."""
        for package in (*self._named.values(), *builtin_models().values()):
            card = read_card(package)
            if card.weights_sha256 == digest:
                self._used.add(package)
                return stac_item(card, package)
        return None

    def unused(self) -> list[str]:
        """Names that were given in vain."""
        return [name for name, package in self._named.items() if package not in self._used]
