"""Single preprocessing steps: their parameters, and the spectra that they cannot be applied to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed

__all__ = ["STEPS", "PreprocessingStep", "Step", "UnfitSpectraError", "check_spectra", "make_step"]

_Floats = npt.NDArray[np.float64]

Step = tuple[str, tuple[int, ...]]
"""Name and parameters of a preprocessing step."""


@dataclass(frozen=True)
class PreprocessingStep:
    """A kind of preprocessing step.

    Attributes
    ----------
    make : gives a transformer of scikit-learn's form for the parameters.
    names : of the parameters, whole numbers; all or none are given.
    defaults : of these; empty where they must be given.
    learnt : attributes of the fitted transformer that spectra (bands,) gave it.
    unfit : mask of the spectra (n, bands) that it cannot be applied to, and why.
    of_samples : whether its fit asks which spectra are of one sample.
    """

    make: Callable[..., Any]
    names: tuple[str, ...] = ()
    defaults: tuple[int, ...] = ()
    learnt: tuple[str, ...] = ()
    unfit: tuple[Callable[[_Floats], npt.NDArray[np.bool_]], str] | None = None
    of_samples: bool = False


def _absorbance() -> Any:
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(_log_inverse)


def _log_inverse(reflectance: _Floats) -> _Floats:
    return np.asarray(-np.log10(reflectance))


def _snv() -> Any:
    from chemotools.scatter import StandardNormalVariate

    return StandardNormalVariate()


def _msc() -> Any:
    from chemotools.scatter import MultiplicativeScatterCorrection

    return MultiplicativeScatterCorrection()


def _emsc(order: int) -> Any:
    from chemotools.scatter import ExtendedMultiplicativeScatterCorrection

    if not 0 <= order <= 5:
        raise OptionError(f"emsc takes a polynomial of order 0 to 5, but got {order}.")
    return ExtendedMultiplicativeScatterCorrection(order=order)


def _norris(gap: int, segment: int, derivative: int) -> Any:
    from chemotools.derivative import NorrisWilliams

    # Even ones would move the bands by half a step.
    if min(gap, segment) < 3 or gap % 2 == 0 or segment % 2 == 0 or derivative not in (1, 2):
        raise OptionError(
            f"A gap derivative has an odd gap and an odd segment of 3 bands or more and is the first or second, but got "
            f"{gap}, {segment}, {derivative}."
        )
    return NorrisWilliams(window_length=segment, gap_size=gap, deriv=derivative)


def _savgol(window: int, order: int, derivative: int) -> Any:
    from georaster_dl.spectra.preprocess.savgol import SavitzkyGolay

    if window < 3 or window % 2 == 0 or not 0 <= derivative <= order < window:
        raise OptionError(
            f"A Savitzky-Golay filter has an odd window of 3 bands or more, an order below it and a "
            f"derivative up to the order, but got {window}, {order}, {derivative}."
        )
    return SavitzkyGolay(window, order, derivative)


def _smooth(window: int, order: int) -> Any:
    return _savgol(window, order, 0)


def _detrend(order: int) -> Any:
    from chemotools.baseline import PolynomialCorrection

    if not 0 <= order <= 5:
        raise OptionError(f"detrend takes a polynomial of order 0 to 5, but got {order}.")
    return PolynomialCorrection(order)


def _center() -> Any:
    from sklearn.preprocessing import StandardScaler

    return StandardScaler(with_std=False)


def _standardise() -> Any:
    from sklearn.preprocessing import StandardScaler

    return StandardScaler()


def _epo(directions: int) -> Any:
    from georaster_dl.spectra.preprocess.orthogonalisation import ExternalParameterOrthogonalisation

    if not 1 <= directions <= 20:
        raise OptionError(f"epo takes 1 to 20 directions away, but got {directions}.")
    return ExternalParameterOrthogonalisation(directions)


def _ds(rank: int) -> Any:
    from georaster_dl.spectra.preprocess.standardisation import DirectStandardisation

    return DirectStandardisation(rank)


def _pds(window: int) -> Any:
    from georaster_dl.spectra.preprocess.standardisation import PiecewiseStandardisation

    return PiecewiseStandardisation(window)


def _dark(spectra: _Floats) -> npt.NDArray[np.bool_]:
    return np.asarray((spectra <= 0).any(axis=1))


def _flat(spectra: _Floats) -> npt.NDArray[np.bool_]:
    largest = np.abs(spectra).max(axis=1)
    return np.asarray(np.ptp(spectra, axis=1) <= 1e-12 * largest)


STEPS: Mapping[str, PreprocessingStep] = {
    "absorbance": PreprocessingStep(_absorbance, unfit=(_dark, "reflectances of 0 or less")),
    "snv": PreprocessingStep(_snv, unfit=(_flat, "the same value in all bands")),
    "msc": PreprocessingStep(
        _msc, learnt=("reference_",), unfit=(_flat, "the same value in all bands")
    ),
    "emsc": PreprocessingStep(
        _emsc, ("order",), (2,), ("reference_",), (_flat, "the same value in all bands")
    ),
    "savgol": PreprocessingStep(_savgol, ("window", "order", "derivative")),
    "smooth": PreprocessingStep(_smooth, ("window", "order"), (11, 2)),
    "norris": PreprocessingStep(_norris, ("gap", "segment", "derivative")),
    "detrend": PreprocessingStep(_detrend, ("order",), (2,)),
    "center": PreprocessingStep(_center, learnt=("mean_",)),
    "standardise": PreprocessingStep(_standardise, learnt=("mean_", "scale_")),
    "epo": PreprocessingStep(_epo, ("directions",), learnt=("directions_",), of_samples=True),
    "ds": PreprocessingStep(_ds, ("rank",), learnt=("left_", "right_", "offset_")),
    "pds": PreprocessingStep(_pds, ("window",), learnt=("coefficients_", "offset_")),
}
"""All kinds of steps by name."""


class UnfitSpectraError(OptionError):
    """Spectra that a step cannot be applied to.

    Attributes
    ----------
    positions : of the spectra, from 0.
    """

    def __init__(self, step: str, positions: npt.NDArray[np.intp], why: str) -> None:
        self.positions = positions
        self._step, self._why = step, why
        super().__init__(self.said_of(listed(f"spectrum {i + 1}" for i in positions)))

    def said_of(self, names: str) -> str:
        """Word the message with these names of the spectra."""
        number = counted(len(self.positions), "spectrum")
        return (
            f"{self._step} cannot be applied to {number} ({names}) with {self._why}; leave them out, or choose another "
            f"step."
        )


def make_step(step: Step) -> Any:
    """Make its transformer, not yet fitted.

    Raises
    ------
    OptionError
        When a parameter cannot work.
    """
    name, parameters = step
    return STEPS[name].make(*parameters)


def check_spectra(step: Step, spectra: _Floats, first: int) -> None:
    """Refuse spectra that a step cannot be applied to.

    Parameters
    ----------
    spectra : (n, bands), of which the first is counted as number ``first`` + 1.

    Raises
    ------
    OptionError
        When there are too few bands.
    UnfitSpectraError
        When it cannot be computed of a spectrum.
    """
    name, parameters = step
    if parameters and parameters[0] > spectra.shape[1]:
        raise OptionError(
            f"{name} needs at least {counted(parameters[0], 'band')}, but the spectra have {spectra.shape[1]}."
        )
    unfit = STEPS[name].unfit
    bad = np.flatnonzero(unfit[0](spectra)) if unfit else np.array([], int)
    if unfit and bad.size:
        raise UnfitSpectraError(name, first + bad, unfit[1])
