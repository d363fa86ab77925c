"""Speed and memory of ``geodl features``, as ratios taken in one run.

    python benchmarks/features.py speed     4096 x 4096 x 10, conv-autoencoder of 20 features
    python benchmarks/features.py memory    1372, 2745 and 5490 rows x 2745 x 10

As in segment.py every measurement runs in a process of its own, with random weights. The bare
forward pass is that of the same network in the same precision over as many pixels as the scene has:
no file, no halo. ``geodl features`` reads the scene and writes 20 bands of float32 with overviews,
compressed, beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from segment import BANDS, machine, make_scene, measure, part_forward, part_read, run_part


def make_model(path: Path) -> None:
    """Convolutional autoencoder with random weights, as a package."""
    import torch

    from georaster_dl.core.bands import named_bands
    from georaster_dl.models.package.card import Architecture, Card, ModelHalo
    from georaster_dl.models.package.file import save_model
    from georaster_dl.models.package.values import InputBand
    from georaster_dl.models.registry import create_model
    from georaster_dl.models.runtime.cost import measure_cost

    torch.manual_seed(0)
    network = create_model("conv_autoencoder", in_bands=len(BANDS), n_classes=len(BANDS))
    card = Card(
        name="benchmark",
        version="1",
        task="autoencoder",
        architecture=Architecture(name="conv_autoencoder"),
        bands=[
            InputBand(name=b.name, wavelength_nm=b.wavelength_nm, mean=0.2, std=0.1)
            for b in named_bands(BANDS)
        ],
        stride=4,
        halo=ModelHalo(default=28, exact=28),
        cost=measure_cost(network, in_bands=len(BANDS), stride=4),
    )
    save_model(path, card, network)


def part_features(
    scene: str,
    model: str,
    device: str,
    precision: str,
    warm: str,
    packed: bool = False,
    **_: object,
) -> dict[str, float]:
    """``features`` file to file."""
    from georaster_dl.predict.features import features
    from georaster_dl.predict.options import FeatureOptions, FeatureOutputs

    options = FeatureOptions(device=device, precision=precision, overwrite=True, packed=packed)
    with tempfile.TemporaryDirectory() as folder:
        if warm:
            features(warm, Path(model), FeatureOutputs(Path(folder) / "warm.tif"), options)
        out = Path(folder) / "features.tif"
        summary = features(scene, Path(model), FeatureOutputs(out), options)
        size = out.stat().st_size
    return {"seconds": summary.seconds, "device": summary.device, "output_gib": size / 2**30}  # type: ignore[dict-item]


def part_bare(**settings: str) -> dict[str, float]:
    """The bare network, in the precision that ``features`` takes."""
    precision = "fp32" if settings["precision"] == "auto" else settings.pop("precision")
    return part_forward(**{**settings, "precision": precision})


PARTS = {"read": part_read, "forward": part_bare, "features": part_features}


def speed(folder: Path, args: argparse.Namespace) -> None:
    scene, warm, model = folder / "scene.tif", folder / "warm.tif", folder / "model.safetensors"
    make_scene(scene, args.rows or 4096, 4096)
    make_scene(warm, 256, 256)
    make_model(model)
    common = {"scene": str(scene), "model": str(model), "warm": str(warm), "script": __file__,
              "device": args.device, "precision": args.precision}  # fmt: skip
    ratios = []
    for number in range(args.rounds):
        found = {part: measure(part, **common) for part in PARTS}
        packed = measure("features", **common, packed=True)
        print(f"round {number + 1}: {json.dumps({**found, 'int16': packed})}", flush=True)
        forward = found["forward"]["seconds"]
        ratios.append([found["features"]["seconds"] / forward, packed["seconds"] / forward])
    float32, int16 = np.median(ratios, axis=0)
    print(f"\n{machine()}; {found['features']['device']}; median of {args.rounds} rounds")
    print(f"wall over bare forward: {float32:.3f} (float32), {int16:.3f} (int16)")


def memory(folder: Path, args: argparse.Namespace) -> None:
    model = folder / "model.safetensors"
    make_model(model)
    peaks = {}
    for rows in (1372, 2745, 5490):
        scene = folder / "scene.tif"
        make_scene(scene, rows, 2745)
        found = measure("features", scene=str(scene), model=str(model), device=args.device,
                        precision=args.precision, warm="", script=__file__)  # fmt: skip
        peaks[rows] = found["peak_gib"]
        print(f"{rows} x 2745 x 10: {json.dumps(found)}", flush=True)
    print(f"\n{machine()}")
    print(
        f"growth of the peak from 1372 to 5490 rows: {100 * (peaks[5490] / peaks[1372] - 1):.1f} %"
    )


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "part":
        return run_part(sys.argv[2], PARTS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rows", type=int, help="rows of the speed scene, 4096 by default")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        {"speed": speed, "memory": memory}[args.what](Path(folder), args)
    return None


if __name__ == "__main__":
    main()
