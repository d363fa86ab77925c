"""The contract of networks: required attributes, and those that single features make use of.

Any ``torch.nn.Module`` that fits :class:`SegmentationNetwork` will do; the other protocols name
attributes that single features of the library make use of. Nothing is to be subclassed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed

if TYPE_CHECKING:
    from torch import Tensor, nn

    from georaster_dl.models.package.values import InputBand

__all__ = [
    "Dated",
    "EncoderDecoder",
    "FeatureExtractor",
    "ModalityNetwork",
    "PatchNetwork",
    "PhysicalSeriesNetwork",
    "SegmentationNetwork",
    "SeriesKind",
    "SeriesNetwork",
    "append_to_head",
    "feature_layer",
    "last_convolution",
    "network_part",
    "network_stride",
    "patch_size",
]

HEAD = "segmentation_head"
_MOST_PARTS = 40


class SegmentationNetwork(Protocol):
    """A network of images: the only part of the contract that all networks must fulfil.

    It holds its parameters in float32, gives the same output for an image whatever else is in the
    batch (in eval mode), and does not change the image that it is given.

    Attributes
    ----------
    stride : total down-sampling in pixels, 1 to 512. Rows and cols of all images are multiples of it,
        and tiles start at multiples of it. Instead of it, ``encoder.output_stride`` will do.
    """

    stride: int

    def __call__(self, image: Tensor) -> Tensor:
        """Map an image (N, bands, rows, cols) of normalised bands to (N, outputs, rows, cols).

        The outputs are logits of classes, quantities in standard deviations from their means, fractions
        (not below 0, of sum 1), or the normalised bands again (autoencoder).
        """


class EncoderDecoder(SegmentationNetwork, Protocol):
    """A network in three parts, for starting weights, frozen parts and gradual unfreezing.

    Attributes
    ----------
    encoder : reads the image; its stages are unfrozen one by one, the deepest first.
    decoder : everything between encoder and head.
    segmentation_head : holds, last, the convolution whose outputs are the classes. What enters it
        are the features of :class:`FeatureExtractor` where none are named.
    """

    encoder: nn.Module
    decoder: nn.Module
    segmentation_head: nn.Module


class FeatureExtractor(SegmentationNetwork, Protocol):
    """A network that names its features, for ``geodl features``.

    Attributes
    ----------
    feature_layer : dotted name of the submodule whose output are the features: (N, features, rows,
        cols), or the same a whole number of times coarser.
    """

    feature_layer: str


class PatchNetwork(SegmentationNetwork, Protocol):
    """A classifier of a patch's middle pixel, trained on patches and run on whole images.

    Attributes
    ----------
    patch : rows and cols of a patch, odd.
    """

    patch: int

    def centre(self, patches: Tensor) -> Tensor:
        """Map patches (N, bands, patch, patch) to the outputs (N, outputs, 1, 1) of their middle pixels."""


class ModalityNetwork(SegmentationNetwork, Protocol):
    """A network that weighs modalities in each pixel, built for ``NetworkSpec.modalities``.

    Called in training with ``present`` (N, bands) behind the image, True where a band is there.

    Attributes
    ----------
    reads_presence : True.
    gives_weights : whether the weights of the modalities (N, modalities, rows, cols), of sum 1, follow the outputs.
    """

    reads_presence: bool
    gives_weights: bool

    def narrowed_weights(self, present: Sequence[str]) -> dict[str, Tensor]:
        """Select the state of the network of some modalities."""


class Dated(NamedTuple):
    """Time series of one sensor, as networks of series read it.

    Attributes
    ----------
    values : normalised and finite, 0 where not valid: (N, T, bands) of pixels, (N, T, bands, S) of sets of
        S pixels, (N, T, bands, rows, cols) of patches.
    days : (N, T) since the start of the season (``models.package.seasons``), float32.
    valid : (N, T), (N, T, S) or (N, T, rows, cols), True where there is a clear measurement.
    """

    values: Tensor
    days: Tensor
    valid: Tensor


SeriesKind = Literal["pixel", "set", "patch"]
"""What a network of series sees at once: a pixel, all pixels of a parcel, or a patch."""


class SeriesNetwork(Protocol):
    """A network of image time series, of any number of dates.

    Dates that are not valid change nothing, neither an output nor a statistic, whatever stands there.
    Sensors have dates of their own.

    Attributes
    ----------
    series : what it sees at once; a network of patches has a ``stride``, too.
    dates : exact number of dates that it takes; absent or None where any will do.
    """

    series: SeriesKind

    def __call__(self, sensors: Sequence[Dated], geometry: Tensor | None = None) -> Tensor:
        """Map series to logits, or values in standard deviations: (N, outputs), of patches (N, outputs, rows, cols).

        Parameters
        ----------
        geometry : (N, 4) of parcels; only networks of sets make use of it.
        """


class PhysicalSeriesNetwork(SeriesNetwork, Protocol):
    """A network of series that reads physical values of bands that it knows, behind the normalisation."""

    def describe_input(self, bands: Sequence[InputBand], season_start: str) -> None:
        """Describe the input, once, before training; a model file keeps the description.

        Parameters
        ----------
        bands : of all sensors, in their order, with the statistics by which they are normalised.
        season_start : month and day from which days are counted, ``MM-DD``.
        """


def network_stride(network: nn.Module) -> int:
    """Return the total down-sampling of a network, in pixels; tiles start at multiples of it.

    Taken from ``network.stride`` or, for the encoder-decoder families, from
    ``network.encoder.output_stride``; networks of the series of single pixels and of sets have none.

    Raises
    ------
    OptionError
        When the network states neither.
    """
    if getattr(network, "series", None) in ("pixel", "set"):
        return 1
    for owner, attribute in (
        (network, "stride"),
        (getattr(network, "encoder", None), "output_stride"),
    ):
        stride = getattr(owner, attribute, None)
        if isinstance(stride, int) and stride >= 1:
            return stride
    raise OptionError(
        f"{type(network).__name__} does not state its total down-sampling; give it an integer "
        f"attribute `stride`."
    )


def network_part(network: nn.Module, name: str) -> nn.Module:
    """Return the submodule ``encoder``, ``decoder`` or ``segmentation_head`` of a network.

    Raises
    ------
    OptionError
        When the network has no such part.
    """
    from torch import nn

    part = getattr(network, name, None)
    if isinstance(part, nn.Module):
        return part
    raise OptionError(
        f"{type(network).__name__} has no part `{name}`, which starting weights and frozen parts go by; "
        f"its parts are {outer_parts(network)}. Start from random weights with nothing frozen, or name "
        f"the parts of the network encoder, decoder and segmentation_head."
    )


def feature_layer(network: nn.Module) -> str:
    """Return the layer of a network's features: its ``feature_layer``, else its segmentation head.

    Raises
    ------
    OptionError
        When the network neither names its features nor has a segmentation head.
    """
    stated = getattr(network, "feature_layer", None)
    if isinstance(stated, str):
        return stated
    if getattr(network, "fitted", False):
        raise OptionError(
            "The model is a fitted classifier, not a network that learns features; give a model whose network was trained."
        )
    if getattr(network, HEAD, None) is None:
        raise OptionError(
            f"{type(network).__name__} does not say which of its layers are features; name one with "
            f"`layer=` ({outer_parts(network)}), or give the network an attribute `feature_layer`."
        )
    return HEAD


def last_convolution(network: nn.Module) -> str:
    """Return the name of the convolution whose outputs are the classes: the last of the segmentation head.

    Raises
    ------
    OptionError
        When there is none.
    """
    from torch import nn

    found: list[str] = [
        name
        for name, module in network.named_modules()
        if name.startswith(f"{HEAD}.") and isinstance(module, nn.Conv2d)
    ]
    if found:
        return found[-1]
    raise OptionError(
        f"{getattr(network, 'name', type(network).__name__)} has no segmentation head, so it is not known which weights "
        f"belong to classes; choose an architecture of `list_models()`."
    )


def append_to_head(network: nn.Module, module: nn.Module, what: str) -> nn.Module:
    """Append a module to the segmentation head of a network, in place; its weights keep their names.

    Parameters
    ----------
    what : the module is, for the message, such as "a softmax".

    Raises
    ------
    OptionError
        When the network has no segmentation head that is an ``nn.Sequential``.
    """
    from torch import nn

    head = getattr(network, HEAD, None)
    if not isinstance(head, nn.Sequential):
        raise OptionError(
            f"{type(network).__name__} has no `{HEAD}` that is an nn.Sequential, to which {what} could be appended "
            f"(its parts are {outer_parts(network)}); give it one, or choose an architecture of `list_models()`."
        )
    head.append(module)
    return network


def patch_size(network: nn.Module) -> int | None:
    """Return the side of the patches that a network is trained on; None where any size will do."""
    patch = getattr(network, "patch", None)
    return patch if isinstance(patch, int) else None


def outer_parts(network: nn.Module) -> str:
    """List the outer submodules of a network, for messages."""
    names = [name for name, _ in network.named_modules() if name and name.count(".") <= 1]
    return listed(names, _MOST_PARTS) or "none"
