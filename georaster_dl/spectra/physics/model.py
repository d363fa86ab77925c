"""A trained encoder with its decoder: traits of spectra, and the network of a package."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.models.package.card import Architecture
from georaster_dl.models.radiative_transfer.leaf import leaf_traits
from georaster_dl.models.registry import create_model
from georaster_dl.spectra.network.fit_members import TrainingLog
from georaster_dl.spectra.package.fitted_network import FittedNetwork
from georaster_dl.spectra.physics.encoder import train_encoder
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.table.unit_check import typical_largest

__all__ = ["EPOCHS", "OF_LEAVES", "TraitModel", "reflectance_unit"]

EPOCHS = 60
OF_LEAVES = (
    "For spectra of leaves alone: canopies, soils and whatever else a scene shows get values that mean nothing, with Q "
    "residuals far above their limit."
)
"""What limits every package that PROSPECT was part of."""

_STEPS = 8  # from the encoder's traits to the likeliest
_BRIGHTEST = 1.5  # that reflectances of 0 to 1 may be
_MOST_PERCENT = 150.0

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TraitModel:
    """Encoder of the traits of leaves that was trained through PROSPECT.

    Attributes
    ----------
    traits : that it seeks, offset and gain last.
    network : ``PhysicsEncoder``.
    mean, std : (bands,) of the spectra that it learnt from, as they were measured.
    """

    traits: tuple[str, ...]
    wavelengths_nm: tuple[float, ...] = field(repr=False)
    network: Any = field(repr=False)
    mean: _Floats = field(repr=False)
    std: _Floats = field(repr=False)

    @classmethod
    def fit(
        cls,
        spectra: _Floats,
        wavelengths_nm: _Floats,
        *,
        gain: bool,
        unit: float = 1.0,
        epochs: int = EPOCHS,
        seed: int = 0,
        log: TrainingLog | None = None,
    ) -> TraitModel:
        """Train an encoder on spectra (n, bands), which need no labels.

        Parameters
        ----------
        gain : whether the gain of the measuring head is a trait, too.
        unit : reflectance that a value of 1 is: 0.01 for percent.
        """
        lengths = tuple(wavelengths_nm.tolist())
        traits = leaf_traits(wavelengths_nm, gain=gain)
        mean, spread = spectra.mean(axis=0), spectra.std(axis=0)
        std = np.where(spread > 0, spread, 1.0)
        network = _network(lengths, traits, planes=len(traits))
        network.mean.copy_(torch.from_numpy(mean * unit))
        network.std.copy_(torch.from_numpy(std * unit))
        normalised = torch.from_numpy((spectra - mean) / std)
        train_encoder(network, normalised, epochs=epochs, seed=seed, log=log)
        return cls(traits, lengths, network, mean, std)

    @torch.inference_mode()
    def values(self, spectra: _Floats) -> _Floats:
        """Seek the traits (n, traits) of spectra (n, bands) as they were measured."""
        normalised = torch.from_numpy((spectra - self.mean) / self.std)
        return np.asarray(self.network.double().traits(normalised).numpy())

    @torch.inference_mode()
    def misfit(self, spectra: _Floats) -> float:
        """Root mean square of measured less modelled spectra (n, bands), as reflectance."""
        network = self.network.double()
        traits = torch.from_numpy(self.values(spectra))
        normalised = torch.from_numpy((spectra - self.mean) / self.std)[:, network.places]
        measured = normalised * network.std[network.places] + network.mean[network.places]
        return float((network.decoder(traits) - measured).square().mean().sqrt())

    def packaged(
        self, slopes: _Floats, intercepts: _Floats, values: _Floats, training: dict[str, str]
    ) -> FittedNetwork:
        """Make the network of a package, whose outputs are sums of traits.

        Parameters
        ----------
        slopes : (planes, traits).
        intercepts : (planes,).
        values : (n, planes) by which outputs are standardised.
        """
        mean, spread = values.mean(axis=0), values.std(axis=0)
        std = np.where(spread > 0, spread, 1.0)
        network = _network(self.wavelengths_nm, self.traits, planes=len(slopes))
        same = {
            k: v for k, v in self.network.state_dict().items() if k not in ("readout", "constant")
        }
        network.load_state_dict(same, strict=False)
        network.readout.copy_(torch.from_numpy(slopes / std[:, None]))
        network.constant.copy_(torch.from_numpy((intercepts - mean) / std))
        options = {"traits": ",".join(self.traits), "steps": network.steps}
        return FittedNetwork(
            Architecture(name="prospect", options=options),
            network.eval(),
            self.wavelengths_nm,
            Preprocessing("none").fit(values),
            self.mean,
            self.std,
            mean,
            std,
            None,
            {"physics": "prospect", "traits": ", ".join(self.traits)},
            training,
        )


def _network(wavelengths_nm: tuple[float, ...], traits: tuple[str, ...], *, planes: int) -> Any:
    # The weights that it begins with are replaced; the user's own random numbers stay as they were.
    with torch.random.fork_rng(devices=[]):
        return create_model(
            "prospect",
            in_bands=len(wavelengths_nm),
            n_classes=planes,
            wavelengths_nm=wavelengths_nm,
            traits=",".join(traits),
            steps=_STEPS,
        )


def reflectance_unit(table: SpectraTable, report: Report) -> float:
    """Find the reflectance of a value of 1 by the size of the spectra; percent are warned of.

    Raises
    ------
    OptionError
        When the spectra are no reflectances.
    """
    largest = typical_largest(table)
    if 0 < largest <= _BRIGHTEST:
        return 1.0
    if _BRIGHTEST < largest <= _MOST_PERCENT:
        report(Warned(f"{table.name}: values around {largest:.3g} at most are taken for percent."))
        return 0.01
    raise OptionError(
        f"{table.name}: `physics=` explains reflectances of 0 to 1 or percent, but the values are around {largest:.3g} at "
        f"most; convert them to reflectance."
    )
