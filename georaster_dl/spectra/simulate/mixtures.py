"""Mixtures of library spectra: of several classes with their fractions, or within each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.spectra.simulate.draws import Library, dirichlet, evenly, probabilities
from georaster_dl.spectra.simulate.noise import check_noise, draw_noise, scene_noise
from georaster_dl.spectra.simulate.result import Simulated
from georaster_dl.spectra.table.axis import is_band
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["simulate_mixtures"]

_Floats = npt.NDArray[np.float64]
_Numbers = npt.NDArray[np.intp]

_PARTS = {1: 0.2, 2: 0.5, 3: 0.3}
_PARTS_WITHIN = {3: 1.0}
_BRIGHTNESS = (0.7, 1.3)
_SHADED = 0.5  # of the mixtures
_DARKEST = 1e-3  # reflectance that noise may leave, so that absorbance is defined


def simulate_mixtures(  # noqa: PLR0913 - the options of the method
    library: SpectraTable,
    *,
    n: int,
    seed: int = 0,
    class_field: str | None = None,
    targets: Sequence[str] = (),
    within_classes: bool = False,
    parts: Mapping[int, float] | None = None,
    proportions: Mapping[str, float] | None = None,
    brightness: tuple[float, float] | None = None,
    shade: bool = False,
    noise: float | None = None,
    noise_of: Scene | None = None,
    bilinear: bool = False,
    quantity: str = "reflectance",
) -> Simulated:
    """Mix library spectra with random shares, uniform on the simplex (Dirichlet).

    The number of spectra of a mixture is drawn, then a class for each, with repetition, and a spectrum of each
    class (Okujeni et al. 2013, 2017). Targets are the shares of the classes; the library's own spectra come first, where
    they are less than half of what is asked for. With ``within_classes`` all parts of a mixture are of one class, which is
    the target then.

    Parameters
    ----------
    library : measured spectra (rows, bands), with columns of classes or values.
    n : number of spectra.
    class_field : column of classes.
    targets : columns of values, of which a mixture has the weighted mean: right for what mixes linearly, such as
        contents by mass, wrong for a pH.
    within_classes : mix spectra of the same class.
    parts : probability of each number of spectra in a mixture; {1: 0.2, 2: 0.5, 3: 0.3}, within classes {3: 1}.
    proportions : weights by which classes are drawn, 1 where not given.
    brightness : (least, most) of the factor that each mixture is multiplied by, as illumination differs; (0.7, 1.3) for
        fractions of reflectances, else (1, 1).
    shade : let a black part take a share of half of the mixtures; fractions are of the lit rest.
    noise : standard deviation of normal noise in all bands, in the unit of the spectra. Reflectances stay 0.001 or more.
    noise_of : scene whose noise and variation from pixel to pixel are added instead, with the covariance of its bands.
    bilinear : add light that meets two parts in turn: g w_i w_j s_i s_j for each pair, g uniform in 0 to 1 (Halimi et
        al. 2011).
    quantity : that the spectra are.

    Raises
    ------
    OptionError
        When columns or options do not fit the library.
    """
    _check_options(within_classes, class_field, noise, noise_of, bilinear, quantity)
    known = Library.of(library, class_field, targets)
    fractions = class_field is not None and not within_classes
    notes = [*known.notes, *_checked_classes(known, class_field, within_classes)]
    if targets:
        notes.append(
            f"{listed(targets)} of a mixture {'is' if len(targets) == 1 else 'are'} taken as the mean of its parts, which is "
            f"right only for what mixes linearly (contents by mass; not a pH)."
        )
    counts = _checked_parts(parts or (_PARTS_WITHIN if within_classes else _PARTS))
    if brightness is None:
        brightness = _BRIGHTNESS if fractions and quantity == "reflectance" else (1.0, 1.0)
    _check_brightness(brightness)

    random = np.random.default_rng(seed)
    spectra = known.table.spectra
    classes, rows, weights = _drawn(
        known, n, counts, known.shares(proportions), within_classes, random
    )
    mixed = _weighted(spectra, rows, weights)
    if bilinear:
        mixed += _double_reflections(spectra, rows, weights, random)
    light = random.uniform(*brightness, size=n)
    if shade:
        light *= _lit(weights, random)
    mixed *= light[:, None]
    found = noise if noise_of is None else scene_noise(noise_of, library.wavelengths_nm)
    if found is not None:
        mixed += draw_noise(mixed.shape, found, random)
        if quantity == "reflectance":
            mixed = mixed.clip(min=_DARKEST)
    columns: dict[str, npt.NDArray[Any]] = {}
    pure = len(spectra) if fractions and 2 * len(spectra) <= n else 0
    mixed[:pure] = spectra[:pure]
    if fractions:
        columns |= _fractions(known, str(class_field), classes, weights, pure)
    elif class_field is not None:
        columns[class_field] = np.array(known.classes, object)[classes[:, 0]]
    parents = _parents(known.table.digests, rows, weights)
    parents[:pure] = known.table.digests[:pure]
    for name, values in known.values.items():
        columns[name] = (weights * values[rows]).sum(axis=1)
        columns[name][:pure] = values[:pure]
    return Simulated(
        mixed.astype(np.float32),
        library.wavelengths_nm,
        columns,
        "mixtures",
        seed,
        {
            "class_field": class_field,
            "targets": tuple(targets),
            "within_classes": within_classes,
            "parts": counts,
            "proportions": dict(proportions or {}),
            "brightness": brightness,
            "shade": shade,
            "noise": noise if noise_of is None else f"of {Path(noise_of.name).name}",
            "bilinear": bilinear,
        },
        quantity,
        library.fwhm_nm,
        tuple(notes),
        parents,
    )


def _drawn(
    library: Library,
    n: int,
    counts: Mapping[int, float],
    shares: _Floats,
    within: bool,
    random: np.random.Generator,
) -> tuple[_Numbers, _Numbers, _Floats]:
    """Class numbers, rows and weights (n, most parts) of the mixtures."""
    numbers = np.array(list(counts))
    sizes = random.choice(numbers, size=n, p=probabilities(list(counts.values()), "parts"))
    weights = dirichlet(sizes, random)
    if within:
        classes = np.repeat(evenly(n, shares)[:, None], weights.shape[1], axis=1)
    else:
        classes = random.choice(len(shares), size=weights.shape, p=shares)
    return classes, library.draw(classes, random), weights


def _weighted(spectra: _Floats, rows: _Numbers, weights: _Floats) -> _Floats:
    """(n, bands) sums of the spectra of rows (n, parts) by weights."""
    mixed = np.zeros((len(rows), spectra.shape[1]))
    for part in range(rows.shape[1]):
        mixed += weights[:, part, None] * spectra[rows[:, part]]
    return mixed


def _parents(
    digests: npt.NDArray[np.object_], rows: _Numbers, weights: _Floats
) -> npt.NDArray[np.object_]:
    """(n,) digests of the spectra of rows (n, parts) that have a weight."""
    lines = zip(digests[rows], weights > 0, strict=True)
    return np.array([" ".join(dict.fromkeys(line[parts])) for line, parts in lines], object)


def _double_reflections(
    spectra: _Floats, rows: _Numbers, weights: _Floats, random: np.random.Generator
) -> _Floats:
    """(n, bands) second-order terms of the generalised bilinear model."""
    added = np.zeros((len(rows), spectra.shape[1]))
    for i in range(rows.shape[1]):
        for j in range(i + 1, rows.shape[1]):
            share = random.random(len(rows)) * weights[:, i] * weights[:, j]
            added += share[:, None] * spectra[rows[:, i]] * spectra[rows[:, j]]
    return added


def _lit(weights: _Floats, random: np.random.Generator) -> _Floats:
    """(n,) shares that are not shade: with a black part of a Dirichlet's weight in half of the mixtures."""
    black = np.where(random.random(len(weights)) < _SHADED, 1, 0)
    return np.asarray(1 - random.beta(1, (weights > 0).sum(axis=1)) * black)


def _fractions(
    library: Library, class_field: str, classes: _Numbers, weights: _Floats, pure: int
) -> dict[str, _Floats]:
    """Share of each class (n,) by the name of its column; the first ``pure`` are the library's own."""
    shares = np.zeros((len(classes), len(library.classes)))
    for part in range(classes.shape[1]):
        np.add.at(shares, (np.arange(len(classes)), classes[:, part]), weights[:, part])
    shares[:pure] = np.eye(len(library.classes))[library.numbers[:pure]]
    # A header of a number would be a wavelength.
    names = [f"{class_field}_{name}" if is_band(name) else name for name in library.classes]
    return dict(zip(names, shares.T, strict=True))


def _check_options(
    within: bool,
    class_field: str | None,
    noise: float | None,
    noise_of: Scene | None,
    bilinear: bool,
    quantity: str,
) -> None:
    if within and class_field is None:
        raise OptionError(
            "`within_classes=True` mixes spectra of one class; name the column of classes with `class_field=`."
        )
    if noise is not None and noise_of is not None:
        raise OptionError(
            "The noise is given both as a number (`noise=`) and by a scene (`noise_of=`); leave one of them out."
        )
    check_noise(noise)
    if bilinear and quantity != "reflectance":
        raise OptionError(
            f"`bilinear=True` multiplies reflectances of 0 to 1, but the spectra are {quantity}; leave it out, or give "
            f"reflectances (a library of 0 to 10,000: `scale=0.0001`)."
        )


def _check_brightness(brightness: tuple[float, float]) -> None:
    low, high = brightness
    if not 0 < low <= high < np.inf:
        raise OptionError(
            f"`brightness={low:g}-{high:g}` is no range of factors; give the least and the most, such as 0.7-1.3."
        )


def _checked_parts(parts: Mapping[int, float]) -> dict[int, float]:
    """Probabilities by the number of spectra in a mixture."""
    wrong = [number for number in parts if number < 1]
    if wrong:
        raise OptionError(
            f"`parts=` gives the probabilities of 1, 2, ... spectra in a mixture, but got {wrong[0]} of them."
        )
    shares = probabilities(list(parts.values()), "parts")
    return dict(zip(parts, shares.tolist(), strict=True))


def _checked_classes(library: Library, class_field: str | None, within: bool) -> list[str]:
    """Refuse classes that cannot be mixed, and say which have a single spectrum."""
    if class_field is None:
        return []
    if not within and len(library.classes) < 2:
        raise OptionError(
            f"Column {class_field!r} of {library.table.name} has the one class {library.classes[0]!r}, so all fractions would be "
            f"1; name another column, or mix within the class with `within_classes=True`."
        )
    single = [name for name, size in zip(library.classes, library.sizes, strict=True) if size == 1]
    if single and within:
        raise OptionError(
            f"{listed(single)} of {class_field!r} in {library.table.name} {'has' if len(single) == 1 else 'have'} a single "
            f"spectrum, of which mixtures within the class are copies; measure more, or leave the class out with a weight of "
            f"0 in `proportions=`."
        )
    if single:
        return [
            f"{library.table.name}: {counted(len(single), 'class')} of {class_field!r} ({listed(single)}) "
            f"{'has' if len(single) == 1 else 'have'} a single spectrum, so all mixtures show the same one."
        ]
    return []
