"""How much context a tile needs: the exact halo of a network, and the halo that is enough.

The exact halo is found, not derived: NaN is put into one half of an input and every output that
becomes NaN depends on that half. This follows whatever layers a network has, and unlike gradients
it cannot miss a path that happens to carry little. Two things could fool it, and a second step, in
numbers, catches both: layers that hide NaN (a comparison, a clean-up), and layers whose arithmetic
depends on the size of the input (``align_corners`` resizing, statistics over the tile). A network
that fails the second step counts as global: no halo makes its tiles exact.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.tiling.tiles import Tiling, round_up

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["HaloReach", "choose_halo", "probe_halo", "tiling_error"]

_SHORTEST = 256
_CHECKED = 64  # pixels are enough to see whether a network keeps its input's size
_SAME_VALUE = 0.01  # standard deviations of a plane's values; far below what a network errs by
_SAME = 1e-9  # float64 rounding stays near 1e-13 of the output; what fools NaN is far above


@dataclass(frozen=True)
class HaloReach:
    """How far outputs of a tile look beyond its border, for tiles that start on the stride grid.

    Attributes
    ----------
    left, right, top, bottom : pixels inside the tile, counted from that border, whose outputs
        depend on what lies outside it; None where all of them do.
    exact : halo in pixels, a multiple of the stride, with which tiles give the untiled result;
        None where no halo does.
    """

    left: int | None
    right: int | None
    top: int | None
    bottom: int | None
    exact: int | None


_GLOBAL = HaloReach(None, None, None, None, None)


def probe_halo(network: nn.Module, *, in_bands: int, stride: int, longest: int = 4096) -> HaloReach:
    """Measure the exact halo of a network; the network is not changed.

    The result is for eval mode. BatchNorm and convolutions give a finite halo; attention, global
    pooling, squeeze-and-excitation, and Instance- or GroupNorm do not.

    Parameters
    ----------
    network : from (N, in_bands, rows, cols) to (N, planes, rows, cols).
    in_bands : number of input planes.
    stride : total down-sampling in pixels.
    longest : longest strip to try, in pixels; a network that reaches beyond half of it counts as
        global.

    Raises
    ------
    OptionError
        When the network does not run, or does not keep the number of rows and columns.
    """
    with _exact_arithmetic(network) as exact:
        _check_shape(exact, in_bands, stride)
        length = round_up(_SHORTEST, stride)
        reaches: list[int] = []
        for across in (False, True):
            for after in (False, True):
                reach = None
                # The length that one direction needed is where the next one starts.
                while reach is None and length <= max(longest, _SHORTEST, stride):
                    reach = _reach(exact, (in_bands, _width(stride), length), stride, across, after)
                    length *= 1 if reach is not None else 2
                if reach is None:
                    return _GLOBAL
                reaches.append(reach)
        halo = round_up(max(reaches), stride)
        for checked in (exact, _opened(exact)):
            if _tiling_error(checked, in_bands, stride, halo) > _SAME:
                return _GLOBAL
    left, right, top, bottom = reaches
    return HaloReach(left, right, top, bottom, halo)


def tiling_error(network: nn.Module, *, in_bands: int, stride: int, halo: int) -> float:
    """Largest difference that tiling with ``halo`` makes, in standard deviations of the output.

    Measured on noise, in float64 on the CPU, on a strip along each axis: the result of a tile
    without its halo against the same pixels of a longer input. Near 1e-13 where the halo is exact.

    Raises
    ------
    OptionError
        When the network does not run, or does not keep the number of rows and columns.
    """
    with _exact_arithmetic(network) as exact:
        _check_shape(exact, in_bands, stride)
        return _tiling_error(exact, in_bands, stride, halo)


@contextlib.contextmanager
def _exact_arithmetic(network: nn.Module) -> Iterator[nn.Module]:
    """Copy of the network in float64 and eval mode on the CPU.

    float64 also because oneDNN does not take it: its blocked and Winograd kernels compute several
    pixels together and would spread NaN to pixels that do not depend on it.
    """
    import torch

    exact = copy.deepcopy(network).cpu().double().eval()
    with torch.inference_mode():
        yield exact


def _opened(network: nn.Module) -> nn.Module:
    """Copy of the network whose kernels and matrices average with positive weights.

    With the weights it has, a path may be closed by its ReLUs for every input that is tried; here
    none is, so the answer holds for the architecture, whatever training makes of the weights.
    """
    network = copy.deepcopy(network)
    for weight in network.parameters():
        if weight.ndim >= 2:
            weight.abs_().add_(1e-3).div_(weight[0].sum())
    return network


def _check_shape(network: nn.Module, in_bands: int, stride: int) -> None:
    import torch

    side = max(round_up(_CHECKED, stride), 2 * stride)
    probe = torch.zeros(1, in_bands, side, side, dtype=torch.float64)
    try:
        shape = tuple(network(probe).shape)
    except (RuntimeError, ValueError, AssertionError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OptionError(
            f"{type(network).__name__} does not run on an input of {tuple(probe.shape)} ({reason}); check "
            f"its number of bands ({in_bands}) and its stride ({stride})."
        ) from error
    if len(shape) != 4 or shape[2:] != probe.shape[2:]:
        raise OptionError(
            f"{type(network).__name__} turns an input of {tuple(probe.shape)} into {shape}; an output of as "
            f"many rows and columns is needed: resize inside the network."
        )


def _reach(
    network: nn.Module, shape: tuple[int, int, int], stride: int, across: bool, after: bool
) -> int | None:
    """Count the outputs beside the unknown half of a strip that depend on it.

    Parameters
    ----------
    shape : bands, width and length of the strip.
    across : unknown rows instead of columns.
    after : the half after the border is unknown instead of the one before it.

    Returns
    -------
    Number of rows or columns in the known half; None where none of them is independent, or the
    network refuses the strip.
    """
    import torch

    border = round_up(shape[-1] // 2, stride)
    strip = torch.zeros(1, *shape, dtype=torch.float64)
    strip[..., slice(border, None) if after else slice(None, border)] = math.nan
    output = _run(network, strip, across=across)
    if output is None:
        return None
    tainted = output.isnan().flatten(0, 2).any(0)
    known = tainted[:border].flip(0) if after else tainted[border:]
    places = known.nonzero()
    reach = int(places[-1]) + 1 if len(places) else 0
    return reach if reach < len(known) else None


def _width(stride: int) -> int:
    """Width of a probing strip: narrow, because only its length matters and it is run often."""
    return round_up(16, stride)


def _run(network: nn.Module, strip: Tensor, *, across: bool) -> Tensor | None:
    """Run a strip (1, bands, width, length), turned by a quarter where ``across``.

    None where the network refuses this size, as one with a fixed input size does.
    """
    try:
        output = network(strip.mT.contiguous() if across else strip)
    except (RuntimeError, ValueError, AssertionError):
        return None
    return output.mT if across else output  # type: ignore[no-any-return]


def _tiling_error(network: nn.Module, in_bands: int, stride: int, halo: int) -> float:
    import torch

    random = torch.Generator().manual_seed(0)
    core, beyond = 2 * stride, 3 * stride
    inside = slice(beyond, beyond + 2 * halo + core)
    core_of_tile = slice(halo, halo + core)
    worst = 0.0
    for across in (False, True):
        shape = (1, in_bands, _width(stride), inside.stop + beyond)
        strip = torch.randn(shape, generator=random, dtype=torch.float64)
        whole = _run(network, strip, across=across)
        tile = _run(network, strip[..., inside], across=across)
        if whole is None or tile is None:
            return math.inf
        difference = (
            (tile[..., core_of_tile] - whole[..., inside][..., core_of_tile]).abs().max().item()
        )
        spread = whole.std().item()
        if difference > 0 or not math.isfinite(difference):
            worst = max(worst, difference / spread) if spread > 0 else math.inf
    return worst if math.isfinite(worst) else math.inf


def choose_halo(
    network: nn.Module,
    inputs: Sequence[npt.NDArray[np.float32]],
    *,
    stride: int,
    exact: int | None,
    tile: int,
    classes: bool = True,
    tolerance: float = 0.001,
) -> tuple[int, float]:
    """Find the smallest halo that changes hardly any pixel, measured on a model's own data.

    What a trained network makes use of is usually much nearer than what it depends on, and a
    smaller halo is less work. A pixel is changed where it gets another class; where the planes are
    values, where any of them moves by more than 1 % of the standard deviation of that plane's
    untiled values.

    Parameters
    ----------
    network : as it will be run; its device and type are kept, its mode is eval for the while.
    inputs : scenes, each (bands, rows, cols) and normalised; they should exceed the tile.
    stride : total down-sampling in pixels; halos are multiples of it.
    exact : halo in pixels beyond which nothing can change, None where there is none.
    tile : rows and cols that a tile reads, in pixels, halo included.
    classes : whether the network's planes are classes; else they are values, of a quantity or of
        the bands.
    tolerance : share of pixels, 0..1, that may be changed.

    Returns
    -------
    Halo in pixels, and the share of pixels that are changed with it. Where no halo reaches the
    tolerance, the one that changes least.

    Raises
    ------
    OptionError
        When no input is larger than a tile, so that there would be nothing to measure.
    """
    if not any(max(scene.shape[1:]) > tile for scene in inputs):
        raise OptionError(
            f"None of the {len(inputs)} inputs exceeds the tile of {tile} pixels, so tiling would change "
            f"nothing; give a larger scene or a smaller tile."
        )
    largest = (round_up(tile, stride) - 1) // 2 // stride * stride
    if exact is not None:
        largest = min(largest, exact)
    training = network.training
    network.eval()
    try:
        wholes = [
            _cropped(_mapped(network, _padded(scene, stride), classes), scene) for scene in inputs
        ]
        best = (0, math.inf)
        for halo in range(0, largest + 1, stride):
            share = _changed(network, inputs, wholes, halo=halo, stride=stride, tile=tile)
            if share < best[1]:
                best = (halo, share)
            if share < tolerance:
                break
    finally:
        network.train(training)
    return best


def _changed(
    network: nn.Module,
    inputs: Sequence[npt.NDArray[np.float32]],
    wholes: Sequence[npt.NDArray[Any]],
    *,
    halo: int,
    stride: int,
    tile: int,
) -> float:
    """Share of all pixels that are changed when the scenes are cut into tiles."""
    changed = total = 0
    classes = wholes[0].dtype.kind == "i"
    same = 0.0 if classes else _SAME_VALUE * _spread(wholes)
    for scene, whole in zip(inputs, wholes, strict=True):
        tiling = Tiling(whole.shape[1:], tile=(tile, tile), halo=halo, stride=stride)
        padded = _padded(scene, stride)
        for piece in tiling:
            cut = _mapped(network, padded[:, piece.outer_rows, piece.outer_cols], classes)
            core = cut[:, piece.inner_rows, piece.inner_cols]
            moved = np.abs(core - whole[:, piece.core_rows, piece.core_cols])
            changed += int((moved > same).any(axis=0).sum())
        total += whole[0].size
    return changed / total


def _spread(wholes: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    """Standard deviation of each plane over all scenes, (planes, 1, 1)."""
    planes = ([part.ravel() for part in parts] for parts in zip(*wholes, strict=True))
    deviations = [np.std(np.concatenate(plane), dtype=np.float64) for plane in planes]
    return np.array(deviations)[:, None, None]


def _padded(scene: npt.NDArray[np.float32], stride: int) -> npt.NDArray[np.float32]:
    """Scene with zeros, its bands' mean, after its last row and column up to the stride."""
    rows, cols = scene.shape[1:]
    return np.pad(
        scene, ((0, 0), (0, round_up(rows, stride) - rows), (0, round_up(cols, stride) - cols))
    )


def _cropped(mapped: npt.NDArray[Any], scene: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    return mapped[:, : scene.shape[1], : scene.shape[2]]


def _mapped(network: nn.Module, piece: npt.NDArray[np.float32], classes: bool) -> npt.NDArray[Any]:
    """Winning class (1, rows, cols), or values (planes, rows, cols), of a piece (bands, rows, cols)."""
    import torch

    weight: torch.Tensor = next(network.parameters())
    batch = torch.from_numpy(np.ascontiguousarray(piece))[None].to(weight.device, weight.dtype)
    with torch.inference_mode():
        planes = network(batch)[0]
        mapped = planes.argmax(0, keepdim=True) if classes else planes.float()
        return mapped.cpu().numpy()  # type: ignore[no-any-return]
