"""Train, package and measure the bundled Sentinel-2 model.

    python benchmarks/s2_landcover train ../shared/data --base --seeds 0 1 2 --steps 3000 -o RUNS
    python benchmarks/s2_landcover train ../shared/data --folds 0 1 2 3 4 5 --seeds 0 1 2 --steps 800 -o RUNS
    python benchmarks/s2_landcover train ../shared/data --seeds 0 1 --steps 800 -o RUNS
    python benchmarks/s2_landcover measure ../shared/data RUNS --before BEFORE.safetensors
    python benchmarks/s2_landcover package ../shared/data RUNS/seed0.pt -o s2-landcover.safetensors
    python benchmarks/s2_landcover picture ../shared/data RUNS -o docs/world.png

``train --base`` learns from the sets of few places alone; all other networks of a seed go on from its
weights. ``train`` writes a file of weights per seed, and per fold of places left out; ``measure`` the
tables of docs/s2-landcover.md: places that a fold's networks never saw, points of the world, clouds and
held-out parts, beside the model before, forests and rules (pip install scikit-learn xarray netCDF4).
The model that ships is the first seed, whatever the others reached.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import recipe
from accuracy import pictures, report
from package import package


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description="The bundled Sentinel-2 model.")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train")
    train.add_argument("--seeds", type=int, nargs="+", default=[0])
    train.add_argument("--steps", type=int, default=800)
    part = train.add_mutually_exclusive_group()
    part.add_argument("--base", action="store_true", help="without the places of the world")
    part.add_argument("--folds", type=int, nargs="+", help="leave the places of these folds out")
    pack = commands.add_parser("package")
    measure = commands.add_parser("measure")
    picture = commands.add_parser("picture")
    for command in (train, pack, measure, picture):
        command.add_argument("data", type=Path)
    pack.add_argument("weights", type=Path)
    for command in (measure, picture):
        command.add_argument("runs", type=Path)
    measure.add_argument("--before", type=Path, required=True, help="file of the model before")
    measure.add_argument("--only", nargs="+", choices=report.SECTIONS, default=report.SECTIONS)
    measure.add_argument("--no-forests", action="store_true")
    for command in (train, pack, picture):
        command.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    if options.command == "train":
        _train(options)
    elif options.command == "package":
        package(options.data, options.weights, options.output)
    elif options.command == "picture":
        pictures.draw(options.data, options.runs, options.output)
    else:
        report.measure(
            options.data,
            options.runs,
            options.before,
            only=options.only,
            forests=not options.no_forests,
        )


def _train(options: argparse.Namespace) -> None:
    """Train a network for every fold and seed."""
    options.output.mkdir(exist_ok=True)
    whole = recipe.Lesson.of(options.data)
    for fold in options.folds or [None]:
        lesson = whole.base if options.base else whole.without(fold)
        for seed in options.seeds:
            base = options.output / f"base_seed{seed}.pt"
            name = f"seed{seed}" if fold is None else f"fold{fold}_seed{seed}"
            path = base if options.base else options.output / f"{name}.pt"
            begun = time.monotonic()
            network, scaling = recipe.train(
                lesson, steps=options.steps, seed=seed, start=None if options.base else base
            )
            if not options.base:
                recipe.adjust_logits(network)
            recipe.save(network, scaling, path)
            minutes = (time.monotonic() - begun) / 60
            print(f"{path.name}: {options.steps} steps in {minutes:.0f} min", flush=True)


if __name__ == "__main__":
    main()
