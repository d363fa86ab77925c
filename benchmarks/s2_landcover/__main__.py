"""Train, package and measure the bundled Sentinel-2 model.

    python benchmarks/s2_landcover train ../shared/data --seeds 0 1 -o RUNS
    python benchmarks/s2_landcover package ../shared/data RUNS/seed0.pt -o s2-landcover.safetensors
    python benchmarks/s2_landcover measure ../shared/data RUNS

``train`` writes a file of weights per seed, ``measure`` the tables of docs/benchmarks.md: every
seed on the held-out parts beside a random forest and an analyst's rules (pip install scikit-learn
xarray netCDF4). The model that ships is the first seed, whatever the others reached.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import recipe
import report
import sets
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
    for command in (train, pack):
        command.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    loaded = sets.load(options.data)
    if options.command == "train":
        options.output.mkdir(exist_ok=True)
        scaling = Scaling.of(loaded)
        for seed in options.seeds:
            network, seconds = recipe.train(loaded, scaling, steps=options.steps, seed=seed)
            recipe.save(network, scaling, options.output / f"seed{seed}.pt")
            print(f"seed {seed}: {options.steps} steps in {seconds / 60:.0f} min", flush=True)
    elif options.command == "package":
        package(loaded, options.weights, options.output)
    else:
        report.tables(loaded, sorted(options.runs.glob("seed*.pt")))


if __name__ == "__main__":
    main()
