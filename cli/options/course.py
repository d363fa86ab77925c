"""Options of how long a network is trained."""

from __future__ import annotations

import click

__all__ = ["length_options"]

length_options = (
    click.option(
        "--epochs",
        type=int,
        help="Maximum number of epochs; training stops earlier when validation no longer improves.",
    ),
    click.option(
        "--minutes",
        type=click.FloatRange(min=0, min_open=True),
        metavar="N",
        help="Minutes that the network may learn for; the learning rate falls towards their end.",
    ),
)
