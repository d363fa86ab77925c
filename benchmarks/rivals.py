"""Maps of a scene by other libraries, for the comparison of ``segment.py speed``.

Each function takes the scene and, but for geoai, the model package, and gives the seconds from file to
file after its network has run once.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np


def count_bands(scene: str) -> int:
    """Number of bands of a raster."""
    import rasterio

    with rasterio.open(scene) as dataset:
        return dataset.count


def run_monai(scene: str, model: str, device: str, **_: object) -> dict[str, float]:
    """MONAI's sliding window with no other setting: scene in memory, float32, then a GeoTIFF."""
    import rasterio
    import torch
    from monai.inferers import sliding_window_inference

    from georaster_dl.models.package.file import load_model

    where = "cuda" if device.startswith("cuda") else "cpu"
    _card, network = load_model(Path(model))
    network = network.to(where)
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        network(torch.zeros(1, count_bands(scene), 512, 512, device=where))
        begun = time.perf_counter()
        with rasterio.open(scene) as dataset:
            profile = dataset.profile
            x = torch.from_numpy(dataset.read().astype("float32"))
        x = (x * 1e-4 - 0.3) / 0.1
        y = sliding_window_inference(
            x[None], (512, 512), 1, network, overlap=0.125, mode="gaussian",
            sw_device=where, device="cpu",
        )  # fmt: skip
        classes = y.argmax(1).to(torch.uint8).numpy()
        profile.update(count=1, dtype="uint8")
        with rasterio.open(Path(folder) / "map.tif", "w", **profile) as out:
            out.write(classes)
    return {"seconds": time.perf_counter() - begun}


def run_torchgeo(scene: str, model: str, device: str, **_: object) -> dict[str, float]:
    """Torchgeo's dataset, grid sampler and loader, as its tutorials use them; stitched by hand, float32."""
    import rasterio
    import torch
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    from georaster_dl.models.package.file import load_model

    where = "cuda" if device.startswith("cuda") else "cpu"
    _card, network = load_model(Path(model))
    network = network.to(where)

    class Scene(RasterDataset):
        filename_glob = Path(scene).name

    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        network(torch.zeros(1, count_bands(scene), 512, 512, device=where))
        begun = time.perf_counter()
        dataset = Scene(str(Path(scene).parent))
        sampler = GridGeoSampler(dataset, size=512, stride=448)  # 64 pixels overlap, as halo 64 has
        loader = DataLoader(dataset, batch_size=4, sampler=sampler, collate_fn=stack_samples)
        with rasterio.open(scene) as source:
            profile, transform = source.profile, source.transform
        classes = np.zeros((profile["height"], profile["width"]), np.uint8)
        chips = 0
        for batch in loader:
            x = (batch["image"].to(where) * 1e-4 - 0.3) / 0.1
            found = network(x).argmax(1).cpu().numpy()
            for chip, (xs, ys, _time) in zip(found, batch["bounds"], strict=True):
                col, row = (max(round(value), 0) for value in ~transform * (xs.start, ys.stop))
                part = classes[row : row + 512, col : col + 512]
                part[:] = chip[: part.shape[0], : part.shape[1]]
                chips += 1
        profile.update(count=1, dtype="uint8")
        with rasterio.open(Path(folder) / "map.tif", "w", **profile) as out:
            out.write(classes, 1)
    return {"seconds": time.perf_counter() - begun, "chips": chips}


def run_geoai(scene: str, device: str, **_: object) -> dict[str, float]:
    """Geoai's function for this network, file to file, with its defaults but for the overlap."""
    import geoai
    import segmentation_models_pytorch as smp
    import torch

    where = torch.device("cuda" if device.startswith("cuda") else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.pth"
        torch.manual_seed(0)
        network = smp.Unet(
            "resnet18", encoder_weights=None, in_channels=count_bands(scene), classes=8
        )
        torch.save(network.state_dict(), weights)
        with torch.inference_mode():
            network.eval()(torch.zeros(1, count_bands(scene), 512, 512))
        begun = time.perf_counter()
        geoai.semantic_segmentation(
            scene, str(Path(folder) / "map.tif"), str(weights), "unet", "resnet18", count_bands(scene), 8,
            window_size=512, overlap=64, device=where, quiet=True,
        )  # fmt: skip
    return {"seconds": time.perf_counter() - begun}


RIVALS = {"monai": run_monai, "torchgeo": run_torchgeo, "geoai": run_geoai}
"""By the name of the library's package."""
