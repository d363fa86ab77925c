"""Unmixing as a model package, which repeats it on other scenes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.geography import centre_of
from georaster_dl.core.text import slug
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.package.card import Architecture, Card, Cost, ModelHalo
from georaster_dl.models.package.values import InputBand, Target
from georaster_dl.models.registry import create_model
from georaster_dl.unmixing.members import Members

if TYPE_CHECKING:
    from georaster_dl.models.zoo.unmixing.autoencoder import UnmixingAutoencoder
    from georaster_dl.models.zoo.unmixing.linear import LinearMixing

__all__ = ["Statistics", "autoencoder", "card_of", "linear_mixing", "quantity_of"]

_Floats = npt.NDArray[np.float64]


class Statistics:
    """Mean and standard deviation of each band of a scene.

    Attributes
    ----------
    mean, std : (bands,); std is positive.
    """

    def __init__(self, spectra: npt.NDArray[np.floating[Any]]) -> None:
        self.mean: _Floats = spectra.mean(axis=0, dtype=np.float64)
        spread = spectra.std(axis=0, dtype=np.float64)
        self.std: _Floats = np.where(spread > 0, spread, 1.0)


def linear_mixing(members: Members, statistics: Statistics, *, shade: bool) -> LinearMixing:
    """Make the network that computes fractions of members by fully constrained least squares."""
    import torch

    network: Any = _created("linear_mixing", members, shade=shade)
    arrays = {"members": members.spectra, "mean": statistics.mean, "std": statistics.std}
    network.load_state_dict({name: torch.as_tensor(array) for name, array in arrays.items()})
    return network.eval()  # type: ignore[no-any-return]


def autoencoder(members: Members, *, bilinear: bool) -> UnmixingAutoencoder:
    """Make an autoencoder that starts from members, with a random encoder."""
    import torch

    network: Any = _created("unmix_ae", members, bilinear=bilinear)
    network.start_from(torch.as_tensor(members.spectra, dtype=torch.float32))
    return network  # type: ignore[no-any-return]


def _created(name: str, members: Members, **options: Any) -> Any:
    lengths = [band.wavelength_nm for band in members.bands]
    return create_model(
        name, in_bands=len(members.bands), n_classes=len(members), wavelengths_nm=lengths, **options
    )


def quantity_of(scene: Scene) -> str:
    """Name the quantity of a scene's values, as trainings do."""
    if not all(plane.calibrated for plane in scene.planes):
        return "digital numbers"
    spectral = all(band.wavelength_nm is not None for band in scene.bands)
    return "reflectance" if spectral else "physical values"


def card_of(
    name: str,
    architecture: Architecture,
    members: Members,
    statistics: Statistics,
    scene: Scene,
    configuration: Mapping[str, str],
) -> Card:
    """Describe an unmixing as a model of fractions.

    Parameters
    ----------
    configuration : settings that the fractions depend on.
    """
    centre = centre_of(scene.geobox)
    bands, planes = len(members.bands), len(members)
    return Card(
        name=slug(name),
        version="1",
        description=f"Fractions of {planes} members, by a linear mixing law: {members.source}."[
            :500
        ],
        task="fractions",
        architecture=architecture,
        bands=tuple(
            InputBand.of(band, mean, std)
            for band, mean, std in zip(
                members.bands, statistics.mean.tolist(), statistics.std.tolist(), strict=True
            )
        ),
        quantity=quantity_of(scene),
        targets=tuple(Target(member, mean=0.0, std=1.0) for member in members.names),
        stride=1,
        halo=ModelHalo(default=0, exact=0, changed=0),
        # Of least squares: all values against all members, and two small systems.
        cost=Cost(
            macs_per_pixel=3 * bands * planes + 2 * planes**3,
            bytes_per_pixel=4 * (bands + planes),
        ),
        training={"scene": Path(scene.name).name[:500], "members": members.source[:500]},
        places=() if centre is None else (centre,),
        configuration={key: value[:500] for key, value in configuration.items()},
        metrics={},
    )
