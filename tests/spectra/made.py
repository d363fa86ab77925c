"""Spectra as tests need them."""

import numpy as np


def chemistry(n, bands=60, *, targets=1, seed=0, parts=6):
    """Smooth mixtures with curved relations to a few of their parts: (n, bands), (n, targets)."""
    generator = np.random.default_rng(seed)
    pure = np.cumsum(np.random.default_rng(99).normal(size=(parts, bands)), axis=1)
    pure /= np.abs(pure).max()
    share = generator.normal(size=(n, parts))
    spectra = share @ pure + generator.normal(0, 1e-3, (n, bands))
    values = [np.sin(share[:, i]) + share[:, i + 1] ** 2 for i in range(targets)]
    return spectra, np.stack(values, axis=1) + generator.normal(0, 0.02, (n, targets))
