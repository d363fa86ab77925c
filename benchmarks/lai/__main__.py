"""The leaf area index of 339 plots in three countries, from models that have seen no measurement.

    python benchmarks/lai ../shared/data/physics_lai --seeds 3

Reflectance is Sentinel-2's of the nearest overpass within 8 days (L2A, MAJA). Instruments differ by country, and with
them what is called leaf area index: AccuPAR in Spain, LAI-2200 in Italy, an effective plant area index in France.

Rows: the other countries' labels (mean, a parabola of NDVI, a random forest); a random forest and the networks of
``geodl spectra train`` on simulations, with what each assumption of these brings. ``chosen`` takes, for each country, the
assumptions that are best on the two others; no measurement has any other part in it. Coverage is of 90 % intervals that
simulations set: of the leaf area itself, and of a reading with an error of 0.5 and 20 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from learning import FIELD, learn, simulate
from plots import COUNTRIES, Plots, read_plots
from sklearn.ensemble import RandomForestRegressor

from georaster_dl.models.package.file import builtin_models
from georaster_dl.spectra.package.file import load_spectral_model

_Floats = npt.NDArray[np.float64]

_RED, _NIR = 2, 6
_N = 14_000
_SETTINGS = {
    "green canopies that cover the pixel": {"yellow": (0.0, 0.0), "cover": (1.0, 1.0)},
    "green, half of them open": {"yellow": (0.0, 0.0)},
    "half yellowing, covering": {"cover": (1.0, 1.0)},
    "half yellowing, half open (the default)": {},
}


def _forest() -> RandomForestRegressor:
    return RandomForestRegressor(200, min_samples_leaf=5, random_state=0, n_jobs=2)


def _of_others(plots: Plots, predict: Callable[[_Floats, _Floats, _Floats], _Floats]) -> _Floats:
    """Predict each country by a model of the two others."""
    found = np.empty(len(plots.lai))
    for country in COUNTRIES:
        here = plots.country == country
        found[here] = predict(plots.spectra[~here], plots.lai[~here], plots.spectra[here])
    return found


def _parabola(spectra: _Floats, lai: _Floats, wanted: _Floats) -> _Floats:
    def ndvi(x: _Floats) -> _Floats:
        return (x[:, _NIR] - x[:, _RED]) / (x[:, _NIR] + x[:, _RED])

    return np.asarray(np.polyval(np.polyfit(ndvi(spectra), lai, 2), ndvi(wanted)))


def _rmse(error: _Floats) -> float:
    return float(np.sqrt(np.mean(error**2)))


def _row(name: str, plots: Plots, found: list[_Floats], covered: str = "") -> None:
    errors = [values - plots.lai for values in found]

    def said(figures: list[float], digits: int = 2) -> str:
        spread = f" ± {np.std(figures):.{digits}f}" if len(figures) > 1 else ""
        return f"{np.mean(figures):.{digits}f}{spread}"

    total = np.sum((plots.lai - plots.lai.mean()) ** 2)
    cells = [
        said([_rmse(e) for e in errors]),
        said([float(1 - np.sum(e**2) / total) for e in errors]),
        said([float(np.corrcoef(f, plots.lai)[0, 1] ** 2) if np.std(f) else 0.0 for f in found]),
        said([float(e.mean()) for e in errors]),
        *(
            f"{np.mean([_rmse(e[here]) for e in errors]):.2f} ({np.mean([e[here].mean() for e in errors]):+.2f})"
            for here in (plots.country == country for country in COUNTRIES)
        ),
        covered,
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--members", type=int, default=3)
    options = parser.parse_args()
    plots = read_plots(options.folder)
    print(
        f"{len(plots.lai)} plots: {', '.join(f'{c} {(plots.country == c).sum()}' for c in COUNTRIES)}"
    )
    print(f"| | RMSE | R2 | r2 | bias | {' | '.join(f'{c} (bias)' for c in COUNTRIES)} | covered |")
    print("|---|---|---|---|---|---|---|---|---|")
    _row(
        "mean of the others", plots, [_of_others(plots, lambda x, y, w: np.full(len(w), y.mean()))]
    )
    _row("NDVI, the others' labels", plots, [_of_others(plots, _parabola)])
    _row(
        "random forest, the others' labels",
        plots,
        [_of_others(plots, lambda x, y, w: _forest().fit(x, y).predict(w))],
    )
    others = _simulated_by_others(options.folder)
    _row(
        "random forest, others' simulations", plots, [_forest().fit(*others).predict(plots.spectra)]
    )
    made = simulate(_N, 0)
    forest = _forest().fit(made.spectra, made.columns["lai"])
    _row("random forest, simulations", plots, [forest.predict(plots.spectra)])
    every = {name: _networks(name, plots, options) for name in _SETTINGS}
    chosen = [
        _chosen(plots, {name: found[seed] for name, found in every.items()})
        for seed in range(options.seeds)
    ]
    _row("network, assumptions chosen on the other countries", plots, chosen)
    if path := builtin_models().get("lai-s2"):
        _bundled(path, plots)


def _simulated_by_others(folder: Path) -> tuple[_Floats, _Floats]:
    """Read the 10,000 simulations of prosailvae, of LAI 1 to 5, with noise of 3 % and 0.005.

    Their last two bands, named B11 and B12 there, behave like those at 945 and 1610 nm.
    """
    spectra, inputs = (
        torch.load(folder / f"train_prosail_{part}.pt", weights_only=True).double().numpy()
        for part in ("s2_sim_refl", "sim_vars")
    )
    random = np.random.default_rng(0)
    noisy = spectra * (1 + 0.03 * random.standard_normal(spectra.shape))
    return noisy + 0.005 * random.standard_normal(spectra.shape), inputs[:, 6]


def _networks(name: str, plots: Plots, options: argparse.Namespace) -> list[_Floats]:
    found, covers = [], []
    for seed in range(options.seeds):
        learnt = learn(simulate(_N, seed + 1, _SETTINGS[name]), seed=seed, members=options.members)
        values, halves = learnt.predict(plots.spectra)
        found.append(values)
        covers.append([np.mean(np.abs(values - plots.lai) <= halves[k]) for k in ("lai", FIELD)])
    itself, read = np.mean(covers, axis=0)
    _row(f"network, {name}", plots, found, f"{itself:.1%}; as read {read:.1%}")
    return found


def _chosen(plots: Plots, found: dict[str, _Floats]) -> _Floats:
    values = np.empty(len(plots.lai))
    for country in COUNTRIES:
        others = plots.country != country
        best = min(found, key=lambda name: _rmse(found[name][others] - plots.lai[others]))
        values[~others] = found[best][~others]
    return values


def _bundled(path: Path, plots: Plots) -> None:
    model = load_spectral_model(path)
    values, spread = (np.ravel(v) for v in model.predict(plots.spectra, return_std=True))
    interval = model.card.targets[0].interval
    assert interval is not None
    half = interval.factor * np.hypot(spread, interval.floor)
    covered = np.abs(values - plots.lai) <= half
    by_country = ", ".join(f"{c} {covered[plots.country == c].mean():.0%}" for c in COUNTRIES)
    _row(
        "bundled lai-s2",
        plots,
        [values],
        f"as read {covered.mean():.1%} ({by_country}), ± {half.mean():.2f}",
    )


if __name__ == "__main__":
    main()
