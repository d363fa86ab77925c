"""Simulation by a generative adversarial network with conditions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, TrainingProgressed, no_report
from georaster_dl.core.wording import counted, listed
from georaster_dl.spectra.descent import library_digest
from georaster_dl.spectra.simulate.draws import Library, evenly
from georaster_dl.spectra.simulate.result import Simulated
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["FEWEST", "GanLoss", "simulate_gan"]

GanLoss = Literal["wasserstein", "original"]

_Floats = npt.NDArray[np.float64]
_Numbers = npt.NDArray[np.intp]

FEWEST = 30
"""Spectra of a class, and for each value beside it, below which no network is trained."""

_COMPONENTS = 30
_NEIGHBOURS = 5  # of a sample by its values, one of which new values lie towards


def simulate_gan(  # noqa: PLR0913 - the options of the method
    library: SpectraTable,
    *,
    n: int,
    seed: int = 0,
    class_field: str | None = None,
    targets: Sequence[str] = (),
    proportions: Mapping[str, float] | None = None,
    gan_loss: GanLoss = "wasserstein",
    gan_steps: int = 3000,
    quantity: str = "reflectance",
    report: Report = no_report,
) -> Simulated:
    """Simulate spectra with a conditional Wasserstein GAN with gradient penalty (Gulrajani et al. 2017).

    Generator and critic work on standardised scores of the library's principal components, at most 30, so that spectra are
    as smooth as its own. Their condition is the class, the values, or both. New values lie between those of a sample and
    of one of the five nearest by value in its class, so fractions keep their sum.

    Parameters
    ----------
    library : measured spectra (rows, bands), with columns of classes or values.
    n : number of spectra, as many of each class unless weights are given.
    class_field : column of classes.
    targets : columns of values.
    proportions : weights of the classes, 1 where not given.
    gan_loss : ``wasserstein``; or ``original``, by which discriminator and generator take turns (Goodfellow et al. 2014).
    gan_steps : of the generator, fixed in advance, as no held-out spectra choose them.
    quantity : that the spectra are.

    Raises
    ------
    OptionError
        When columns or options do not fit the library, a class has fewer than 30 spectra, or there are fewer than 30 for
        each column of values.
    """
    from sklearn.decomposition import PCA

    known = Library.of(library, class_field, targets)
    shares = known.shares(proportions)
    _check_options(gan_loss, gan_steps)
    _check_enough(known, class_field)
    spectra = known.table.spectra
    space = PCA(min(_COMPONENTS, len(spectra) - 1, spectra.shape[1]), svd_solver="full")
    scores = space.fit_transform(spectra)
    spread = scores.std(axis=0)
    spread = np.where(spread > 1e-9 * spread[0], spread, 1.0)
    values = np.column_stack([np.empty((len(spectra), 0)), *known.values.values()])
    numbers = evenly(n, shares)
    drawn = _between(known.numbers, values, numbers, np.random.default_rng(seed))
    made = _learnt(
        scores / spread,
        _conditions(known, known.numbers, values),
        _conditions(known, numbers, drawn),
        (gan_loss, gan_steps),
        seed,
        report,
    )
    columns: dict[str, npt.NDArray[Any]] = {}
    if class_field is not None:
        columns[class_field] = np.array(known.classes, object)[numbers]
    columns |= dict(zip(known.values, drawn.T, strict=True))
    return Simulated(
        space.inverse_transform(made * spread).astype(np.float32),
        library.wavelengths_nm,
        columns,
        "gan",
        seed,
        {
            "class_field": class_field,
            "targets": tuple(targets),
            "proportions": dict(proportions or {}),
            "gan_loss": gan_loss,
            "gan_steps": gan_steps,
        },
        quantity,
        library.fwhm_nm,
        known.notes,
        library=library_digest(known.table.digests),
    )


def _check_options(gan_loss: str, gan_steps: int) -> None:
    if gan_loss not in get_args(GanLoss):
        raise OptionError(
            f"`gan_loss={gan_loss!r}` is no loss of a GAN; known are {listed(get_args(GanLoss))}."
        )
    if gan_steps < 1:
        raise OptionError(f"`gan_steps=` takes 1 step or more, but is {gan_steps}.")


def _check_enough(library: Library, class_field: str | None) -> None:
    """Refuse few spectra, which a network would learn by heart."""
    fewest = FEWEST * max(1, len(library.values))
    few = {
        name: int(size)
        for name, size in zip(library.classes, library.sizes, strict=True)
        if size < fewest
    }
    if not few:
        return
    found = listed(
        f"{size} of {name}" if class_field else counted(size, "spectrum")
        for name, size in few.items()
    )
    of = "each class" if class_field else "each column of values"
    if class_field and len(library.values) > 1:
        of += " and column of values"
    raise OptionError(
        f"A GAN learns from {FEWEST} spectra of {of} or more, but {library.table.name} has {found}: from so few it "
        f"repeats what it saw. Mix the spectra (`method='mixtures'`), which takes two of a class, or measure more."
    )


def _between(
    known: _Numbers, values: _Floats, wanted: _Numbers, random: np.random.Generator
) -> _Floats:
    """Draw values (n, columns) for class numbers (n,), each between two known values of its class."""
    from sklearn.neighbors import NearestNeighbors

    drawn = np.empty((len(wanted), values.shape[1]))
    if not values.shape[1]:
        return drawn
    spread = values.std(axis=0)
    standard = values / np.where(spread > 0, spread, 1.0)
    for number in np.unique(wanted):
        own, places = np.flatnonzero(known == number), np.flatnonzero(wanted == number)
        near = NearestNeighbors(n_neighbors=_NEIGHBOURS + 1).fit(standard[own])
        first = random.integers(len(own), size=len(places))
        # A sample's nearest is itself, so that known values stay, too.
        choice = random.integers(_NEIGHBOURS + 1, size=len(places))
        second = near.kneighbors(standard[own[first]], return_distance=False)[
            np.arange(len(places)), choice
        ]
        share = random.random((len(places), 1))
        drawn[places] = share * values[own[first]] + (1 - share) * values[own[second]]
    return drawn


def _conditions(library: Library, numbers: _Numbers, values: _Floats) -> _Floats:
    """(n, classes + columns) of class numbers (n,) and values (n, columns): classes as 0 and 1, values standardised."""
    classes = np.eye(len(library.classes))[numbers]
    columns = [
        (column - known.mean()) / (known.std() or 1.0)
        for known, column in zip(library.values.values(), values.T, strict=True)
    ]
    return np.column_stack([classes, *columns])


def _learnt(
    scores: _Floats,
    known: _Floats,
    wanted: _Floats,
    how: tuple[str, int],
    seed: int,
    report: Report,
) -> _Floats:
    """Learn from scores (rows, values) of known conditions; returns vectors (n, values) of wanted conditions."""
    import torch

    from georaster_dl.spectra.simulate.adversarial.losses import LOSSES
    from georaster_dl.spectra.simulate.adversarial.training import (
        Recipe,
        make_vectors,
        train_generator,
    )

    loss, steps = how
    of_rows, of_wanted = (torch.from_numpy(each).float() for each in (known, wanted))
    generator = train_generator(
        torch.from_numpy(scores).float(),
        of_rows,
        Recipe(LOSSES[loss], steps),
        seed,
        _progress(report, steps),
    )
    return np.asarray(make_vectors(generator, of_wanted, seed).double().numpy())


def _progress(report: Report, steps: int) -> Callable[[int, float], None]:
    begun = time.monotonic()

    def log(done: int, loss: float) -> None:
        left = (time.monotonic() - begun) / done * (steps - done)
        report(TrainingProgressed(done, steps, left, loss))

    return log
