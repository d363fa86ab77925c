"""Random forests as networks: all pixels go down a tree together, a step at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from georaster_dl.models.zoo.chemometrics.per_spectrum import PerSpectrum

__all__ = ["Forest"]

_LEAST_SHARE = 1e-6  # of the trees, whose logarithm is finite


class Forest(PerSpectrum):
    """Random forest of each target, or one for classes.

    Parameters
    ----------
    in_bands, planes : planes in and out.
    trees, nodes, depth : of each forest; trees with fewer nodes are filled up.
    classes : whether the planes are classes.

    Attributes
    ----------
    forests : one for each target, or one for all classes.
    sharpness : factor of the logarithms of the classes' mean vote, which are logits then.
    """

    sharpness: Tensor

    def __init__(
        self,
        in_bands: int,
        planes: int,
        *,
        trees: Sequence[int],
        nodes: Sequence[int],
        depth: Sequence[int],
        classes: bool,
    ) -> None:
        outputs = planes if classes else 1
        super().__init__(values=2 * in_bands + outputs + 8)
        self._classes = classes
        self.register_buffer("sharpness", torch.ones(()))
        sizes = zip(trees, nodes, depth, strict=True)
        self.forests = nn.ModuleList(Trees(in_bands, outputs, *of_forest) for of_forest in sizes)

    def planes(self, spectra: Tensor) -> Tensor:
        """Planes (n, planes) of normalised spectra (n, bands)."""
        means = torch.cat([forest(spectra) for forest in self.forests], 1)
        if not self._classes:
            return means
        return means.clamp(min=_LEAST_SHARE).log() * self.sharpness.double()


class Trees(nn.Module):
    """Trees that all have as many nodes as the largest of them.

    Attributes
    ----------
    band, threshold : (trees, nodes); spectra at or below go left.
    left, right : (trees, nodes) number of the next node; a leaf's is its own.
    values : (trees, nodes, outputs) of the leaves.
    """

    band: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    values: Tensor

    def __init__(self, in_bands: int, outputs: int, trees: int, nodes: int, depth: int) -> None:
        super().__init__()
        self._depth = depth
        self._limits = {"band": in_bands, "left": nodes, "right": nodes}
        for name in self._limits:
            self.register_buffer(name, torch.zeros(trees, nodes, dtype=torch.int32))
        self.register_buffer("threshold", torch.zeros(trees, nodes))
        self.register_buffer("values", torch.zeros(trees, nodes, outputs))
        self.register_load_state_dict_post_hook(_check_numbers)  # type: ignore[no-untyped-call]

    def forward(self, spectra: Tensor) -> Tensor:
        """Means (n, outputs) over the trees, of normalised spectra (n, bands)."""
        n = len(spectra)
        values = spectra.T.reshape(-1)  # a band's pixels together: what comes next mostly lies near
        pixel = torch.arange(n, dtype=torch.int32, device=spectra.device)
        total = spectra.new_zeros(n, self.values.shape[2], dtype=torch.float64)
        children = torch.stack([self.left, self.right], 2).flatten(1)
        for tree, leaves in enumerate(self.values):
            first = self.band[tree] * n
            at = torch.zeros_like(pixel)
            for _ in range(self._depth):
                value = values.index_select(0, first.index_select(0, at).add_(pixel))
                right = value > self.threshold[tree].index_select(0, at)
                at = children[tree].index_select(0, at.mul_(2).add_(right))
            total += leaves.index_select(0, at)
        return total / len(self.values)


def _check_numbers(trees: Trees, _keys: object) -> None:
    """Refuse numbers of bands or nodes that are none."""
    from georaster_dl.core.errors import ModelPackageError

    for name, limit in trees._limits.items():
        numbers = getattr(trees, name)
        if bool((numbers < 0).any() or (numbers >= limit).any()):
            raise ModelPackageError(
                f"A tree names {name} {int(numbers.min())} to {int(numbers.max())}, but numbers from 0 to "
                f"{limit - 1} are expected; the file is damaged: get it again."
            )
