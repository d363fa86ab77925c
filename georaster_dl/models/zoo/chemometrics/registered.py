"""Registrations of the methods of chemometrics, under the names by which they are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import NetworkSpec, register_model

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []

_LARGEST = 1_000_000  # as in cards


@register_model(options={}, fitted="tables")
def pls(spec: NetworkSpec) -> nn.Module:
    """Partial least squares; of classes, PLS-DA."""
    from georaster_dl.models.zoo.chemometrics.pls import PLS

    return PLS(spec.in_bands, spec.n_classes)


@register_model(
    options=dict.fromkeys(("components", "neighbors", "spectra", "coordinates", "places"), (1,)),
    fitted="tables",
)
def lwplsr(spec: NetworkSpec) -> nn.Module:
    """Locally weighted partial least squares on the nearest training spectra, which it carries (Lesnoff et al. 2020)."""
    from georaster_dl.models.zoo.chemometrics.lwplsr import LWPLSR

    sizes = _sizes(spec, (1, spec.n_classes))
    if any(k > n for k, n in zip(sizes["neighbors"], sizes["spectra"], strict=True)):
        raise OptionError(
            f"A library of {sizes['spectra']} spectra has no {sizes['neighbors']} neighbors; give as many or fewer."
        )
    return LWPLSR(spec.in_bands, spec.n_classes, **sizes)


@register_model(options={"vectors": (1,), "classes": False}, fitted="tables")
def svm(spec: NetworkSpec) -> nn.Module:
    """Support vector machine with a radial kernel."""
    from georaster_dl.models.zoo.chemometrics.svm import SVM

    return SVM(spec.in_bands, spec.n_classes, **_sizes(spec, (_machines(spec),)))


@register_model(
    options={"trees": (1,), "nodes": (1,), "depth": (1,), "classes": False}, fitted="tables"
)
def rf(spec: NetworkSpec) -> nn.Module:
    """Random forest."""
    from georaster_dl.models.zoo.chemometrics.forest import Forest

    return Forest(spec.in_bands, spec.n_classes, **_sizes(spec, (_machines(spec),)))


def _machines(spec: NetworkSpec) -> int:
    return 1 if spec.options["classes"] else spec.n_classes


def _sizes(spec: NetworkSpec, lengths: tuple[int, ...]) -> dict[str, Any]:
    """Check the sizes of all estimators: whole numbers, with a length of ``lengths``."""
    lists = {name: sizes for name, sizes in spec.options.items() if name != "classes"}
    for name, sizes in lists.items():
        whole = isinstance(sizes, tuple) and all(type(n) is int for n in sizes)
        if not whole or len(sizes) not in lengths or not all(1 <= n <= _LARGEST for n in sizes):
            raise OptionError(
                f"The architecture {spec.architecture!r} takes {' or '.join(map(str, sorted(set(lengths))))} whole "
                f"numbers from 1 to {_LARGEST:,} as {name}, but got {sizes!r}."
            )
    if (
        len({len(sizes) for sizes in lists.values()}) > 1
        or type(spec.options.get("classes", False)) is not bool
    ):
        raise OptionError(
            f"The options of the architecture {spec.architecture!r} do not fit each other: {spec.options}."
        )
    return dict(spec.options)
