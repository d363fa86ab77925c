"""Bands of several models as those of one run: late fusion, where each model reads sensors of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from georaster_dl.core.errors import OptionError
from georaster_dl.predict.matching.scene_match import SceneMatch

__all__ = ["joined_match"]


def joined_match(first: SceneMatch, others: Sequence[SceneMatch]) -> SceneMatch:
    """Join the bands that models read of a scene, those of the first model first.

    A pixel is valid where all of them are. Bands of one name are one band.

    Parameters
    ----------
    first, others : the same scene, matched to each model.

    Returns
    -------
    The first match with the bands of all, each with the values that its model takes.

    Raises
    ------
    OptionError
        When models take the values of a band in another quantity, or find another band of the scene by its name, or
        their bands are made from others.
    """
    planes = {b.name: p for b, p in zip(first.card.bands, first.scene.planes, strict=False)}
    bands = {band.name: band for band in first.card.bands}
    if all(list(bands) == [band.name for band in other.card.bands] for other in others):
        _check_quantities(first, others)
        return first
    for other in others:
        if first.resampling is not None or other.resampling is not None:
            raise OptionError(
                f"{first.card.name} and {other.card.name} read other bands, which `resample=True` makes of the scene's for "
                f"one model only; name models of the same bands."
            )
        for band, plane in zip(other.card.bands, other.scene.planes, strict=True):
            if planes.setdefault(band.name, plane) != plane:
                raise OptionError(
                    f"{first.card.name} and {other.card.name} are no ensemble: both read a band {band.name}, but of other "
                    f"values ({first.card.quantity}, {other.card.quantity}) or of another band of the scene; name "
                    f"models of the same kind of values."
                )
            bands.setdefault(band.name, band)
    # Descriptions of the first model's bands alone would be taken for those of all.
    card = first.card.model_copy(
        update={"bands": tuple(bands.values()), "domain": None, "class_limits": ()}
    )
    scene = replace(first.scene, planes=tuple(planes.values()))
    return replace(first, scene=scene, card=card)


def _check_quantities(first: SceneMatch, others: Sequence[SceneMatch]) -> None:
    for other in others:
        if other.card.quantity != first.card.quantity:
            raise OptionError(
                f"{first.card.name} and {other.card.name} are no ensemble: {first.card.name} has input values in "
                f"{first.card.quantity}, but {other.card.name} {other.card.quantity}; name models that were trained for "
                f"the same."
            )
