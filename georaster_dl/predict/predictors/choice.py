"""Choice of how a pixel's probabilities are made, checked against the models before torch is loaded."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.card import Card, Cost, ModelHalo, Predictor
from georaster_dl.models.package.file import read_card
from georaster_dl.models.registry import fitted_models
from georaster_dl.predict.matching.scene_match import SceneMatch, match_scene
from georaster_dl.predict.options import PredictorOptions, SegmentOptions
from georaster_dl.predict.predictors.joined import joined_match

__all__ = [
    "Member",
    "PredictorChoice",
    "choose_predictor",
    "direction_warning",
    "measured_calibration",
    "no_dropout",
    "with_members",
    "with_predictor",
    "with_sums",
]

_DIRECTION = re.compile(
    r"aspect|azimuth|hill_?shade|illumination|northness|eastness", re.IGNORECASE
)
_PLANES = 3  # copies of the classes' planes that the sums of a tile take beside the network


@dataclass(frozen=True)
class Member:
    """A further model of an ensemble: its package, and its card narrowed to the scene's bands."""

    model: Path
    card: Card


@dataclass(frozen=True)
class PredictorChoice:
    """How the probabilities or values of a pixel are made.

    Attributes
    ----------
    kind : ``single`` for one pass of one network; else they are means of several passes.
    members : further models, for ``ensemble``; where there are none it is the members of the package.
    passes, seed : of ``mc-dropout`` and ``bayesian``.
    symmetries : of ``tta``.
    first : card of the first model of several, narrowed to the scene's bands; None where it is the run's.
    """

    kind: Predictor = "single"
    members: tuple[Member, ...] = ()
    passes: int = 20
    seed: int = 0
    symmetries: str = "d4"
    first: Card | None = None

    @property
    def several(self) -> bool:
        """Whether there are several passes."""
        return self.kind != "single"

    @property
    def how(self) -> tuple[object, ...]:
        """All that the passes depend on beside the models."""
        if self.kind == "tta":
            return (self.symmetries,)
        return (self.passes, self.seed) if self.kind in ("mc-dropout", "bayesian") else ()

    def tags(self) -> dict[str, str]:
        """Describe the predictor for the provenance of a raster; nothing for a single pass."""
        if not self.several:
            return {}
        how = {
            "tta": f"tta {self.symmetries}",
            "ensemble": ", ".join(
                ["ensemble", *(f"with {m.card.name} {m.card.version}" for m in self.members)]
            ),
        }.get(self.kind, f"{self.kind}, {self.passes} passes, seed {self.seed}")
        return {"GEORASTER_DL_PREDICTOR": how}


def choose_predictor(card: Card, options: PredictorOptions) -> Predictor:
    """Choose the predictor that the options ask for.

    Raises
    ------
    OptionError
        When the model cannot do that; what it can do is named.
    """
    if options.passes < 1:
        raise OptionError(f"`passes=` must be 1 or more, but got {options.passes}.")
    kind = options.predictor
    if kind not in ("auto", *get_args(Predictor)):
        raise OptionError(
            f"There is no predictor {kind!r}; choose auto, {', '.join(get_args(Predictor))}."
        )
    if kind == "auto":
        return "ensemble" if options.members else "single"
    if options.members and kind != "ensemble":
        raise OptionError(
            f"Several models are an ensemble, whose passes are its members; name one model, or leave "
            f"`predictor='{kind}'` out."
        )
    if kind == "ensemble" and not options.members and card.architecture.name != "ensemble":
        raise OptionError(
            f"{card.name} is no ensemble; name several models, train one (`train(ensemble=5)`), or use "
            f"{_others(card)}."
        )
    if kind == "bayesian" and card.architecture.options.get("head") != "bayesian":
        raise OptionError(
            f"The last layer of {card.name} holds no distributions of weights; train one that does "
            f"(`train(head='bayesian')`), or use {_others(card)}."
        )
    return kind


def measured_calibration(card: Card, options: SegmentOptions, asked: str) -> Calibration:
    """Look up the calibration of a run's probabilities, whose quantiles rejection and prediction sets need.

    Parameters
    ----------
    asked : keyword that needs them, for the message.

    Raises
    ------
    OptionError
        When the card holds a calibration of other probabilities only.
    """
    kind = choose_predictor(card, options)
    if options.members:
        raise OptionError(
            f"`{asked}=` rests on quantiles in the card of one model, but {card.name} is one of several here; "
            f"train an ensemble as one package, or name one model."
        )
    found = card.calibration if kind == "single" else card.calibrations.get(kind)
    if found is None or not (found.scores or found.confidence):
        made = "the probabilities" if kind == "single" else f"the probabilities of {kind}"
        raise OptionError(
            f"`{asked}=` rests on quantiles of {made} on ground kept from training, which the card of {card.name} "
            f"does not hold; make a package that does from labels of your own "
            f"(`calibrate(predictor='{kind}')`), or leave `{asked}=...` out."
        )
    return found


def direction_warning(card: Card, kind: Predictor) -> str | None:
    """Warn of bands that are directions, which mirror images make wrong; None where there are none."""
    named = [band.name for band in card.bands if _DIRECTION.search(band.name)]
    if kind != "tta" or not named:
        return None
    return (
        f"{listed(named)} of {card.name} {'is a direction' if len(named) == 1 else 'are directions'}, to judge by "
        f"the name, which mirror images turn the wrong way: trust `predictor='tta'` only if the model was trained "
        f"on mirrored scenes"
    )


def _others(card: Card) -> str:
    """Name the other predictors that a model has by its card; its dropout only the network knows."""
    has = {
        "ensemble": card.architecture.name == "ensemble",
        "bayesian": card.architecture.options.get("head") == "bayesian",
        "tta": True,
    }
    return " or ".join(f"`predictor='{name}'`" for name, there in has.items() if there)


def with_predictor(
    scene: Scene, match: SceneMatch, options: PredictorOptions
) -> tuple[SceneMatch, PredictorChoice]:
    """Choose the predictor, and match the scene to the further models of an ensemble.

    Returns
    -------
    The match, whose card counts what several passes cost and need; and the choice.

    Raises
    ------
    GeoRasterError
        When a model cannot do that, or the models are no ensemble.
    """
    kind = choose_predictor(match.card, options)
    if kind == "single":
        return match, PredictorChoice()
    if match.dates:
        raise OptionError(
            f"`predictor='{kind}'` makes several passes over images, but {match.card.name} reads time series, of which "
            f"one pass is made; leave it out."
        )
    first = match.card
    match, members = with_members(scene, match, options.members, resample=options.resample)
    match = replace(match, card=with_sums(match.card))
    how = options.passes, options.seed, options.symmetries
    return match, PredictorChoice(kind, members, *how, first if members else None)


def no_dropout(card: Card) -> OptionError:
    """Explain that a network has no dropout that could be left on."""
    if card.architecture.name in fitted_models():
        return OptionError(
            f"{card.name} is a model by {card.architecture.name}, which has no dropout, so all its passes would be "
            f"the same; use {_others(card)}."
        )
    return OptionError(
        f"{card.name} has no dropout in its decoder, so all its passes would be the same; train it again with "
        f"this version, which adds some, or use {_others(card)}."
    )


def with_members(
    scene: Scene, match: SceneMatch, models: Sequence[Path], *, resample: bool
) -> tuple[SceneMatch, tuple[Member, ...]]:
    """Match a scene to further models, which must predict the same, of the same bands or of others.

    Returns
    -------
    The match, whose scene has the bands of all models and whose card their stride, halo and cost; and the further models.

    Raises
    ------
    OptionError
        When a model has another task, legend or quantity than the first.
    BandMismatchError
        When the scene does not fit one of them, for example by its resolution.
    """
    members, matches = [], []
    for model in models:
        card = read_card(model)
        _check_alike(match.card, card)
        matches.append(match_scene(scene, card, resample=resample))
        members.append(Member(model, matches[-1].card))
        _check_others([match.card, *(member.card for member in members)])
    joined = joined_match(match, matches)
    return replace(joined, card=_of_all(joined.card, members)), tuple(members)


def _check_alike(first: Card, other: Card) -> None:
    """Refuse a model that predicts something else."""
    for what, one, another in (
        ("the task", first.task, other.task),
        ("the classes", _legend(first), _legend(other)),
        ("the quantities", _quantities(first), _quantities(other)),
        ("the preprocessing", _steps(first), _steps(other)),
    ):
        if one != another:
            raise OptionError(
                f"{first.name} and {other.name} are no ensemble: {first.name} has {what} {one}, but "
                f"{other.name} {another}; name models that were trained for the same."
            )


def _check_others(cards: Sequence[Card]) -> None:
    """Refuse a model that is given twice, which would agree with itself."""
    *before, last = cards
    if last.weights_sha256 in [card.weights_sha256 for card in before]:
        raise OptionError(
            f"{last.name} is given twice, with the same weights, and would always agree with itself; name "
            f"models of different trainings."
        )


def _legend(card: Card) -> str:
    return ", ".join(f"{each.value} {each.name}" for each in card.classes)


def _steps(card: Card) -> str:
    """Describe the preprocessing, with the arrays learnt in training."""
    made = card.preprocessing
    return "none" if made is None else f"{made.steps} {made.learnt if any(made.learnt) else ''}"


def _quantities(card: Card) -> str:
    return ", ".join(target.label for target in card.targets)


def _of_all(first: Card, members: Sequence[Member]) -> Card:
    """Give the first card the stride, halo and cost of all."""
    cards = [first, *(member.card for member in members)]
    stride = math.lcm(*(card.stride for card in cards))

    def up(pixels: int) -> int:
        return -(-pixels // stride) * stride

    exact = [card.halo.exact for card in cards]
    halo = ModelHalo(
        default=up(max(card.halo.default for card in cards)),
        exact=None if None in exact else up(max(pixels or 0 for pixels in exact)),
        blend=max(card.halo.blend for card in cards),
    )
    cost = Cost(
        macs_per_pixel=sum(card.cost.macs_per_pixel for card in cards),
        bytes_per_pixel=max(card.cost.bytes_per_pixel for card in cards),
    )
    return first.model_copy(update={"stride": stride, "halo": halo, "cost": cost})


def with_sums(card: Card, passes: int = 1) -> Card:
    """Count the sums over passes into the memory that a pixel takes.

    Parameters
    ----------
    passes : whose planes are kept beside each other.
    """
    extra = 4 * (_PLANES * passes * card.outputs + 4)
    cost = card.cost.model_copy(update={"bytes_per_pixel": card.cost.bytes_per_pixel + extra})
    return card.model_copy(update={"cost": cost})
