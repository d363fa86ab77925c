"""Cleaning of the map of a run, before anything is derived of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from georaster_dl.cleaning.options import CleaningOptions
from georaster_dl.core.errors import OptionError
from georaster_dl.predict.matching.scene_match import SceneMatch
from georaster_dl.predict.options import Findings, Outputs, SegmentOptions

__all__ = ["check_cleaning", "clean_finished", "smoothed_probabilities"]


def check_cleaning(match: SceneMatch, options: SegmentOptions) -> None:
    """Check, before anything is computed, that the map can be cleaned as asked.

    Raises
    ------
    OptionError
        When it is no map of classes, or uncertain pixels are to be a class and chosen anew, or an area on
        the ground is asked for where pixels have none.
    """
    cleaning, card = options.cleaning, match.card
    if not cleaning.cleans:
        return
    if card.targets:
        raise OptionError(
            f"{card.name} predicts {card.predicts}, but only maps of classes are cleaned; leave "
            f"{', '.join(f'`{name}=`' for name in cleaning.asked)} out."
        )
    if cleaning.smooth:
        cleaning.strengths_of(card.legend.names)
        if options.reject is not None:
            raise OptionError(
                "`smooth=` chooses the classes anew, and `reject=` goes by probabilities that are not smoothed; leave one "
                "of them out."
            )
    if cleaning.sieve is not None:
        from georaster_dl.cleaning.steps import smallest_area

        smallest_area(match.scene.geobox, cleaning.sieve)


def smoothed_probabilities(outputs: Outputs, options: SegmentOptions) -> dict[str, Path]:
    """Name the raster of the probabilities that are to be smoothed, by its kind; empty where none are.

    It is the output of that name, where there is one.
    """
    if not options.cleaning.smooth:
        return {}
    beside = outputs.map.with_name(f"unsmoothed-{outputs.map.stem}.tif")
    return {"probabilities": outputs.extras.get("probabilities", beside)}


def clean_finished(
    mapped: Path, options: CleaningOptions, probabilities: Sequence[Path], found: Findings
) -> Findings:
    """Clean the finished map of a run in its place, and count its classes anew.

    Parameters
    ----------
    probabilities : raster to smooth, or none.
    """
    from georaster_dl.cleaning.run import clean_staged

    counts = clean_staged(mapped, options, next(iter(probabilities), None))
    rejected = found.rejected
    if rejected is not None:
        rejected = replace(rejected, pixels=counts[rejected.name])
    return replace(found, counts=counts, rejected=rejected)
