"""Make the bundled model ``lai-s2`` from simulations alone.

python benchmarks/lai/make.py georaster_dl/models/builtin/lai-s2.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from learning import FIELD, SET_ASIDE, learn, simulate

from georaster_dl.core.bands import SENTINEL2
from georaster_dl.models.package.file import read_card, with_card
from georaster_dl.models.package.values import InputBand, Target
from georaster_dl.spectra.methods.domain import fit_domain
from georaster_dl.spectra.package.file import Metadata, save_spectral_model

_N, _SEED, _MEMBERS, _COMPONENTS = 24_000, 0, 5, 10
_DESCRIPTION = (
    "Leaf area index of fields from Sentinel-2 reflectance (L2A, ten bands of 10 and 20 m), learnt from simulations "
    "of PROSPECT-D and 4SAIL alone, with 90 % intervals for what an instrument in the field would read."
)
_LIMITATIONS = (
    "Learnt from simulations alone. On 339 plots of crops in three countries: RMSE 1.3, bias -0.8 to +0.7 by country and "
    "instrument, 85 % of readings within the 90 % interval (70 % above 4, where values are 1 to 2 too low). For fields and "
    "grass, not for forests; water, snow, cloud and built-up areas get values all the same. Cloud, snow and L1C are "
    "warned of as unlike the training, but not water."
)


def main() -> None:
    """Simulate, learn, and write the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    path = parser.parse_args().output
    made = simulate(_N, _SEED)
    learnt = learn(made, seed=_SEED, members=_MEMBERS)
    spectra = made.spectra[:-SET_ASIDE].astype(float)
    metadata = Metadata(
        targets=(Target("lai", "m2/m2", interval=learnt.intervals[FIELD]),),
        metrics={f"RMSE {name}, simulated": error for name, error in learnt.errors.items()},
        training={"spectra": f"{_N:,} of geodl spectra simulate --method prosail, seed {_SEED}"},
        domain=fit_domain(spectra, made.columns[FIELD][:-SET_ASIDE], _COMPONENTS),
        limitations=_LIMITATIONS,
        licence="Apache-2.0",
    )
    save_spectral_model(path, learnt.network, metadata)
    card = read_card(path)
    names = [band for band in SENTINEL2 if band.name not in ("B01", "B09", "B10")]
    bands = tuple(
        InputBand(known.name, known.wavelength_nm, known.fwhm_nm, mean=band.mean, std=band.std)
        for known, band in zip(names, card.bands, strict=True)
    )
    changed = card.model_copy(
        update={"description": _DESCRIPTION, "name": "lai-s2", "version": "1.0", "bands": bands}
    )
    path.write_bytes(with_card(path, changed))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {dict(card.metrics)}")


if __name__ == "__main__":
    main()
