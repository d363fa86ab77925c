"""Options of how long a network is trained, and of continual learning."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["length_options", "minutes_option", "rehearse_option"]

minutes_option = click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Minutes that each network may learn for; the learning rate falls towards their end.",
)

length_options = (
    click.option(
        "--epochs",
        type=int,
        help="Maximum number of epochs; training stops earlier when validation no longer improves.",
    ),
    minutes_option,
)

rehearse_option = click.option(
    "--rehearse",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Folder NAME_run of the autoencoder of --init: half of each batch are patches of what it learnt.",
)
