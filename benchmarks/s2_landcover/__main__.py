"""Train, package and measure the bundled Sentinel-2 model.

    python benchmarks/s2_landcover train ../shared/data --seeds 0 1 -o RUNS
    python benchmarks/s2_landcover package ../shared/data RUNS/seed0.pt -o s2-landcover.safetensors
    python benchmarks/s2_landcover measure ../shared/data RUNS --before BEFORE.safetensors

``train`` writes a file of weights per seed, ``measure`` the tables of docs/benchmarks.md: places
that a fold's networks never saw, points of the world, clouds and held-out parts, beside the model
before, forests and rules (pip install scikit-learn xarray netCDF4). The model that ships is the first seed, whatever the others reached.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import recipe
import sets
from accuracy import report
from canvases import Scaling
from package import package


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description="The bundled Sentinel-2 model.")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train")
    train.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    train.add_argument("--steps", type=int, default=3000)
    pack = commands.add_parser("package")
    measure = commands.add_parser("measure")
    for command in (train, pack, measure):
        command.add_argument("data", type=Path)
    pack.add_argument("weights", type=Path)
    measure.add_argument("runs", type=Path)
    measure.add_argument("--before", type=Path, required=True, help="file of the model before")
    measure.add_argument("--only", nargs="+", choices=report.SECTIONS, default=report.SECTIONS)
    measure.add_argument("--no-forests", action="store_true")
    for command in (train, pack):
        command.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    if options.command == "measure":
        report.measure(
            options.data,
            options.runs,
            options.before,
            only=options.only,
            forests=not options.no_forests,
        )
        return
    loaded = sets.load(options.data)
    if options.command == "train":
        options.output.mkdir(exist_ok=True)
        scaling = Scaling.of(loaded)
        for seed in options.seeds:
            network, seconds = recipe.train(loaded, scaling, steps=options.steps, seed=seed)
            recipe.save(network, scaling, options.output / f"seed{seed}.pt")
            print(f"seed {seed}: {options.steps} steps in {seconds / 60:.0f} min", flush=True)
    else:
        package(loaded, options.weights, options.output)


if __name__ == "__main__":
    main()
