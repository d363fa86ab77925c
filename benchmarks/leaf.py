"""Water and dry matter of leaves by PROSPECT, without labels and with few, beside PLS.

    python benchmarks/leaf.py unlabelled ../shared/data/physics_leaf/ely_plsr_data.csv
    python benchmarks/leaf.py labelled ../shared/data/physics_leaf/ely_plsr_data.csv

178 leaves of 8 crops (Ely et al. 2019), reflectance of 500 to 2400 nm. ``unlabelled`` inverts all spectra without a
label, over several windows, with the offset of the measuring head alone and with its gain. In ``labelled`` each species is
held out in turn: 20 labels in all are drawn from the others, which calibrate, and errors of all leaves are pooled; mean
and standard deviation over 20 draws. ``prospect`` is what ``geodl spectra train --physics prospect --target`` makes: its encoder
knows neither spectra nor labels of the species that tests. PLS, of every tenth
nanometre, chooses its latent variables among the same labels.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from georaster_dl.models.radiative_transfer.inversion import LogisticSpace, invert
from georaster_dl.models.radiative_transfer.leaf import LeafReflectance, leaf_traits
from georaster_dl.spectra.physics.calibrate import line_through
from georaster_dl.spectra.physics.model import TraitModel
from georaster_dl.spectra.registry import Rows, Settings, fit_method
from georaster_dl.spectra.table.samples import SpectraOptions, SpectraTable, read_spectra

MEASURED = {"cw": "H20_g_m2", "cm": "LMA_g_m2"}
WINDOWS = ((500, 2400), (1000, 2400), (1200, 2400), (1300, 2400), (1400, 2400), (1700, 2400))
CHOSEN = (1300, 2400)
LABELS, DRAWS = 20, 20
SEEDS = (0, 1, 2)
STEP_NM = 10

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of labelled and of tested rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["unlabelled", "labelled"])
    parser.add_argument("table", type=Path)
    given = parser.parse_args()
    table = read_spectra([given.table], SpectraOptions())
    warnings.simplefilter("ignore")
    measured = {trait: table.target(column) for trait, column in MEASURED.items()}
    (unlabelled if given.part == "unlabelled" else labelled)(table, measured)


def unlabelled(table: SpectraTable, measured: dict[str, np.ndarray]) -> None:
    print(
        "| window nm | sought | misfit | water R2 | water bias | water r2 | dry matter R2 | bias | r2 |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for window in WINDOWS:
        part = table.within((window,))
        for gain in (False, True):
            traits, misfit = inverted(part, gain=gain)
            show(
                f"{window[0]}-{window[1]} | {'offset, gain' if gain else 'offset'} | {misfit:.4f}",
                traits,
                measured,
            )
    part = table.within((CHOSEN,))
    for seed in SEEDS:
        model = TraitModel.fit(part.spectra, part.wavelengths_nm, gain=False, unit=0.01, seed=seed)
        values = dict(zip(model.traits, model.values(part.spectra).T, strict=True))
        show(f"package, seed {seed} | offset | {model.misfit(part.spectra):.4f}", values, measured)


def inverted(table: SpectraTable, *, gain: bool) -> tuple[dict[str, np.ndarray], float]:
    """Traits by inversion from typical ones, every 10 nm, and the root mean square of what is left."""
    every = thinned(table)
    names = leaf_traits(every.wavelengths_nm, gain=gain)
    law = LeafReflectance(every.wavelengths_nm, names)
    with torch.inference_mode():
        z, left = invert(law, torch.from_numpy(every.spectra / 100))
        values = LogisticSpace(law).values(z).numpy()
    return dict(zip(names, values.T, strict=True)), float(left.square().mean().sqrt())


def thinned(table: SpectraTable) -> SpectraTable:
    return table.bands(np.arange(len(table.wavelengths_nm)) % STEP_NM == 0)


def show(title: str, traits: dict[str, np.ndarray], measured: dict[str, np.ndarray]) -> None:
    cells = []
    for trait, truth in measured.items():
        said = traits[trait] * 1e4
        r2 = 1 - np.square(said - truth).sum() / np.square(truth - truth.mean()).sum()
        cells.append(
            f"{r2:.2f} | {np.mean(said - truth):+.1f} | {np.corrcoef(said, truth)[0, 1] ** 2:.2f}"
        )
    print(f"| {title} | {' | '.join(cells)} |", flush=True)


def labelled(table: SpectraTable, measured: dict[str, np.ndarray]) -> None:
    species = table.classes("Species_Code").astype(str)
    part = table.within((CHOSEN,))
    print(
        "\n| species held out | labels | dry matter RMSE g/m2 | water RMSE g/m2 |\n|---|---|---|---|"
    )
    for gain in (False, True):
        traits, _ = inverted(part, gain=gain)
        lines = {
            trait: partial(line, traits[trait] * 1e4, truth) for trait, truth in measured.items()
        }
        print_errors(f"inversion{', gain sought' if gain else ''}", species, measured, lines)
    for title, one in (("500 to 2400 nm", table), ("1300 to 2400 nm", part)):
        methods = {trait: partial(pls, thinned(one), truth) for trait, truth in measured.items()}
        print_errors(f"pls, {title}", species, measured, methods)
    for seed in SEEDS:
        traits = of_held_out(part, species, seed)
        lines = {
            trait: partial(line_of_species, traits[trait], truth, species)
            for trait, truth in measured.items()
        }
        print_errors(f"**prospect**, seed {seed}", species, measured, lines)


def of_held_out(
    table: SpectraTable, species: np.ndarray, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Traits of all rows by encoders without a species, by trait and by that species."""
    found: dict[str, dict[str, np.ndarray]] = {trait: {} for trait in MEASURED}
    for name in np.unique(species):
        others = table.spectra[species != name]
        model = TraitModel.fit(others, table.wavelengths_nm, gain=True, unit=0.01, seed=seed)
        values = model.values(table.spectra) * 1e4
        for trait in MEASURED:
            found[trait][name] = values[:, model.traits.index(trait)]
    return found


def line(trait: np.ndarray, truth: np.ndarray, known: np.ndarray, tested: np.ndarray) -> np.ndarray:
    slope, intercept = line_through(trait[known], truth[known])
    return slope * trait[tested] + intercept


def line_of_species(
    traits: dict[str, np.ndarray],
    truth: np.ndarray,
    species: np.ndarray,
    known: np.ndarray,
    tested: np.ndarray,
) -> np.ndarray:
    return line(traits[species[tested][0]], truth, known, tested)


def pls(
    table: SpectraTable, truth: np.ndarray, known: np.ndarray, tested: np.ndarray
) -> np.ndarray:
    none = np.zeros((1, len(known)), bool)
    rows = Rows(table.spectra[known], truth[known], table.wavelengths_nm, None, none)
    return np.asarray(fit_method("pls", rows, Settings()).predict(table.spectra[tested])).ravel()


def print_errors(
    title: str, species: np.ndarray, measured: dict[str, np.ndarray], methods: dict[str, Predict]
) -> None:
    for labels, draws in ((LABELS, DRAWS), (None, 1)):
        cells = []
        for trait in ("cm", "cw"):
            errors = [
                error(methods[trait], measured[trait], species, labels, draw)
                for draw in range(draws)
            ]
            spread = f" +- {np.std(errors):.2f}" if draws > 1 else ""
            cells.append(f"{np.mean(errors):.2f}{spread}")
        print(f"| {title} | {labels or 'all others'} | {' | '.join(cells)} |", flush=True)


def error(
    method: Predict, truth: np.ndarray, species: np.ndarray, labels: int | None, draw: int
) -> float:
    """Root mean square error of all rows, each species predicted from labels of the others."""
    random = np.random.default_rng(draw)
    said = np.full(len(truth), np.nan)
    for name in np.unique(species):
        tested = species == name
        others = np.flatnonzero(~tested)
        known = others if labels is None else random.choice(others, labels, replace=False)
        said[tested] = method(known, tested)
    return float(np.sqrt(np.mean((said - truth) ** 2)))


if __name__ == "__main__":
    main()
