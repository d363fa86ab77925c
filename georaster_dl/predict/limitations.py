"""Limitations that a model's card states, as far as they concern a finished run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from georaster_dl.core.geography import Place
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.limitations import far_warning, poor_classes_warning

__all__ = ["run_limitations"]


def run_limitations(
    card: Card, name: str, counts: Mapping[str, int], place: Place | None
) -> Iterator[str]:
    """Yield the card's remarks on all maps, on poor classes of this map, and on its place.

    Parameters
    ----------
    name : of the model, as the user knows it.
    counts : pixels of each class; empty where there are none.
    """
    present = [of_class for of_class, pixels in counts.items() if pixels]
    if card.limitations:
        yield f"{name}: {card.limitations}"
    yield from filter(None, [poor_classes_warning(name, card.metrics, present)])
    yield from filter(None, [far_warning(name, card.places, place)])
