"""The card of a calibrated model, and checks of the model and of the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from georaster_dl.calibration.judged import Judged
from georaster_dl.core.errors import OptionError
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.models.package.card import Card

__all__ = ["calibrated_card", "check_learnt", "check_task"]

_LABELS, _DIGESTS = "calibration labels", "calibration_labels_sha256"
_LINE = 500  # characters of a fact of a card
_MOST_DIGESTS = 27  # that such a fact has room for


def check_task(card: Card) -> None:
    """Refuse a model that gives no probabilities.

    Raises
    ------
    OptionError
        It says what the model has instead.
    """
    if card.classes:
        return
    instead = (
        "its intervals are set in its training, and `geodl evaluate` gives the errors of its maps"
        if card.targets
        else "it has no classes"
    )
    raise OptionError(
        f"Probabilities of classes are calibrated, but {card.name} predicts {card.predicts}; {instead}."
    )


def check_learnt(card: Card, files: Sequence[Path], digests: Sequence[str]) -> Iterator[str]:
    """Yield warnings of labels that the model was trained on.

    Parameters
    ----------
    digests : of the labels in each file.
    """
    learnt = set(card.training.get("labels_sha256", "").split(", "))
    names = card.training.get("labels", "").split(", ")
    for file, digest in zip(files, digests, strict=True):
        name = file_of(file).name
        if digest in learnt:
            yield (
                f"{card.name} was trained on the labels {name}, where it is more often right than elsewhere: "
                f"calibrated on them, it will be too confident; use labels that it has not seen"
            )
        elif name in names:
            yield (
                f"{card.name} was trained on a file of the name {name}; if it holds the same labels, the model "
                f"will be too confident, because it is more often right on them than elsewhere"
            )


def calibrated_card(
    card: Card, judged: Sequence[Judged], files: Sequence[Path], digests: Sequence[str]
) -> Card:
    """Make the card with new calibrations and the labels that they are from.

    Parameters
    ----------
    files, digests : of the labels.
    """
    new = {each.predictor: each.calibration for each in judged}
    training = {
        **card.training,
        _LABELS: ", ".join(dict.fromkeys(file_of(file).name for file in files))[:_LINE],
        _DIGESTS: ", ".join(digests[:_MOST_DIGESTS]),
    }
    single = new.pop("single", card.calibration)
    fields = {
        "calibration": single,
        "calibrations": {**card.calibrations, **new},
        "training": training,
    }
    return Card.from_json(card.model_copy(update=fields).to_json())
