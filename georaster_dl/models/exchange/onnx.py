"""A model for other programs: a STAC item that describes it, and an ONNX graph for QGIS Deepness."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georaster_dl.core.errors import ModelPackageError, OptionError, OutputError
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.models.exchange.stac import stac_item, validate_item
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import read_card
from georaster_dl.models.registry import fitted_models
from georaster_dl.models.runtime.optional_bands import load_narrowed, missing_required_bands

if TYPE_CHECKING:
    from torch import nn

__all__ = ["export_onnx", "export_stac"]

_OPSET = 18  # with IR version 8 what onnxruntime 1.14 and later reads; Deepness brings 1.17
_IR_VERSION = 8
_LARGEST_DIFFERENCE = 1e-4


def export_stac(package: str | Path, out: str | Path, *, overwrite: bool = False) -> None:
    """Describe a model file as a STAC item with the machine-learning-model extension.

    What the extension has no field for - stride, halo, blend, the units of the inputs - stands in
    ``mlm:hyperparameters``. Wavelengths are in micrometres, as STAC has them. A model has no place
    or time of its own: the item has no geometry, and its time is that of the model file.

    Raises
    ------
    ModelPackageError
        When the model file is refused, or the item breaks the STAC schema.
    OutputError
        When ``out`` exists and ``overwrite`` is False, or cannot be written.
    """
    package, out = Path(package), Path(out)
    _refuse_overwriting(out, overwrite)
    item = stac_item(read_card(package), package)
    validate_item(item)
    write_atomically(out, (json.dumps(item, indent=2) + "\n").encode())


def export_onnx(
    package: str | Path,
    out: str | Path,
    *,
    bands: Sequence[str] | None = None,
    tile: int = 512,
    scale: float = 1.0,
    offset: float = 0.0,
    overwrite: bool = False,
) -> float:
    """Write a model as an ONNX graph that the QGIS plugin Deepness runs as it is.

    Deepness gives a graph the raster's own numbers times 1/255, whatever their type. The graph
    undoes that and does all the rest: physical value = number * scale + offset, normalisation,
    network, temperature, softmax. Its input is (1, bands, tile, tile), its output probabilities
    (1, classes, tile, tile), or values in their unit: (1, 1, tile, tile) of a regression model,
    the physical values of the bands (1, bands, tile, tile) of an autoencoder.

    Parameters
    ----------
    bands : names of the model's bands that the raster will have; all where None. The graph reads
        them in the model's order.
    tile : rows and cols of the input, a multiple of the model's stride.
    scale, offset : from the raster's numbers to the card's quantity, such as 1e-4 and -0.1 for
        Sentinel-2 reflectance since 2022.
    overwrite : replace an existing ``out``.

    Returns
    -------
    Largest difference of a probability between onnxruntime and torch on random pixels; of a value
    in the standard deviations of its quantity or band.

    Raises
    ------
    ModelPackageError
        When the model file is refused, or the graph computes something else than the network.
    OptionError
        When bands, tile or scale cannot work, or the packages for ONNX are not installed.
    OutputError
        When ``out`` exists and ``overwrite`` is False, or cannot be written.
    """
    out = Path(out)
    _refuse_overwriting(out, overwrite)
    _require_onnx()
    card, network = load_narrowed(package, _chosen(read_card(package), bands))
    if card.preprocessing is not None:
        raise OptionError(
            f"{card.name} preprocesses spectra ({card.preprocessing.steps}) before its network sees them, which an ONNX "
            f"graph of it would not do; export a model that was trained on spectra as they are."
        )
    if card.architecture.name in set(fitted_models()) - {"pls"}:
        raise OptionError(
            f"{card.name} is a model by {card.architecture.name}, of which no ONNX graph is made; export one by pls, or "
            f"map scenes with `segment`."
        )
    if tile < card.stride or tile % card.stride or tile > 8192:
        raise OptionError(
            f"An ONNX tile must be a multiple of the model's stride, {card.stride}, up to 8192, but got "
            f"{tile}; use for example {max(512 // card.stride, 1) * card.stride}."
        )
    if not abs(scale) > 0 or not abs(offset) < float("inf"):
        raise OptionError(
            f"A scale other than 0 and a finite offset are needed, but got {scale}, {offset}."
        )
    graph = _raw_to_meaning(card, network, scale, offset)
    content = _onnx_bytes(graph, card, tile)
    difference = _compare(content, graph, card, tile, (scale, offset))
    if not difference < _LARGEST_DIFFERENCE:
        raise ModelPackageError(
            f"The ONNX graph of {card.name} gives an output that differs by {difference:.2g} from the "
            f"network's, more than {_LARGEST_DIFFERENCE:g}; nothing was written: please report this."
        )
    write_atomically(out, content)
    return difference


def _chosen(card: Card, bands: Sequence[str] | None) -> list[str]:
    """The bands to export; also where they are all, the graph is that of a plain network."""
    chosen = [band.name for band in card.bands] if bands is None else list(bands)
    missing = missing_required_bands(card, chosen)
    if missing:
        raise OptionError(
            f"{card.name} needs {' or '.join(missing[0])}, which `bands=` leaves out; add it."
        )
    return chosen


def _refuse_overwriting(out: Path, overwrite: bool) -> None:
    if out.exists() and not overwrite:
        raise OutputError(
            f"{out} exists already; choose another name or overwrite it (`overwrite=True`)."
        )


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise OptionError(
            f"Writing ONNX needs the package {error.name}, which is not installed; run "
            f"pip install 'georaster_dl[export]'."
        ) from error


def _raw_to_meaning(card: Card, network: nn.Module, scale: float, offset: float) -> nn.Module:
    """Chain from raw pixels / 255 to probabilities or values, (1, bands, S, S) to (1, planes, S, S)."""
    import torch
    from torch import nn

    from georaster_dl.models.runtime.probabilities import class_probabilities

    # One multiplication and one addition, in float64 until here, so that large numbers such as
    # reflectance * 10000 do not lose digits on the way to 1/255 and back.
    mean = torch.tensor([band.mean for band in card.bands], dtype=torch.float64).view(-1, 1, 1)
    std = torch.tensor([band.std for band in card.bands], dtype=torch.float64).view(-1, 1, 1)
    lines = [(mean, std) for _name, mean, std in card.value_planes]
    calibration = card.calibration

    class RawToMeaning(nn.Module):
        gain: torch.Tensor
        shift: torch.Tensor
        lines: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.register_buffer("gain", (255 * scale / std).float())
            self.register_buffer("shift", ((offset - mean) / std).float())
            self.register_buffer("lines", torch.tensor(lines or [(0.0, 1.0)])[:, :, None, None])

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.network(pixels * self.gain + self.shift)
            if lines:
                return output * self.lines[:, 1] + self.lines[:, 0]
            return class_probabilities(output, calibration)

    return RawToMeaning().eval()


def _onnx_bytes(graph: nn.Module, card: Card, tile: int) -> bytes:
    import onnx
    import torch

    example = torch.zeros(1, len(card.bands), tile, tile)
    with warnings.catch_warnings(), torch.inference_mode(mode=False):
        warnings.simplefilter("ignore")  # from the exporter, about itself
        try:
            program = torch.onnx.export(
                graph,
                (example,),
                dynamo=True,  # the older exporter lacks layers and is about to be removed
                opset_version=_OPSET,
                input_names=["pixels"],
                output_names=[_output_name(card)],
                verbose=False,
            )
            model = program.model_proto  # type: ignore[union-attr]
        except Exception as error:
            # Whatever a layer the exporter does not know makes it raise, in any of its stages.
            if isinstance(error.__cause__, OptionError):  # a layer of ours said what to do
                raise error.__cause__ from None
            reason = " ".join(str(error).split())[:200]
            raise ModelPackageError(
                f"The architecture {card.architecture.name!r} of {card.name} cannot be written as ONNX "
                f"({reason}); use a convolutional one, such as unet."
            ) from error
    model.ir_version = _IR_VERSION
    # The exporter's notes on each node name source files of this machine.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.helper.set_model_props(
        model, {key: json.dumps(value) for key, value in _deepness_metadata(card, tile).items()}
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()  # type: ignore[no-any-return]


def _output_name(card: Card) -> str:
    if card.classes:
        return "probabilities"
    return "fractions" if card.task == "fractions" else "values"


def _deepness_metadata(card: Card, tile: int) -> dict[str, Any]:
    """Return the keys that Deepness reads, each a JSON text in the file.

    Class names are numbered from 0 in output order; those of a regressor name layers and files, so
    each is made one word. There is no standardisation: the graph has
    its own, and Deepness would apply a second one. Thresholds are 0, because Deepness blanks
    pixels below them before it takes the largest probability.
    """
    finest = card.resolution_m[0] if card.resolution_m else None
    coarsest = card.resolution_m[1] if card.resolution_m else None
    middle = None if finest is None or coarsest is None else (finest * coarsest) ** 0.5
    overlap = min(round(100 * 2 * card.halo.default / tile), 75)
    return {
        **_deepness_task(card),
        **({} if middle is None else {"resolution": round(100 * middle, 3)}),  # cm per pixel
        "tile_size": tile,
        "tiles_overlap": overlap,
        "georaster_dl_model": f"{card.name} {card.version}",
        "georaster_dl_bands": [band.name for band in card.bands],
        "georaster_dl_licence": card.licence,
    }


def _deepness_task(card: Card) -> dict[str, Any]:
    if card.classes:
        return {
            "model_type": "Segmentor",
            "class_names": {index: entry.name for index, entry in enumerate(card.classes)},
            "seg_thresh": 0.0,
            "seg_small_segment": 0,
        }
    units = [target.unit for target in card.targets]
    words = (
        re.sub(r"\W+", "_", name).strip("_") or "values" for name, _mean, _std in card.value_planes
    )
    return {
        "model_type": "Regressor",
        "class_names": dict(enumerate(words)),
        "reg_output_scaling": 1.0,
        **({"georaster_dl_unit": units[0] if len(units) == 1 else units} if units else {}),
    }


def _compare(
    content: bytes, graph: nn.Module, card: Card, tile: int, scaling: tuple[float, float]
) -> float:
    """Largest difference between onnxruntime and torch, on plausible pixels.

    Of probabilities, or of values in the standard deviations of their planes.
    """
    import onnxruntime
    import torch

    random = torch.Generator().manual_seed(0)
    mean = torch.tensor([band.mean for band in card.bands]).view(1, -1, 1, 1)
    std = torch.tensor([band.std for band in card.bands]).view(1, -1, 1, 1)
    physical = mean + std * torch.randn(1, len(card.bands), tile, tile, generator=random)
    scale, offset = scaling
    pixels = (physical - offset) / scale / 255
    with torch.inference_mode():
        expected = graph(pixels).numpy()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    got = session.run(None, {session.get_inputs()[0].name: pixels.numpy()})[0]
    stds = [std for _name, _mean, std in card.value_planes] or [1.0]
    return float((abs(got - expected).max((0, 2, 3)) / stds).max())
