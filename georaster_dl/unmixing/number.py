"""The number of members of a scene: error against their number, and the dimension of its signal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import SceneError
from georaster_dl.unmixing.search import Search, find_members, principal_components

__all__ = ["ErrorCurve", "error_curve", "signal_dimension"]

_MOST = 12  # members that are tried
_FITTED = 10_000  # pixels whose error is computed
_GAIN = 0.3  # of the error beyond noise that a further member takes away
_AHEAD = 2  # members: with one of several still missing, some errors hardly fall
_FEWEST_BANDS = 20  # that noise can be told from
_RIDGE = 1e-9  # of the mean variance: keeps bands that are multiples of others apart

_Spectra = npt.NDArray[np.floating[Any]]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ErrorCurve:
    """Error of mixtures against the number of members.

    Attributes
    ----------
    rmse : root mean square of what members of the scene leave unexplained, by their number.
    components : the same of as many principal components less one, which no members can go below.
    noise : root mean square of the noise, from regressions of each band on the others; 0 where it could not be told.
    dimension : of the signal, by HySime; None where noise could not be told.
    chosen : the number after which neither the next member nor the next two take away 30 % of the error beyond noise each.
    """

    rmse: dict[int, float]
    components: dict[int, float] = field(repr=False)
    noise: float
    dimension: int | None
    chosen: int

    def draw(self, axes: Any) -> None:
        """Draw it on axes of matplotlib."""
        axes.plot(list(self.rmse), list(self.rmse.values()), "o-", color="#333333", label="members")
        axes.plot(
            list(self.components),
            list(self.components.values()),
            ":",
            color="#888888",
            label="principal components",
        )
        if self.noise:
            axes.axhline(self.noise, color="#888888", linewidth=0.8, dashes=(6, 3), label="noise")
        axes.plot(
            [self.chosen],
            [self.rmse[self.chosen]],
            "o",
            color="#d55e00",
            markersize=10,
            mfc="none",
            label="taken",
        )
        axes.set(xlabel="number of members", ylabel="RMSE", ylim=(0, None), xticks=list(self.rmse))
        axes.legend(
            fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2
        )


def error_curve(spectra: _Spectra, search: Search, seed: int) -> ErrorCurve:
    """Search members of 2, 3, ... and fit mixtures of them; spectra are (n, bands).

    Raises
    ------
    SceneError
        When all spectra are equal.
    """
    import torch

    from georaster_dl.models.zoo.unmixing.fcls import fcls

    variances, _, _ = principal_components(spectra)
    noise, dimension = signal_dimension(spectra)
    some = torch.as_tensor(spectra[:_FITTED], dtype=torch.float64)
    rmse: dict[int, float] = {}
    for k in range(2, min(_MOST, spectra.shape[1]) + 1):
        try:
            members = torch.as_tensor(
                spectra[find_members(spectra, k, search, seed)], dtype=torch.float64
            )
        except SceneError:
            if not rmse:
                raise
            break  # the spectra are mixtures of fewer
        rmse[k] = float((some - fcls(some, members) @ members).square().mean().sqrt())
    components = {k: float(np.sqrt(variances[k - 1 :].sum() / len(variances))) for k in rmse}
    return ErrorCurve(rmse, components, noise, dimension, _last_gain(rmse, noise))


def _last_gain(rmse: dict[int, float], noise: float) -> int:
    """Go on as long as the next member, or the next two, take away enough each."""
    beyond = {k: np.sqrt(max(error**2 - noise**2, 0.0)) for k, error in rmse.items()}
    chosen = 2
    for k, error in beyond.items():
        steps = k - chosen
        if 1 <= steps <= _AHEAD and error < (1 - _GAIN) ** steps * beyond[chosen]:
            chosen = k
    return chosen


def signal_dimension(spectra: _Spectra) -> tuple[float, int | None]:
    """Estimate the noise of spectra and the dimension of their signal, by HySime (Bioucas-Dias & Nascimento 2008).

    Returns
    -------
    Root mean square of the noise, and the number of directions in which signal exceeds it; 0 and None where
    there is no noise, or where there are too few bands to tell.
    """
    count, bands = spectra.shape
    if bands < _FEWEST_BANDS:
        return 0.0, None
    values = np.asarray(spectra, np.float64)
    moments = values.T @ values
    moments += _RIDGE * np.trace(moments) / bands * np.eye(bands)
    inverse = np.linalg.inv(moments)
    noise = values @ (inverse / np.diag(inverse))
    of_noise = noise.T @ noise / count
    size = float(np.sqrt(np.trace(of_noise) / bands))
    if size < 1e-6 * np.sqrt(np.trace(moments) / count / bands):
        return 0.0, None
    signal = values - noise
    directions = np.linalg.eigh(signal.T @ signal / count)[1]
    cost = np.einsum(
        "ij,ik,kj->j", directions, 2 * of_noise - values.T @ values / count, directions
    )
    return size, int((cost < 0).sum())
