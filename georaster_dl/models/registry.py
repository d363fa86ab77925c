"""The architectures by name: a registry that knows which options each of them accepts.

An architecture is registered by decorating the function that builds its network::

    @register_model(options={"depth": 5})
    def tiny(spec: NetworkSpec) -> nn.Module:
        \"\"\"Small network for few labels.\"\"\"
        return Tiny(spec.in_bands, spec.n_classes, **spec.options)

The function's name is the architecture's name and its docstring's first line the summary that
``geodl models list --architectures`` prints. Options and their defaults are stated here and always
handed on, so a new default in a library below cannot silently change what a saved model means.
:mod:`georaster_dl.models.contract` says what the network must have.

Architectures of other packages are found through entry points of the group ``georaster_dl.models``,
each of which names a module that registers some. They are loaded when a name is asked for that is
none of the library's own.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal

from georaster_dl.core.errors import OptionError, UnknownModelError
from georaster_dl.core.wording import counted, nearest_names

if TYPE_CHECKING:
    from torch import nn

    from georaster_dl.models.contract import SeriesKind

__all__ = [
    "ENTRY_POINTS",
    "HEADS",
    "Builder",
    "NetworkSpec",
    "create_model",
    "describe_model",
    "fitted_models",
    "import_networks",
    "list_models",
    "point_models",
    "register_model",
    "registering_modules",
    "series_kind",
    "series_models",
    "spectral_models",
    "takes_encoder",
    "weighs_modalities",
]

ENTRY_POINTS = "georaster_dl.models"
"""Group of the entry points of packages that bring architectures."""

_LIBRARY = "georaster_dl.models.zoo"
_LIBRARY_MODULES = (
    "builtin",
    "smp",
    "series.registered",
    "chemometrics.registered",
    "texture.registered",
    "unmixing.registered",
    "physics.registered",
    "fusion.registered",
    "lidar.registered",
)


@dataclass(frozen=True)
class NetworkSpec:
    """Specification of a network: channels in and out, encoder, and all options of its architecture.

    ``wavelengths_nm`` are those of the bands, in their order; None where nothing is known of them.
    ``sensors`` are the numbers of bands of each sensor of a time series, together ``in_bands``.
    ``modalities`` are those of the bands, in their order; empty where nothing is known of them.
    """

    architecture: str
    in_bands: int
    n_classes: int
    encoder: str
    encoder_weights: str | None
    options: Mapping[str, Any]
    wavelengths_nm: tuple[float | None, ...] | None = None
    sensors: tuple[int, ...] = ()
    modalities: tuple[str, ...] = ()


Builder = Callable[[NetworkSpec], "nn.Module"]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class _Family:
    name: str
    summary: str
    options: Options | Callable[[], Options]
    encoders: bool
    spectral: bool
    series: SeriesKind | None
    fitted: FittedTo | None
    modalities: bool
    points: bool
    build: Builder

    @property
    def own(self) -> dict[str, Any]:
        """The options that its builder takes, with their defaults."""
        return dict(self.options() if callable(self.options) else self.options)

    def defaults(self) -> dict[str, Any]:
        """All options with their defaults."""
        return self.own if self.series or self.points else {"head": HEADS[0], **self.own}


HEADS = ("plain", "bayesian", "fractions", "boundaries")
"""What a network ends in, by the option ``head`` that all architectures of images have: the last layer, the same with
distributions for weights, that layer and a softmax, so that the outputs are fractions of sum 1, or that layer with one more
plane, of the boundaries between objects, which is given where it is asked for. Fitted methods are projected onto fractions,
and have neither distributions nor boundaries."""

FittedTo = Literal["tables", "scenes", "leaves", "pixels"]
"""What a method is fitted to: tables of spectra, the mixed pixels of a scene, leaves through a physical model, or labelled
pixels of scenes."""

_FAMILIES: dict[str, _Family] = {}
_BROKEN: dict[str, str] = {}  # entry points that could not be loaded, and why


def register_model(
    *,
    options: Options | Callable[[], Options],
    encoders: bool = False,
    spectral: bool = False,
    series: SeriesKind | None = None,
    fitted: FittedTo | None = None,
    modalities: bool = False,
    points: bool = False,
) -> Callable[[Builder], Builder]:
    """Register the decorated builder under its own name.

    Parameters
    ----------
    options : the options it accepts, with their defaults; or a function that gives them when they
        are asked for.
    encoders : whether it is built around an encoder that can be chosen.
    spectral : whether its networks see each pixel's spectrum by itself. They are trained on tables of
        spectra, too.
    series : what its networks see of an image time series at once; None for networks of single images.
    fitted : what its networks are fitted to, such as ``tables`` of spectra, instead of being trained on labels by
        gradients; None for networks that are trained.
    modalities : whether its networks weigh the modalities of their bands in each pixel, as
        ``contract.ModalityNetwork`` says.
    points : whether its networks read the points of a rotating LiDAR.

    Raises
    ------
    OptionError
        When another builder has the name.
    """

    def register(build: Builder) -> Builder:
        name = build.__name__
        _import_library()
        registered = _FAMILIES.get(name)
        # A cell of a notebook that is run again, or a module that is reloaded, is no other builder.
        if registered is not None and registered.build.__module__ != build.__module__:
            raise OptionError(
                f"An architecture named {name!r} is registered already, by "
                f"{registered.build.__module__}; choose another name."
            )
        summary = (build.__doc__ or "").strip().partition("\n")[0]
        _FAMILIES[name] = _Family(
            name, summary, options, encoders, spectral, series, fitted, modalities, points, build
        )
        return build

    return register


def _import_library() -> None:
    # By name, because these modules import this one; cheap, because they import torch when they build.
    for module in _LIBRARY_MODULES:
        import_module(f"{_LIBRARY}.{module}")


@functools.cache
def _load_entry_points() -> None:
    """Import the modules that entry points name; a broken module stops none of the other networks."""
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except Exception as error:  # noqa: BLE001 - whatever a stranger's module raises when it is imported
            reason = " ".join(str(error).split())[:200]
            _BROKEN[entry.name] = f"{type(error).__name__}: {reason}"


def _families() -> dict[str, _Family]:
    _import_library()
    _load_entry_points()
    return _FAMILIES


def _family(name: str) -> _Family:
    canonical = _canonical(name)
    _import_library()
    family = _FAMILIES.get(canonical) or _families().get(canonical)
    if family is not None:
        return family
    broken = "".join(
        f" The entry point {entry!r} of the group {ENTRY_POINTS} could not be loaded ({reason})."
        for entry, reason in _BROKEN.items()
    )
    raise UnknownModelError(
        f"No architecture is named {name!r}{nearest_names(canonical, _FAMILIES)}; "
        f"`list_models()` lists all {len(_FAMILIES)}.{broken}"
    )


def _canonical(name: str) -> str:
    """Name as it is registered: a hyphen is as good as an underscore."""
    return name.replace("-", "_")


def registering_modules() -> list[str]:
    """List the modules outside the library that registered architectures, for ``import_networks``."""
    modules = {family.build.__module__ for family in _FAMILIES.values()}
    return sorted(name for name in modules if not name.startswith((f"{_LIBRARY}.", "__")))


def import_networks(modules: Sequence[str]) -> None:
    """Import the modules of ``registering_modules``, in a worker process.

    A module that cannot be imported here is left out: its networks are then unknown.
    """
    for module in modules:
        with suppress(ImportError):
            import_module(module)


def spectral_models() -> list[str]:
    """List the architectures of single spectra, in the order in which they were registered."""
    return [name for name, family in _families().items() if family.spectral]


def fitted_models(pattern: str = "*", to: FittedTo | None = None) -> list[str]:
    """List the architectures that are fitted, to all that there is or to one kind of data, and not trained on labels."""
    families = _families().items()
    names = [name for name, family in families if family.fitted and to in (None, family.fitted)]
    return _matching(names, pattern)


def series_models(kind: SeriesKind | None = None, pattern: str = "*") -> list[str]:
    """List the architectures of image time series whose names match a shell pattern.

    Parameters
    ----------
    kind : what they see at once; None lists all.
    """
    kinds = {name: family.series for name, family in _families().items()}
    return _matching([n for n, own in kinds.items() if own and kind in (None, own)], pattern)


def series_kind(name: str) -> SeriesKind | None:
    """Look up the kind of series that networks of an architecture read; None for single images."""
    return _family(name).series


def list_models(pattern: str = "*") -> list[str]:
    """List the architectures of images whose names match a shell pattern, for example ``"deeplab*"``.

    Those of time series are listed by ``series_models``, methods of chemometrics by ``fitted_models``, those of
    LiDAR sequences by ``point_models``.
    """
    images = [
        name
        for name, family in _families().items()
        if not (family.series or family.fitted or family.points)
    ]
    return _matching(images, pattern)


def point_models(pattern: str = "*") -> list[str]:
    """List the architectures of the points of rotating LiDARs whose names match a shell pattern."""
    return _matching([name for name, family in _families().items() if family.points], pattern)


def _matching(names: list[str], pattern: str) -> list[str]:
    """List the names that match a shell pattern, with hyphens or underscores."""
    hyphened = {name.replace("_", "-"): name for name in names}
    matching = fnmatch.filter(hyphened, pattern)
    return sorted({*fnmatch.filter(names, pattern), *(hyphened[name] for name in matching)})


def describe_model(name: str) -> tuple[str, dict[str, Any]]:
    """Return the one-line summary of an architecture, and its options with their defaults."""
    family = _family(name)
    return family.summary, family.defaults()


def takes_encoder(name: str) -> bool:
    """Whether an architecture is built around an encoder that can be chosen."""
    return _family(name).encoders


def weighs_modalities(name: str) -> bool:
    """Whether networks of an architecture weigh the modalities of their bands in each pixel; not of an unknown one."""
    try:
        return _family(name).modalities
    except UnknownModelError:
        return False


def create_model(
    name: str,
    *,
    in_bands: int,
    n_classes: int,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    wavelengths_nm: Sequence[float | None] | None = None,
    sensors: Sequence[int] = (),
    modalities: Sequence[str] = (),
    **options: Any,
) -> nn.Module:
    """Build a network with fresh weights.

    Parameters
    ----------
    name : architecture, see ``list_models``; with hyphens or underscores.
    in_bands : number of input planes, any.
    n_classes : number of output planes: classes, 1 for a quantity, the bands for an autoencoder. Boundaries
        do not count.
    encoder : encoder of segmentation_models_pytorch, timm's with the prefix ``tu-``; of no meaning
        to an architecture that has none to choose.
    encoder_weights : pretrained encoder weights to download, for example ``"imagenet"``;
        None starts from random ones.
    wavelengths_nm : of the bands, None where one has none; for the architectures that make use of
        it, which fall back to band numbers without.
    sensors : numbers of bands of each sensor of a time series; one sensor where none are given.
    modalities : of the bands, for the architectures that weigh them; all bands are of one where none are given.
    options : options of the architecture, ``head`` (``HEADS``) of those of images; an unknown one is refused.

    Returns
    -------
    Network from (N, in_bands, rows, cols) float32 to logits (N, n_classes, rows, cols), or with
    ``head="fractions"`` to fractions of sum 1; rows and cols must be multiples of
    ``network_stride``. Of time series as ``contract.SeriesNetwork`` says.

    Raises
    ------
    UnknownModelError
        When there is no such architecture, encoder or set of encoder weights.
    OptionError
        When an option is unknown, the network cannot be built with these options, there are
        not as many wavelengths or modalities as bands, or the sensors have other bands.
    """
    family = _family(name)
    defaults = family.defaults()
    unknown = sorted(set(options) - set(defaults))
    if unknown:
        raise OptionError(
            f"The architecture {name!r} has no option {', '.join(map(repr, unknown))}; it accepts "
            f"{', '.join(sorted(defaults)) or 'none'}."
        )
    if min(in_bands, n_classes) < 1:
        raise OptionError(
            f"A network needs at least one band and one class, but got in_bands={in_bands} and n_classes={n_classes}."
        )
    lengths = None if wavelengths_nm is None else tuple(wavelengths_nm)
    if lengths is not None and len(lengths) != in_bands:
        raise OptionError(
            f"A network of {counted(in_bands, 'band')} needs as many wavelengths, but got {len(lengths)}; give None for "
            f"those that are not known."
        )
    if sensors and (family.series is None or sum(sensors) != in_bands):
        raise OptionError(
            f"{name} cannot read sensors of {', '.join(map(str, sensors))} bands with in_bands={in_bands}; give "
            f"sensors to networks of time series alone, whose bands are in_bands together."
        )
    if modalities and len(modalities) != in_bands:
        raise OptionError(
            f"A network of {counted(in_bands, 'band')} needs as many modalities, but got {len(modalities)}; give each band "
            f"one, or none at all."
        )
    chosen = {**defaults, **options}
    # An architecture that has the option itself, as ensembles for their members, sees to it.
    head = HEADS[0] if "head" in family.own else chosen.pop("head", HEADS[0])
    if family.fitted and head in ("bayesian", "boundaries"):
        what = "distributions for weights" if head == "bayesian" else "plane of boundaries"
        raise OptionError(f"{name} is fitted and has no {what}; take plain or fractions as head.")
    if head not in HEADS:
        raise OptionError(
            f"The architecture {name!r} takes {', '.join(HEADS[:-1])} or {HEADS[-1]} as head, but got {head!r}."
        )
    of_sensors = () if family.series is None else tuple(sensors) or (in_bands,)
    network = family.build(
        NetworkSpec(
            family.name,
            in_bands,
            n_classes + (head == "boundaries"),
            encoder,
            encoder_weights,
            chosen,
            lengths,
            of_sensors,
            tuple(modalities),
        )
    )
    return network if head == "plain" else _with_head(network, head, fitted=bool(family.fitted))


def _with_head(network: nn.Module, head: str, *, fitted: bool) -> nn.Module:
    """Replace or complete the last layer of a network, in place."""
    from georaster_dl.models.contract import append_to_head

    if head == "boundaries":
        from georaster_dl.models.zoo.heads.boundaries import WithoutBoundaries

        return append_to_head(network, WithoutBoundaries(), "a plane of boundaries")
    if head == "fractions" and fitted:
        from georaster_dl.models.zoo.heads.simplex import Simplex

        network.ending = Simplex()
        return network
    if head == "fractions":
        from georaster_dl.models.zoo.heads.fractions import Fractions

        return append_to_head(network, Fractions(), "a softmax")
    from georaster_dl.models.zoo.heads.bayesian import with_bayesian_head

    return with_bayesian_head(network)
