"""Registration of the physics head, which is trained through a radiative transfer model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import NetworkSpec, register_model

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []

_MOST_STEPS = 100


@register_model(options={"traits": "n,cw,cm,offset", "steps": 4}, fitted="leaves")
def prospect(spec: NetworkSpec) -> nn.Module:
    """Encoder of leaf traits whose decoder is PROSPECT, without weights."""
    from georaster_dl.models.radiative_transfer.leaf import LeafReflectance
    from georaster_dl.models.zoo.physics.encoder import PhysicsEncoder, modelled_bands

    traits, steps = spec.options["traits"], spec.options["steps"]
    if not isinstance(traits, str) or type(steps) is not int or not 0 <= steps <= _MOST_STEPS:
        raise OptionError(
            f"The architecture 'prospect' takes names of traits, with commas between, and 0 to {_MOST_STEPS} steps, but got {traits!r} and "
            f"{steps!r}."
        )
    known = [nm for nm in spec.wavelengths_nm or () if nm is not None]
    if len(known) < spec.in_bands:
        raise OptionError(
            "The architecture 'prospect' needs the wavelength of every band; state them in the scene or table."
        )
    bands = modelled_bands(spec.in_bands)
    decoder = LeafReflectance([known[i] for i in bands], traits.split(","))
    return PhysicsEncoder(spec.in_bands, spec.n_classes, decoder, steps=steps)
