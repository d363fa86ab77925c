"""Chains of preprocessing steps by name, stored as plain numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import nearest_names
from georaster_dl.spectra.preprocess.steps import STEPS, Step, check_spectra, make_step

__all__ = ["Preprocessing", "uneven_steps"]

_Floats = npt.NDArray[np.float64]

_STEP = re.compile(r"\s*([a-z]+)\s*(?:\(([^()]*)\))?\s*")
_BLOCK = 2**22  # values that are preprocessed at once
_FILTERS = ("savgol", "smooth", "norris")
_UNEVEN = 1.5  # largest over smallest step; one band left out makes it 2


class Preprocessing(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A chain of preprocessing steps, fitted to training spectra.

    ====================================  =========================================================
    ``absorbance``                        log10(1 / reflectance)
    ``snv``                               standard normal variate (Barnes et al. 1989)
    ``msc``                               multiplicative scatter correction to the mean spectrum
    ``emsc(order)``                       the same with a polynomial over the bands (Martens & Stark
                                          1991); 2 when not given
    ``savgol(window,order,derivative)``   Savitzky-Golay, per band; needs equal steps of wavelength
    ``smooth(window,order)``              the same without a derivative; (11,2) when not given
    ``norris(gap,segment,derivative)``    derivative over a gap of means of segments (Norris & Williams
                                          1984), in bands; needs equal steps of wavelength
    ``detrend(order)``                    less a polynomial of each spectrum; 2 when not given
    ``center``, ``standardise``           less the mean of each band; by its standard deviation too
    ``epo(directions)``                   external parameter orthogonalisation (Roger et al. 2003): less
                                          the directions in which spectra of one sample differ most
    ``ds(rank)``, ``pds(window)``         standardisation to another instrument's spectra, which only
                                          ``transfer`` puts before a model's other steps
    ====================================  =========================================================

    Parameters
    ----------
    steps : for example ``snv,savgol(15,2,1)``; ``none`` leaves spectra as they are.
    """

    def __init__(self, steps: str = "none") -> None:
        self.steps = steps

    def fit(
        self,
        X: npt.ArrayLike,  # noqa: N803 - scikit-learn's name
        y: Any = None,
        *,
        groups: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn from spectra (n, bands).

        Parameters
        ----------
        groups : (n,) sample of each spectrum, None where it is its own; only ``epo`` learns from them.

        Raises
        ------
        OptionError
            When ``steps`` cannot be read or a step cannot be applied to these spectra.
        """
        spectra = validate_data(self, X, dtype=np.float64)
        if groups is not None:
            check_consistent_length(spectra, groups)
        self.chain_: list[tuple[Step, Any]] = []
        for step in _parsed(self.steps):
            check_spectra(step, spectra, 0)
            if step[0] in ("msc", "emsc"):
                _check_reference(step, spectra)
            transformer = make_step(step)
            of_samples = {"groups": groups} if STEPS[step[0]].of_samples else {}
            spectra = np.asarray(transformer.fit(spectra, **of_samples).transform(spectra))
            self.chain_.append((step, transformer))
        return self

    def transform(self, X: npt.ArrayLike) -> npt.NDArray[Any]:  # noqa: N803
        """Preprocess spectra (n, bands); float32 stays float32.

        Raises
        ------
        OptionError
            When a step cannot be applied to a spectrum.
        """
        check_is_fitted(self)
        spectra = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        preprocessed: npt.NDArray[Any] = np.empty_like(spectra)
        size = max(1, _BLOCK // spectra.shape[1])
        for first in range(0, len(spectra), size):
            block = spectra[first : first + size].astype(np.float64)
            for step, transformer in self.chain_:
                check_spectra(step, block, first)
                block = np.asarray(transformer.transform(block))
            preprocessed[first : first + size] = block
        return preprocessed

    def transform_or_nan(self, spectra: npt.NDArray[Any]) -> _Floats:
        """Preprocess spectra (n, bands); those that a step cannot be applied to become NaN."""
        check_is_fitted(self)
        left = np.arange(len(spectra))
        block = np.array(spectra, np.float64)
        for (name, _), transformer in self.chain_:
            unfit = STEPS[name].unfit
            if unfit is not None and (bad := unfit[0](block)).any():
                left, block = left[~bad], block[~bad]
            if len(block):
                block = np.asarray(transformer.transform(block))
        if len(block) == len(spectra):
            return block
        preprocessed = np.full(spectra.shape, np.nan)
        preprocessed[left] = block
        return preprocessed

    @property
    def undefined_for(self) -> str:
        """Spectra that steps cannot be applied to, in words; empty where they can be applied to all."""
        check_is_fitted(self)
        unfit = {name: STEPS[name].unfit for (name, _), _ in self.chain_}
        return " and ".join(
            f"{name} is not defined for {why[1]}" for name, why in unfit.items() if why
        )

    def after(self, step: Step, transformer: Any) -> Preprocessing:
        """Make the fitted chain with a further, fitted step before all others."""
        check_is_fitted(self)
        chain = Preprocessing()
        chain.n_features_in_ = self.n_features_in_
        chain.chain_ = [(step, transformer), *self.chain_]
        chain.steps = _text(chain.chain_)
        return chain

    def to_json(self) -> dict[str, Any]:
        """Return plain values from which ``from_json`` makes the same chain."""
        check_is_fitted(self)
        learnt = [
            {name: getattr(transformer, name).ravel().tolist() for name in STEPS[kind].learnt}
            for (kind, _), transformer in self.chain_
        ]
        return {"steps": _text(self.chain_), "bands": int(self.n_features_in_), "learnt": learnt}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Preprocessing:
        """Make the chain that ``to_json`` described.

        Raises
        ------
        OptionError
            When the values are not what ``to_json`` writes.
        """
        try:
            # Models compute with arrays, whatever scikit-learn is set to give.
            chain = cls(str(saved["steps"]))
            chain.set_output(transform="default")
            steps, bands, learnt = _parsed(chain.steps), int(saved["bands"]), saved["learnt"]
            chain.n_features_in_ = bands
            chain.chain_ = [
                (step, _restored(step, values, bands))
                for step, values in zip(steps, learnt, strict=True)
            ]
        except OptionError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, np.linalg.LinAlgError) as error:
            raise OptionError(
                f"The saved preprocessing is damaged ({error}); make the model again."
            ) from error
        return chain


def uneven_steps(steps: str, wavelengths_nm: _Floats) -> str | None:
    """Return a warning where a filter runs over unequally spaced bands, else None.

    Spectrometers that count wavenumbers have equal steps of these, which is as good.

    Raises
    ------
    OptionError
        When ``steps`` cannot be read.
    """
    used = list(dict.fromkeys(name for name, _ in _parsed(steps) if name in _FILTERS))
    widths = np.diff(wavelengths_nm)
    in_wavenumbers = -np.diff(1 / np.maximum(wavelengths_nm, 1e-9))
    uneven = [step.max() / step.min() for step in (widths, in_wavenumbers)]
    if not used or min(uneven) <= _UNEVEN:
        return None
    return (
        f"{' and '.join(used)} {'take' if len(used) > 1 else 'takes'} bands as equally spaced, but their "
        f"steps run from {widths.min():.3g} to {widths.max():.3g} nm, so slopes are distorted and gaps filtered over; "
        f"leave the step out, or bring the spectra to equal steps first."
    )


def _parsed(text: str) -> list[Step]:
    """Names and parameters of the steps."""
    if text.strip() in ("", "none"):
        return []
    steps: list[Step] = []
    for part in re.split(r",(?![^(]*\))", text):
        match = _STEP.fullmatch(part)
        name = match[1] if match else part.strip()
        if match is None or name not in STEPS:
            raise OptionError(
                f"{name!r} is no preprocessing step{nearest_names(name, STEPS)}; known are "
                f"{', '.join(STEPS)} and none, as in 'snv,savgol(15,2,1)'."
            )
        steps.append((name, _parameters(name, match[2])))
        make_step(steps[-1])  # what cannot work is said before any spectrum is read
    return steps


def _parameters(name: str, text: str | None) -> tuple[int, ...]:
    kind = STEPS[name]
    values = [item.strip() for item in text.split(",")] if text else []
    if not values and (kind.defaults or not kind.names):
        return kind.defaults
    if len(values) != len(kind.names) or not all(item.isdecimal() for item in values):
        expected = f"{name}({','.join(kind.names)})" if kind.names else name
        raise OptionError(
            f"Got {name}({text or ''}), but {expected} is expected, with whole numbers in the brackets."
        )
    return tuple(map(int, values))


def _text(chain: list[tuple[Step, Any]]) -> str:
    shown = [
        f"{name}({','.join(map(str, values))})" if values else name for (name, values), _ in chain
    ]
    return ",".join(shown) or "none"


def _restored(step: Step, values: Mapping[str, list[float]], bands: int) -> Any:
    """A transformer as it was after its fit."""
    if hasattr(transformer := make_step(step), "shapes"):
        for name, shape in transformer.shapes(bands).items():
            setattr(transformer, name, np.array(values[name], np.float64).reshape(shape))
        return transformer
    arrays = {name: np.array(values[name], np.float64) for name in STEPS[step[0]].learnt}
    if any(array.shape != (bands,) or not np.isfinite(array).all() for array in arrays.values()):
        raise ValueError(f"{step[0]} has other numbers than one for each of {bands} bands")
    if (arrays.get("scale_", np.ones(1)) <= 0).any():
        raise ValueError(f"{step[0]} has a scale of 0 or less")
    # A fit on a spectrum sets what scikit-learn asks of a fitted transformer; the reference of a
    # scatter correction is the mean of the spectra, so its own fit restores all that follows from it.
    line = arrays.get("reference_", np.arange(1.0, bands + 1))
    transformer.fit(line[None])
    for name, array in arrays.items():
        setattr(transformer, name, array)
    return transformer


def _check_reference(step: Step, spectra: _Floats) -> None:
    """Refuse a mean spectrum of which the correction would leave nothing."""
    name, (order, *_) = step[0], (*step[1], 0)
    mean = spectra.mean(axis=0)
    bands = np.linspace(-1, 1, len(mean))
    left = mean - np.polyval(np.polyfit(bands, mean, min(order, len(mean) - 1)), bands)
    if np.ptp(left) <= 1e-9 * np.abs(spectra).max():
        shape = "flat" if order == 0 else f"a polynomial of order {order}"
        raise OptionError(
            f"{name} corrects spectra to their mean, which is {shape} here; put {name} before center and "
            f"standardise."
        )
