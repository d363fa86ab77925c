"""Checks of a model file: its weights, its output, and the halo that its card claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from georaster_dl.core.errors import ModelPackageError
from georaster_dl.core.wording import counted
from georaster_dl.models.contract import Dated, network_stride
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model
from georaster_dl.models.runtime.halo import tiling_error
from georaster_dl.models.runtime.optional_bands import narrowed_model
from georaster_dl.tiling.tiles import round_up

if TYPE_CHECKING:
    from torch import Tensor, nn

    from georaster_dl.models.contract import SeriesNetwork
    from georaster_dl.models.package.series import CardSeries
    from georaster_dl.models.zoo.lidar.attention import Past

__all__ = ["check_model"]

_SIDE = 64  # pixels of the noise that is put through
_SERIES, _DATES, _PIXELS = 3, 5, 8  # of the noise for a network of time series
_POINTS = 500
_APART = 1e-5  # of the sum of fractions from 1
_EXACT = 1e-9  # standard deviations of the network's output, in float64


def check_model(path: str | Path) -> Iterator[str]:
    """Check a model file step by step.

    Yields
    ------
    One line for each check that passed.

    Raises
    ------
    ModelPackageError
        At the first check that fails.
    """
    card, network = load_model(path)
    yield f"the card is valid and the weights are those it was saved with ({card.weights_sha256[:12]})"
    stride = network_stride(network)
    yield f"the stride {card.stride} is a multiple of the network's, {stride}"
    if card.lidar is not None:
        yield _check_points(card, network)
        return
    if card.series is not None:
        yield _check_series(card, network)
        return
    yield _check_output(card, network)
    if card.required_bands:
        fewest = list(dict.fromkeys(group[0] for group in card.required_bands))
        passed = _check_output(*narrowed_model(card, network, fewest))
        yield f"with {', '.join(fewest)} alone {passed}"
    if card.halo.exact is None:
        yield "no exact halo is claimed"
        return
    error = tiling_error(
        network, in_bands=len(card.bands), stride=card.stride, halo=card.halo.exact
    )
    if not error <= _EXACT:
        raise ModelPackageError(
            f"The card of {card.name} claims that a halo of {card.halo.exact} is exact, but tiles differ by "
            f"{error:.2g} standard deviations of the output; set halo.exact by probe_halo."
        )
    yield f"tiles with the exact halo of {card.halo.exact} give the untiled result (within {error:.1g})"


def _check_series(card: Card, network: nn.Module) -> str:
    """Run the network on three series of normalised noise, the first without any date."""
    import torch

    series = cast("CardSeries", card.series)
    dates, pixels = cast("int | None", card.architecture.options.get("dates")) or _DATES, _PIXELS
    random = torch.Generator().manual_seed(0)
    kind = cast("SeriesNetwork", network).series
    side = round_up(_PIXELS, card.stride)
    beside = {"pixel": (), "set": (pixels,), "patch": (side, side)}[kind]
    days = torch.linspace(*series.days, dates).expand(_SERIES, -1)
    sensors = []
    for sensor in series.sensors:
        valid = torch.ones(_SERIES, dates, *beside, dtype=torch.bool)
        valid[0] = False
        values = torch.randn(_SERIES, dates, sensor.bands, *beside, generator=random)
        sensors.append(Dated(values * valid.unsqueeze(2), days, valid))
    with torch.inference_mode():
        output = network(sensors, torch.zeros(_SERIES, 4))
    expected = (_SERIES, card.outputs, *(beside if kind == "patch" else ()))
    _check_finite(card, output, expected, f"{_SERIES} series of {dates} dates")
    return f"the output of {_SERIES} series is finite and has {counted(card.outputs, 'plane')}"


def _check_points(card: Card, network: nn.Module) -> str:
    """Run the network on two slices of random points, the second with the first as its past."""
    import torch

    from georaster_dl.models.zoo.lidar.helix4d import LidarSlice

    random = torch.Generator().manual_seed(0)
    here = torch.eye(4, dtype=torch.float64)
    past: list[list[tuple[int, Past]]] = [[]]
    with torch.inference_mode():
        for _ in range(2):
            xyz = 10 * torch.randn(_POINTS, 3, generator=random)
            output, left = network([LidarSlice(xyz, xyz[:, 0].abs(), here)], past)
            past = [[(1, left[0])]]
    _check_finite(card, output, (_POINTS, card.outputs + 1), f"{_POINTS} points")
    return f"the output of {_POINTS} points is finite and has {counted(card.outputs, 'class')}"


def _check_output(card: Card, network: nn.Module) -> str:
    """Run the network on normalised noise; refuse an output of another shape or that is not finite."""
    import torch

    side = round_up(max(_SIDE, 2 * card.stride), card.stride)
    random = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        output = network(torch.randn(1, len(card.bands), side, side, generator=random))
    _check_finite(card, output, (1, card.outputs, side, side), f"{side} x {side} pixels")
    if card.task == "fractions":
        return _check_fractions(card, output[:, : len(card.targets)])
    contents = {
        "segmentation": counted(card.outputs, "class"),
        "regression": f"{counted(card.outputs, 'plane')} of values: "
        f"{', '.join(plane[0] for plane in card.value_planes)}",
        "autoencoder": f"one plane for each of {counted(card.outputs, 'band')}",
    }
    return f"the output is finite and has {contents[card.task]}"


def _check_fractions(card: Card, fractions: Tensor) -> str:
    """Refuse fractions (1, fractions, rows, cols) below 0, or of another sum than 1."""
    least = float(fractions.min())
    apart = float((fractions.sum(1) - 1).abs().max())
    if least < 0 or apart > _APART:
        raise ModelPackageError(
            f"The network of {card.name} gives fractions from {least:.3g} whose sums differ from 1 by up to {apart:.3g}, "
            f"but none may be below 0 and all must sum to 1; build it with head='fractions', or normalise its outputs."
        )
    names = ", ".join(target.name for target in card.targets)
    return f"the output is finite and has fractions of sum 1: {names}"


def _check_finite(card: Card, output: Tensor, expected: tuple[int, ...], of: str) -> None:
    if tuple(output.shape) != expected:
        raise ModelPackageError(
            f"The network of {card.name} turns {of} into {tuple(output.shape)}, but "
            f"{expected} was expected; its card does not fit it."
        )
    if not bool(output.isfinite().all()):
        raise ModelPackageError(
            f"The network of {card.name} gives values that are not finite; train or get the model again."
        )
