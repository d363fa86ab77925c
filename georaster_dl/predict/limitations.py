"""Limitations that a model's card states, as far as they concern a finished run."""

from __future__ import annotations

from collections.abc import Iterator

from georaster_dl.models.package.limitations import far_warning, poor_classes_warning
from georaster_dl.predict.options import Summary

__all__ = ["run_limitations"]


def run_limitations(summary: Summary) -> Iterator[str]:
    """Yield the card's remarks on all maps, on poor classes of this map, and on its place."""
    card, name = summary.card, summary.model.stem
    present = [of_class for of_class, pixels in summary.findings.counts.items() if pixels]
    if card.limitations:
        yield f"{name}: {card.limitations}"
    yield from filter(None, [poor_classes_warning(name, card.metrics, present)])
    yield from filter(None, [far_warning(name, card.places, summary.place)])
