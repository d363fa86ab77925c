"""Pretrain the bundled encoder of Sentinel-2, and measure how many labels it saves.

nice python benchmarks/encoders pretrain ../shared/data -o RUNS/s2-encoder.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pretrain import pretrain


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description="The bundled encoders.")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("pretrain")
    training.add_argument("data", type=Path)
    training.add_argument("--epochs", type=int, default=6)
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--loss", choices=["mse", "l1"], default="mse")
    training.add_argument("--resume", action="store_true")
    training.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    pretrain(
        options.data,
        options.output,
        epochs=options.epochs,
        seed=options.seed,
        loss=options.loss,
        resume=options.resume,
    )


if __name__ == "__main__":
    main()
