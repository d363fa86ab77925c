"""The leaf area index of the plots by inverting PROSAIL itself, beside the networks that learn from its simulations.

    python benchmarks/lai/inversion.py ../shared/data/physics_lai

The likeliest traits of each pixel: canopy, leaf, soil and the share of the pixel under the canopy, 14 in all from ten bands,
with the means and spreads that simulations are drawn from as a prior. Angles are fixed at those of summer mornings.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from plots import COUNTRIES, read_plots
from torch import Tensor, nn

from georaster_dl.core.bands import SENTINEL2
from georaster_dl.models.radiative_transfer.canopy import CANOPY_TRAITS, canopy
from georaster_dl.models.radiative_transfer.inversion import LogisticSpace, improve
from georaster_dl.models.radiative_transfer.sensor import flat_responses
from georaster_dl.models.radiative_transfer.soil import SOIL_TRAITS, bare_soil
from georaster_dl.models.radiative_transfer.traits import LEAF_TRAITS, Trait

_OF_CANOPY = {"lai": (2.0, 2.0), "ala": (57.0, 15.0), "hotspot": (0.2, 0.12)}
_OF_LEAVES = {
    "n": (1.6, 0.3),
    "cab": (45.0, 20.0),
    "cw": (0.02, 0.01),
    "cm": (0.006, 0.003),
    "brown": (0.1, 0.15),
}
_OF_SOIL = {
    "brightness": (0.35, 0.15),
    "rise": (500.0, 150.0),
    "steepness": (2.0, 0.5),
    "wet": (0.3, 0.25),
    "film": (0.03, 0.03),
}
_FIXED = {"sun_zenith": 35.0, "view_zenith": 5.0, "relative_azimuth": 120.0}
_CLAY, _CAROTENOIDS = 0.1, 0.22
_SEEN = [band for band in SENTINEL2 if band.name not in ("B01", "B09", "B10")]


class CanopyPixels(nn.Module):
    """Reflectance of Sentinel-2's ten bands of pixels that a canopy covers in part."""

    def __init__(self) -> None:
        super().__init__()
        known = {**CANOPY_TRAITS, **LEAF_TRAITS, **SOIL_TRAITS}
        known["lai"] = Trait("lai", 0.0, 8.0, "m2/m2", "leaf area index")
        known["cover"] = Trait("cover", 0.2, 1.0, "", "share of the pixel under the canopy")
        prior = {**_OF_CANOPY, **_OF_LEAVES, **_OF_SOIL, "cover": (0.85, 0.15)}
        self.traits = tuple(known[name] for name in prior)
        self.expected = tuple(prior.values())
        centres, widths = np.array([(b.wavelength_nm, b.fwhm_nm) for b in _SEEN], float).T
        responses = flat_responses(centres, widths)
        weights = responses.weights[:, ::2]
        self.wavelengths_nm = responses.wavelengths_nm[::2]
        self.weights = torch.from_numpy(weights / weights.sum(axis=1, keepdims=True)).T

    def forward(self, values: Tensor) -> Tensor:
        """Compute reflectances (..., 10) of traits (..., 14)."""
        flat = values.reshape(-1, values.shape[-1])
        one = torch.ones_like(flat[:, 0])
        drawn = {
            trait.name: value for trait, value in zip(self.traits, flat.unbind(-1), strict=True)
        }
        ground = {name: drawn[name] for name in _OF_SOIL} | {"clay": _CLAY * one}
        soil = bare_soil(ground, self.wavelengths_nm)
        plants = {name: drawn[name] for name in (*_OF_CANOPY, *_OF_LEAVES)}
        plants |= {"car": _CAROTENOIDS * drawn["cab"]}
        plants |= {name: angle * one for name, angle in _FIXED.items()}
        seen = canopy(plants, soil, self.wavelengths_nm).bidirectional
        cover = drawn["cover"][:, None]
        mixed: Tensor = (cover * seen + (1 - cover) * soil) @ self.weights
        return mixed.reshape(*values.shape[:-1], -1)


@torch.no_grad()
def main() -> None:
    """Print a row for each spread of measured from modelled reflectances."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    plots = read_plots(options.folder)
    law, spectra = CanopyPixels(), torch.from_numpy(plots.spectra)
    space = LogisticSpace(law)
    start = space.mean.expand(len(spectra), -1)
    for misfit in (0.01, 0.02, 0.04):
        begun = time.process_time()
        z = improve(law, space, spectra, start, steps=options.steps, misfit=misfit)
        seconds = (time.process_time() - begun) / len(spectra) * 1000
        traits = space.values(z)
        left = float((law(traits) - spectra).square().mean().sqrt())
        lai = (traits[:, 0] * traits[:, -1]).numpy()
        error = lai - plots.lai
        countries = ", ".join(
            f"{c} {np.sqrt(np.mean(error[plots.country == c] ** 2)):.2f}" for c in COUNTRIES
        )
        print(
            f"spread {misfit}: RMSE {np.sqrt(np.mean(error**2)):.2f}, bias {error.mean():+.2f}, "
            f"r2 {np.corrcoef(lai, plots.lai)[0, 1] ** 2:.2f} ({countries}); left {left:.4f}; "
            f"{seconds:.0f} s of a core for 1,000 pixels",
            flush=True,
        )


if __name__ == "__main__":
    main()
