"""Pretrain the encoder of Sentinel-2, and measure how many labels it saves.

    nice python benchmarks/encoders pretrain ../shared/data -o RUNS/s2-encoder.safetensors
    nice python benchmarks/encoders curves ../shared/data RUNS/s2-encoder.safetensors --jsonl RUNS/curves.jsonl
    python benchmarks/encoders table RUNS/curves.jsonl --picture docs/labels.png

The places of the test part teach nothing, neither the encoder nor the networks that start from it, and Slovenia and the
sample scenes no encoder. s2-landcover has seen labels of all places and of the upper half of Slovenia, so it is
measured on the sample scenes only, unless --methods says otherwise. ``curves`` goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import curves
import sets
from pretrain import pretrain


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description="The encoder of Sentinel-2.")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("pretrain")
    training.add_argument("data", type=Path)
    training.add_argument("--epochs", type=int, default=60)
    training.add_argument("--patches", type=int, default=960, help="of an epoch")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--resume", action="store_true")
    training.add_argument("-o", "--output", type=Path, required=True)
    measuring = commands.add_parser("curves")
    measuring.add_argument("data", type=Path)
    measuring.add_argument("encoder", type=Path)
    measuring.add_argument("--jsonl", type=Path, required=True)
    measuring.add_argument("--sets", nargs="+", choices=sets.SETS, default=sets.SETS)
    measuring.add_argument("--shares", nargs="+", type=float, default=curves.SHARES)
    measuring.add_argument(
        "--methods", nargs="+", choices=curves.METHODS, default=curves.METHODS[:3]
    )
    measuring.add_argument("--seeds", nargs="+", type=int, default=range(5))
    measuring.add_argument("--epochs", type=int, default=20)
    printing = commands.add_parser("table")
    printing.add_argument("jsonl", type=Path)
    printing.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if options.command == "pretrain":
        pretrain(
            options.data, options.output, epochs=options.epochs, patches=options.patches, seed=options.seed,
            resume=options.resume,
        )  # fmt: skip
    elif options.command == "curves":
        curves.measure(
            options.data, options.encoder, options.jsonl, names=options.sets, shares=options.shares,
            methods=options.methods, seeds=options.seeds, epochs=options.epochs,
        )  # fmt: skip
    else:
        curves.table(options.jsonl, options.picture)


if __name__ == "__main__":
    main()
