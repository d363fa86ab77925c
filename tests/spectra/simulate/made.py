"""A library of three classes, each with its own level of values, for tests of simulations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from georaster_dl.spectra.table.samples import SpectraTable

LEVELS = {"grass": 0.1, "soil": 0.3, "tree": 0.6}
NM = np.linspace(400, 1300, 12)


def library(per_class: int = 5, *, names: dict[str, str] | None = None) -> SpectraTable:
    """Make spectra that stay within 0.05 of the level of their class; protein is the mean of the spectrum."""
    random = np.random.default_rng(1)
    classes = np.repeat(list(LEVELS), per_class)
    levels = np.array([LEVELS[name] for name in classes])
    spectra = levels[:, None] + random.uniform(-0.05, 0.05, (len(classes), len(NM)))
    shown = classes if names is None else np.array([names[name] for name in classes])
    columns = pd.DataFrame({"cover": shown, "protein": spectra.mean(axis=1)})
    return SpectraTable("library", NM, spectra, columns)
