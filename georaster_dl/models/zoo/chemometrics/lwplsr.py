"""Locally weighted PLS as a network that carries its library of training spectra."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from georaster_dl.models.zoo.chemometrics.local_pls import distance_weights, local_predictions
from georaster_dl.models.zoo.chemometrics.per_spectrum import PerSpectrum

__all__ = ["LWPLSR", "Library", "gathered", "nearest"]


class LWPLSR(PerSpectrum):
    """Locally weighted PLS of each target, or of the indicators of classes (Lesnoff, Metz & Roger 2020).

    Parameters
    ----------
    in_bands, planes : planes in and out.
    components, neighbors : of the local PLS; for each library, as all options.
    spectra : of the library.
    coordinates : numbers that the library keeps of a spectrum.
    places : dimensions in which neighbours are looked for.

    Attributes
    ----------
    libraries : one for each target, or one for all classes.
    """

    def __init__(
        self,
        in_bands: int,
        planes: int,
        *,
        components: Sequence[int],
        neighbors: Sequence[int],
        spectra: Sequence[int],
        coordinates: Sequence[int],
        places: Sequence[int],
    ) -> None:
        widest = max(
            max(3 * k * kept, n) for k, kept, n in zip(neighbors, coordinates, spectra, strict=True)
        )
        super().__init__(values=widest)
        sizes = zip(components, neighbors, spectra, coordinates, places, strict=True)
        self.libraries = nn.ModuleList(
            Library(in_bands, planes // len(components), *of_library) for of_library in sizes
        )

    def planes(self, spectra: Tensor) -> Tensor:
        """Planes (n, planes) of normalised spectra (n, bands)."""
        return torch.cat([library(spectra) for library in self.libraries], 1)


class Library(nn.Module):
    """Training spectra with their values, and the search for neighbours among them.

    PLS is blind to rotations, so spectra are kept as coordinates on their principal components, of
    which those that change no prediction may be left out.

    Attributes
    ----------
    spectra, values : (n, coordinates) and (n, targets).
    axes, origin : (coordinates, bands) and (coordinates,) that give a normalised spectrum's coordinates.
    places, turn, centre : the same for the search, (n, places), (places, bands) and (places,).
    sharpness : 1 / h.
    """

    spectra: Tensor
    values: Tensor
    axes: Tensor
    origin: Tensor
    places: Tensor
    turn: Tensor
    centre: Tensor
    sharpness: Tensor

    def __init__(
        self,
        in_bands: int,
        targets: int,
        components: int,
        neighbors: int,
        spectra: int,
        coordinates: int,
        places: int,
    ) -> None:
        super().__init__()
        self._components = components
        self._neighbors = neighbors
        shapes = {
            "spectra": (spectra, coordinates),
            "values": (spectra, targets),
            "axes": (coordinates, in_bands),
            "origin": (coordinates,),
            "places": (spectra, places),
            "turn": (places, in_bands),
            "centre": (places,),
            "sharpness": (),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def forward(self, spectra: Tensor) -> Tensor:
        """Predict (n, targets) of normalised spectra (n, bands), float64."""
        sought = spectra @ self.turn.double().T + self.centre.double()
        at = spectra @ self.axes.double().T + self.origin.double()
        near, weights = nearest(
            sought, self.places.double(), self._neighbors, self.sharpness.double()
        )
        apart = gathered(self.spectra.double(), near).sub_(at[:, None])
        values = gathered(self.values.double(), near)
        return local_predictions(apart, values, weights, self._components)[-1]


def nearest(
    sought: Tensor, places: Tensor, neighbors: int, sharpness: Tensor
) -> tuple[Tensor, Tensor]:
    """Find the nearest of a library.

    Parameters
    ----------
    sought : (batch, dimensions) of the queries.
    places : (n, dimensions) of the library.
    sharpness : 1 / h, as in ``distance_weights``.

    Returns
    -------
    (batch, neighbors) positions in the library, and their weights.
    """
    exact = "donot_use_mm_for_euclid_dist"
    distance = torch.cdist(sought, places, compute_mode=exact)
    ascending, near = distance.topk(neighbors, dim=1, largest=False)
    return near, distance_weights(ascending, sharpness)


def gathered(rows: Tensor, near: Tensor) -> Tensor:
    """Rows (n, ...) at positions (batch, k), as (batch, k, ...); faster than by indexing."""
    return rows.index_select(0, near.flatten()).reshape(*near.shape, *rows.shape[1:])
