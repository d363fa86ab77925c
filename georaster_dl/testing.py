"""Small rasters, scenes, labels and models for tests of code that uses this package.

    scene = write_scene(folder / "scene.tif", noise())
    model = write_model(folder / "model.safetensors")
    segment(scene, model, Outputs(folder / "map.tif"))

All of them are made in moments, are the same on every machine, and need neither data nor network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

if TYPE_CHECKING:
    from torch import nn

    from georaster_dl.models.package.card import Card

__all__ = [
    "BANDS",
    "COLORS",
    "EXACT_HALO",
    "NODATA",
    "SHAPE",
    "checkered",
    "noise",
    "random_network",
    "small_card",
    "write_labels",
    "write_model",
    "write_raster",
    "write_scene",
]

SHAPE = (150, 130)  # rows and columns of a scene
BANDS = ("B02", "B03", "B04")
NODATA = 255  # of labels
COLORS = ("#1f78b4", "#33a02c", "#b2df8a", "#ff7f00", "#a65628", "#e31a1c", "#999999", "#6a3d9a")
EXACT_HALO = 48  # of the network of ``write_model``
_ENCODER = "tu-test_resnet"
_NETWORK: dict[str, Any] = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}


def noise(shape: tuple[int, int] = SHAPE, n_bands: int = 3, seed: int = 0) -> NDArray[np.uint16]:
    """Draw (bands, rows, cols) reflectances times 10 000 as white noise, with a corner of nodata, 0."""
    generator = np.random.default_rng(seed)
    array = (generator.normal(0.2, 0.1, (n_bands, *shape)) * 1e4).clip(1, 1e4).astype(np.uint16)
    array[:, : shape[0] // 4, : shape[1] // 3] = 0
    return array


def checkered(
    seed: int = 0, shape: tuple[int, int] = (128, 160), n_classes: int = 3
) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Draw classes (rows, cols) in squares of 8 pixels, and an image (3, rows, cols) that shows them.

    A small network learns them in seconds. Classes are numbered from 0, at most three.
    """
    rng = np.random.default_rng(seed)
    rows, cols = shape
    classes = np.kron(rng.integers(0, n_classes, (rows // 8, cols // 8)), np.ones((8, 8), np.int64))
    means = np.array([[0.1, 0.2, 0.3], [0.3, 0.1, 0.2], [0.2, 0.3, 0.1]])[:n_classes]
    image = means[classes].transpose(2, 0, 1) + rng.normal(0, 0.02, (3, rows, cols))
    return classes, (image * 1e4).clip(1, 1e4).astype(np.uint16)


def write_raster(
    path: str | Path,
    array: NDArray[Any],
    *,
    bands: Sequence[str] = (),
    scale: float | Sequence[float] | None = None,
    offset: float | Sequence[float] | None = None,
    mask: NDArray[np.bool_] | None = None,
    **profile: Any,
) -> Path:
    """Write a GeoTIFF of 10 m pixels in UTM zone 31.

    Parameters
    ----------
    array : (rows, cols) or (bands, rows, cols).
    bands : their names.
    scale, offset : of every band, or a number for each; physical value = stored * scale + offset.
    mask : (rows, cols) mask of the file, False where invalid.
    profile : what ``rasterio.open`` takes, in place of the usual driver, CRS or transform.
    """
    planes = array if array.ndim == 3 else array[None]
    count, height, width = planes.shape
    place = {"driver": "GTiff", "crs": "EPSG:32631", "transform": _place(), **profile}
    with rasterio.open(
        path, "w", count=count, height=height, width=width, dtype=planes.dtype, **place
    ) as dataset:
        dataset.write(planes)
        if bands:
            dataset.descriptions = tuple(bands)
        if scale is not None:
            dataset.scales = np.broadcast_to(scale, count).tolist()
        if offset is not None:
            dataset.offsets = np.broadcast_to(offset, count).tolist()
        if mask is not None:
            dataset.write_mask(mask)
    return Path(path)


def write_scene(
    path: str | Path,
    array: NDArray[Any],
    *,
    bands: Sequence[str] = BANDS,
    scale: float | None = 1e-4,
    offset: float = 0.0,
    **profile: Any,
) -> Path:
    """Write a scene with band names and calibration; 0 is nodata of unsigned numbers."""
    nodata = 0 if array.dtype.kind == "u" else None
    if scale is not None:
        profile |= {"scale": scale, "offset": offset}
    return write_raster(path, array, bands=bands, **{"nodata": nodata, **profile})


def write_labels(
    path: str | Path,
    classes: NDArray[Any],
    *,
    names: Mapping[int, str] | None = None,
    **profile: Any,
) -> Path:
    """Write class values (rows, cols), 255 where unlabelled, with names as maps of this package have them."""
    write_raster(path, classes, **{"nodata": NODATA, **profile})
    if names:
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(CLASS_NAMES=json.dumps({str(k): v for k, v in names.items()}))
    return Path(path)


def small_card(*, bands: Sequence[str] = BANDS, n_classes: int = 4, **fields: Any) -> Card:
    """Make the card of a small U-Net; ``fields`` are those of ``Card``.

    Without ``targets`` or another ``task`` it has the classes 1, 2, ...; of the task ``"fractions"`` it has the
    targets cover 0, cover 1, ...
    """
    from georaster_dl.core.bands import named_bands
    from georaster_dl.core.legend import MapClass, parse_color
    from georaster_dl.models.package.card import Architecture, Card, Cost, ModelHalo
    from georaster_dl.models.package.values import InputBand, Target

    task = fields.get("task") or ("regression" if fields.get("targets") else "segmentation")
    head = {"head": "fractions"} if task == "fractions" else {}
    usual: dict[str, Any] = {
        "name": "test-model",
        "version": "1",
        "task": task,
        "architecture": Architecture(name="unet", encoder=_ENCODER, options=_NETWORK | head),
        "bands": [
            InputBand(name=band.name, wavelength_nm=band.wavelength_nm, mean=0.2, std=0.1)
            for band in named_bands(bands)
        ],
        "resolution_m": (10, 10),
        "stride": 8,
        "halo": ModelHalo(default=16, exact=EXACT_HALO),
        "cost": Cost(macs_per_pixel=10_000, bytes_per_pixel=400),
    }
    if task == "fractions":
        usual["targets"] = [Target(f"cover {i}") for i in range(n_classes)]
    elif task == "segmentation":
        usual["classes"] = [
            MapClass(1 + i, f"class {i}", parse_color(COLORS[i % len(COLORS)]))
            for i in range(n_classes)
        ]
    return Card(**usual | fields)


def random_network(in_bands: int, n_classes: int, *, head: str = "plain") -> nn.Module:
    """Make a U-Net of random weights whose last layer gives mean 0 and deviation 2 over white noise.

    All classes are then common in a scene of :func:`noise`.

    Parameters
    ----------
    head : of ``create_model``.
    """
    import torch

    from georaster_dl.models.registry import create_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = create_model(
            "unet",
            in_bands=in_bands,
            n_classes=n_classes,
            encoder=_ENCODER,
            encoder_weights=None,
            head=head,
            **_NETWORK,
        )
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.get_buffer("running_mean").normal_(std=0.2)
                module.get_buffer("running_var").uniform_(0.5, 2)
                module.weight.data.uniform_(0.5, 2)
                module.bias.data.normal_(std=0.5)
        network.eval()
        last = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)][-1]
        made: list[torch.Tensor] = []
        hook = last.register_forward_hook(lambda _layer, _inputs, planes: made.append(planes))
        with torch.inference_mode():
            network(torch.randn(1, in_bands, 128, 128))
        hook.remove()
        (logits,) = made
        mean, std = logits.mean(dim=(0, 2, 3)), logits.std(dim=(0, 2, 3))
        last.weight.data *= (2 / std)[:, None, None, None]
        bias = last.get_parameter("bias")
        bias.data = (bias.data - mean) * 2 / std
    return network


def write_model(
    path: str | Path,
    *,
    bands: Sequence[str] = BANDS,
    n_classes: int = 4,
    network: nn.Module | None = None,
    **fields: Any,
) -> Path:
    """Save a small model of random weights; arguments are those of :func:`small_card`.

    Parameters
    ----------
    n_classes : number of classes, or of targets.
    network : its network, in place of :func:`random_network`.
    """
    from georaster_dl.models.package.file import save_model

    card = small_card(bands=bands, n_classes=n_classes, **fields)
    head = str(card.architecture.options.get("head", "plain"))
    save_model(Path(path), card, network or random_network(len(bands), n_classes, head=head))
    return Path(path)


def _place() -> Any:
    return from_origin(500_000, 5_000_000, 10, 10)
