"""Support vector machines as networks: a radial kernel to each support vector."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from georaster_dl.models.zoo.chemometrics.per_spectrum import PerSpectrum

__all__ = ["SVM"]


class SVM(PerSpectrum):
    """Support vector machines with a radial kernel: one for each target, or one for each pair of classes.

    Parameters
    ----------
    in_bands, planes : planes in and out.
    vectors : support vectors, of each target or of all classes.
    classes : whether the planes are classes.

    Attributes
    ----------
    machines : one for each target, or one for all pairs of classes.
    sharpness : factor of the classes' decision values, which are logits then.
    """

    sharpness: Tensor

    def __init__(
        self, in_bands: int, planes: int, *, vectors: Sequence[int], classes: bool
    ) -> None:
        super().__init__(values=2 * in_bands + max(vectors) + planes**2)
        outputs = planes * (planes - 1) // 2 if classes else 1
        self.machines = nn.ModuleList(Machine(in_bands, n, outputs) for n in vectors)
        self._classes = planes if classes else 0
        self.register_buffer("sharpness", torch.ones(()))

    def planes(self, spectra: Tensor) -> Tensor:
        """Planes (n, planes) of normalised spectra (n, bands)."""
        decided = torch.cat([machine(spectra) for machine in self.machines], 1)
        if not self._classes:
            return decided
        return _votes(decided, self._classes) * self.sharpness.double()


class Machine(nn.Module):
    """Functions of one set of support vectors.

    Attributes
    ----------
    gain, bias : (bands,) that scale normalised spectra so that the kernel is exp(-distance squared).
    vectors : (vectors, bands), scaled so.
    weights, constant : (outputs, vectors) and (outputs,).
    """

    gain: Tensor
    bias: Tensor
    vectors: Tensor
    weights: Tensor
    constant: Tensor

    def __init__(self, in_bands: int, vectors: int, outputs: int) -> None:
        super().__init__()
        shapes = {
            "gain": (in_bands,),
            "bias": (in_bands,),
            "vectors": (vectors, in_bands),
            "weights": (outputs, vectors),
            "constant": (outputs,),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def forward(self, spectra: Tensor) -> Tensor:
        """Values (n, outputs) of normalised spectra (n, bands), float64."""
        scaled = spectra * self.gain.double() + self.bias.double()
        kernel = torch.cdist(scaled, self.vectors.double()).square_().neg_().exp_()
        values: Tensor = kernel @ self.weights.double().T + self.constant.double()
        return values


def _votes(decided: Tensor, classes: int) -> Tensor:
    """Votes (n, classes) of pairs (n, pairs), and less than a third of a vote for how sure they are.

    As scikit-learn makes one decision value for each class.
    """
    if classes == 2:
        return torch.cat([-decided, decided], 1) / 2
    votes = decided.new_zeros(len(decided), classes)
    sure = torch.zeros_like(votes)
    for pair, (one, other) in enumerate(combinations(range(classes), 2)):
        value = decided[:, pair]
        sure[:, one] += value
        sure[:, other] -= value
        votes[:, one] += (value >= 0).double()
        votes[:, other] += (value < 0).double()
    return votes + sure / (3 * (sure.abs() + 1))
