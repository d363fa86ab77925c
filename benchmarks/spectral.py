"""Networks of spectra beside the methods of chemometrics, and how fast locally weighted PLS is.

    python benchmarks/spectral.py lwplsr
    python benchmarks/spectral.py compare ../shared/data/nir tecator_fat cassava_tbc --seeds 2

``compare`` runs ``geodl spectra compare`` on the published division of each set: all methods learn from
the same rows and are tested on the same others; settings of the chemometric ones are searched by
cross-validation on what they learn from, networks take their defaults (single networks, a fifth of the
rows chooses the epoch). Spectra are treated by snv and a first Savitzky-Golay derivative, but for
forages2, which is published treated. R2 is 1 - SSE / SST.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from georaster_dl.spectra.comparison import compare
from georaster_dl.spectra.lwplsr import LWPLSRegressor
from georaster_dl.spectra.methods import Settings
from georaster_dl.spectra.table import read_spectra
from georaster_dl.spectra.training import TableOptions

METHODS = ("pls", "lwplsr", "svm", "cnn1d", "spectratr", "band-attention")
TREATED = "snv,savgol(15,2,1)"


@dataclass(frozen=True)
class Set:
    """Files of a set, its target, the column that divides it, and the treatment."""

    files: tuple[str, ...]
    target: str
    split: str
    treatment: str = TREATED


SETS = {
    "forages2_dm": Set(("forages2_X.csv", "forages2_Y.csv"), "dm", "test", "none"),
    "forages2_ndf": Set(("forages2_X.csv", "forages2_Y.csv"), "ndf", "test", "none"),
    "nirsoil_nt": Set(("NIRsoil.csv",), "Nt", "train"),
    "nirsoil_ciso": Set(("NIRsoil.csv",), "Ciso", "train"),
    "nirsoil_cec": Set(("NIRsoil.csv",), "CEC", "train"),
    "tecator_fat": Set(("tecator_X.csv", "tecator_Y.csv"), "fat", "typ"),
    "cassava_tbc": Set(("cassav_X.csv", "cassav_Y.csv"), "tbc", "year"),
}


def lwplsr() -> None:
    """Spectra a second at 2,000 training rows x 700 bands, 200 neighbours, 10 components."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(2500, 12))
    spectra = latent @ rng.normal(size=(12, 700)) + 0.05 * rng.normal(size=(2500, 700))
    target = np.tanh(latent[:, 0]) + latent[:, 1] ** 2
    model = LWPLSRegressor(n_components=10, n_neighbors=200).fit(spectra[:2000], target[:2000])
    model.predict(spectra[2000:2100])
    begun = time.perf_counter()
    model.predict(spectra[2000:])
    print(f"{500 / (time.perf_counter() - begun):.0f} spectra/s")


def one_set(folder: Path, name: str, methods: list[str], seeds: int) -> None:
    """Print mean and spread of R2 and RMSEP of every method."""
    chosen = SETS[name]
    table = read_spectra([folder / file for file in chosen.files])
    options = TableOptions(targets=(chosen.target,), split_column=chosen.split)
    settings = Settings(preprocessing=chosen.treatment)
    for found in compare(
        table, options, methods, settings, n_folds=5, n_seeds=seeds, report=lambda *_: None
    ):
        r2, rmsep = (np.array([getattr(s, key) for s in found.scores]) for key in ("r2", "rmsep"))
        spread = r2.std(ddof=1) if seeds > 1 else np.nan
        print(
            f"{name:14s} {found.method:15s} R2 {r2.mean():.3f} +- {spread:.3f}  RMSEP {rmsep.mean():.4g}"
            f"  {found.seconds:.0f} s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["lwplsr", "compare"])
    parser.add_argument("data", type=Path, nargs="?", help="folder of the tables")
    parser.add_argument("sets", nargs="*", help=f"some of {', '.join(SETS)}; all by default")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    if given.what == "lwplsr":
        lwplsr()
        return
    for name in given.sets or SETS:
        one_set(given.data, name, given.methods, given.seeds)


if __name__ == "__main__":
    main()
