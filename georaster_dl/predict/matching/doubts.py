"""Doubts about a scene's values, read from a few windows of it when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from georaster_dl.io.scenes.checks.calibration import (
    alpha_warning,
    calibration_warning,
    training_warning,
    zeros_warning,
)
from georaster_dl.io.scenes.checks.registration import registration_warnings
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.stacks.scene import stack_scene
from georaster_dl.models.novelty.judge import SceneNovelty
from georaster_dl.models.package.limitations import absent_bands_warning
from georaster_dl.models.runtime.dated import bound_card
from georaster_dl.predict.matching.scene_match import SceneMatch, resolution_warning
from georaster_dl.predict.matching.scene_novelty import (
    novelty_warning,
    scene_novelty,
    untreated_warning,
)
from georaster_dl.predict.matching.stack_match import dates_of, dates_warning

if TYPE_CHECKING:
    from georaster_dl.io.stacks.stack import TimeStack
    from georaster_dl.io.vectors.aoi import AreaOfInterest
    from georaster_dl.models.package.card import Card

__all__ = ["SceneDoubts", "stack_values_warning"]


@dataclass(frozen=True)
class SceneDoubts:
    """Warnings of a scene that may be another than a model was made for.

    Everything here may raise a SceneError, when the file is damaged or truncated.

    Attributes
    ----------
    scene : with all of its bands: those that the model does not read show its calibration, too.
    match : the same as the model reads it.
    aoi : area outside of which pixels are not judged; None for the whole scene.
    """

    scene: Scene
    match: SceneMatch
    aoi: AreaOfInterest | None = None

    @cached_property
    def calibration(self) -> str | None:
        """Warning of implausible reflectances; None where they are plausible."""
        is_reflectance = self.match.card.quantity == "reflectance"
        return calibration_warning(self.scene) if is_reflectance else None

    @cached_property
    def novelty(self) -> SceneNovelty | None:
        """How unlike the model's training the scene is; None where that is not known."""
        return scene_novelty(self.match, self.aoi)

    def warnings(self) -> Iterator[str | None]:
        """Yield a warning of each doubt; None where there is nothing to say."""
        match, card = self.match, self.match.card
        yield from self.scene.remarks
        if match.dates:
            yield dates_warning(match.dates, card)
            yield _values_warning(match.scene, card)
            yield resolution_warning(match.scene, card)
            return
        yield alpha_warning(self.scene)
        yield from registration_warnings(self.scene)
        yield zeros_warning(match.scene)
        values = self.calibration or _training_warning(match)
        yield values
        if values is None:  # else it has said why
            yield novelty_warning(self.novelty, card)
        yield untreated_warning(match, self.aoi)
        yield absent_bands_warning(match.absent, card.absent_bands)
        yield resolution_warning(match.scene, card)


def _training_warning(match: SceneMatch) -> str | None:
    """Describe values of another size than in training; reflectances have a check of their own."""
    card = match.card
    if (
        card.quantity == "reflectance"
        or card.preprocessing is not None
        or match.resampling is not None
    ):
        return None
    return _values_warning(match.scene, card)


def stack_values_warning(stack: TimeStack, card: Card) -> str | None:
    """Warn of values of another size than in training, of a matched stack; None where they are alike.

    Raises
    ------
    SceneError
        When a file is damaged or truncated.
    """
    return _values_warning(stack_scene(stack), bound_card(card, dates_of(stack, card)))


def _values_warning(scene: Scene, card: Card) -> str | None:
    means, deviations = [b.mean for b in card.bands], [b.std for b in card.bands]
    return training_warning(scene, means, deviations)
