"""``geodl models``: list, show, check and export models."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.bands import MOST_NAMED
from georaster_dl.core.legend import color_hex
from georaster_dl.core.wording import command_line, counted, listed

from ..options.completion import complete_models
from ..options.shared import debug_option, json_option, output_option, overwrite_option
from ..terminal.console import rich_console
from .models_fit import fit_command

if TYPE_CHECKING:
    from georaster_dl.models.package.card import Card
    from georaster_dl.models.package.values import Target

__all__ = ["models"]

_IMAGES, _SERIES, _SPECTRA, _POINTS = (
    "images",
    "time series",
    "tables of spectra",
    "LiDAR sequences",
)  # what a model is trained on
_OF_IMAGES = {"halo", "cost", "calibration", "resolution"}
_MOST_PLACES = 8
_PIPED_WIDTH = 10_000  # characters: a file or a program has no width


@click.group()
def models() -> None:
    """List, show, check and export models; find those that fit a scene."""


models.add_command(fit_command)


@models.command("list")
@click.argument("pattern", default="*")
@click.option(
    "--architectures", is_flag=True, help="List the architectures to train, not the models."
)
@json_option
@debug_option
def list_command(pattern: str, architectures: bool, as_json: bool) -> None:
    """List the bundled models with a name that matches PATTERN, for example "s2-*"."""
    rows = _architectures(pattern) if architectures else _bundled(pattern)
    if as_json:
        click.echo(json.dumps(rows))
    elif not rows:
        click.echo(f"no {'architecture' if architectures else 'bundled model'} matches {pattern!r}")
    else:
        _print_table(rows)
        if not architectures:
            click.echo("next: geodl models show MODEL")


def _architectures(pattern: str) -> list[dict[str, Any]]:
    from georaster_dl.models.registry import (
        describe_model,
        fitted_models,
        list_models,
        point_models,
        series_models,
    )

    inputs = {
        **dict.fromkeys(list_models(pattern), _IMAGES),
        **dict.fromkeys(series_models(pattern=pattern), _SERIES),
        **dict.fromkeys(point_models(pattern), _POINTS),
        **dict.fromkeys(fitted_models(pattern), _SPECTRA),
        **dict.fromkeys(fitted_models(pattern, to="pixels"), _IMAGES),
    }
    return [
        {
            "name": name,
            "input": read,
            "summary": describe_model(name)[0],
            "options": describe_model(name)[1],
        }
        for name, read in inputs.items()
    ]


def _bundled(pattern: str) -> list[dict[str, Any]]:
    from georaster_dl.models.package.file import builtin_models, read_card

    rows = []
    for name, path in builtin_models().items():
        if fnmatch.fnmatch(name, pattern):
            card = read_card(path)
            rows.append(
                {
                    "name": name,
                    "version": card.version,
                    "task": card.task,
                    "input": _input(card),
                    "bands": len(card.bands),
                    "predicts": _predicts(card),
                    "resolution": _resolution(card),
                    "licence": card.licence,
                    "path": str(path),
                }
            )
    return rows


def _input(card: Card) -> str:
    if card.lidar is not None:
        return _POINTS
    return _IMAGES if card.series is None else _SERIES


def _predicts(card: Card) -> str:
    if card.task == "fractions":
        return card.predicts
    return ", ".join(target.label for target in card.targets) or card.predicts


def _resolution(card: Card) -> str:
    if card.resolution_m is None:
        return "any"
    finest, coarsest = card.resolution_m
    return f"{finest:g} m" if finest == coarsest else f"{finest:g}-{coarsest:g} m"


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    hidden = {"path", "options"}
    table = Table(box=None, pad_edge=False)
    for column in rows[0]:
        if column not in hidden:
            # A name that is cut cannot be given to -m.
            table.add_column(column, overflow="fold", no_wrap=column == "name")
    for row in rows:
        # A card's texts are a stranger's: brackets in them must stay brackets.
        table.add_row(*(escape(str(value)) for key, value in row.items() if key not in hidden))
    console = rich_console()
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    console.print(table)


@models.command("show")
@click.argument("model", shell_complete=complete_models)
@json_option
@debug_option
def show_command(model: str, as_json: bool) -> None:
    """Show the card of MODEL, a file or the name of a bundled model."""
    from georaster_dl.models.package.file import find_model, read_card

    card = read_card(find_model(model))
    if as_json:
        click.echo(json.dumps(json.loads(card.to_json())))
        return
    click.echo(
        f"{card.name} {card.version}" + (f" - {card.description}" if card.description else "")
    )
    if card.limitations:
        click.echo(f"limitations: {card.limitations}")
    for label, text in card_facts(card):
        click.echo(f"  {label:<12} {text}")
    _print_section(
        "classes", [f"{c.value:5d}  {color_hex(c.color)}  {c.name}" for c in card.classes]
    )
    settings = [f"{name:<28} {value}" for name, value in card.configuration.items()]
    _print_section("trained with", settings)
    command = ["features" if card.task == "autoencoder" else "segment", "SCENE"]
    if card.series is not None:
        command = ["timeseries", "classify", "STACK"]
    if card.lidar is not None:
        command = ["lidar", "segment", "SEQUENCE"]
    click.echo(f"next: {command_line('geodl', *command, '-m', model)}")


def _print_section(title: str, lines: list[str]) -> None:
    if lines:
        click.echo(title)
    for line in lines:
        click.echo(f"  {line}")


def _outliers(card: Card) -> str:
    """Limits of a calibration's spectra; none for a model of scenes."""
    domain = card.domain
    if domain is None:
        return ""
    t2, q = (" and ".join(f"{v:.4g}" for v in pair) for pair in (domain.t2_limits, domain.q_limits))
    return (
        f"95 and 99 % of ordinary spectra have T2 below {t2}, Q below {q}, with "
        f"{counted(domain.n_components, 'component')} of {counted(domain.spectra, 'spectrum')}"
    )


def card_facts(card: Card) -> list[tuple[str, str]]:
    """Label and text of each line of a card but the classes and the configuration."""
    facts = [
        ("predicts", _quantity(card)),
        ("bands", listed(card.bands, MOST_NAMED)),
        ("series", _series(card)),
        ("sensor", _sensor(card)),
        (
            "needs",
            f"{card.required_bands_text}; other bands may be absent" if card.required_bands else "",
        ),
        ("values", card.quantity),
        ("preprocessed", card.preprocessing.steps if card.preprocessing else ""),
        ("resolution", _resolution(card)),
        ("places", _places(card)),
        ("network", f"{_network(card)}, stride {card.stride}"),
        ("halo", _halo(card)),
        (
            "cost",
            f"{card.cost.macs_per_pixel / 1000:.4g} kMAC and {card.cost.bytes_per_pixel:.4g} bytes per pixel",
        ),
        ("calibration", _calibration(card)),
        ("outliers", _outliers(card)),
        *(("measured", f"{value:#.3g}  {name}") for name, value in card.metrics.items()),
        *((name, text) for name, text in card.training.items()),
        ("licence", card.licence),
        ("weights", f"sha256 {card.weights_sha256[:16]}..."),
    ]
    without = _OF_IMAGES if card.lidar is not None else ()
    return [(label, text) for label, text in facts if text and label not in without]


def _network(card: Card) -> str:
    """Architecture and encoder, of an ensemble those of its members, and a head that is no plain one."""
    architecture, options = card.architecture, card.architecture.options
    is_ensemble = architecture.name == "ensemble"
    name = f"{options['members']} x {options['member']}" if is_ensemble else architecture.name
    head = options.get("head")
    network = " + ".join(filter(None, (name, architecture.encoder)))
    return network if head in (None, "plain") else f"{network}, {head} head"


def _places(card: Card) -> str:
    """Where it was trained and tested, longitude and latitude."""
    shown = ", ".join(f"{lon:g} {lat:g}" for lon, lat in card.places[:_MOST_PLACES])
    more = len(card.places) - _MOST_PLACES
    return f"{shown}{f' and {more} more' if more > 0 else ''} (longitude latitude)" if shown else ""


def _quantity(card: Card) -> str:
    if not card.targets:
        return "" if card.classes else card.predicts
    if card.task == "fractions":
        intervals = "".join(dict.fromkeys(_interval(target) for target in card.targets))
        return f"{card.predicts}, which sum to 1{intervals}"
    return "; ".join(
        f"{target.label}, in training {target.mean:.4g} +/- {target.std:.4g}" + _interval(target)
        for target in card.targets
    )


def _interval(target: Target) -> str:
    return "" if target.interval is None else f", with {target.interval.level:.0%} intervals"


def _calibration(card: Card) -> str:
    if not card.classes:
        return ""
    calibration = card.calibration
    how = "a gain and an offset of each class" if calibration.gain else ""
    error = calibration.ece
    return (how or f"temperature {calibration.temperature:.3g}") + (
        "" if error is None else f", expected calibration error {error:.3g}"
    )


def _series(card: Card) -> str:
    """Sensors and dates of a model of time series; empty for models of single images."""
    if card.series is None:
        return ""
    series = card.series
    sensors = ", ".join(
        f"{sensor.name} ({counted(sensor.bands, 'band')})" for sensor in series.sensors
    )
    fewest, most = series.dates
    first, last = series.days
    return (
        f"{sensors}; {series.unit}s of {fewest} to {most} clear dates, days {first:.0f} to {last:.0f} since "
        f"{series.season_start}{f'; masked by {series.mask}' if series.mask else ''}"
    )


def _sensor(card: Card) -> str:
    """Sensor of a model of LiDAR sequences; empty for others."""
    if card.lidar is None:
        return ""
    sensor = card.lidar
    return (
        f"{counted(sensor.points, 'point')} a turn of {sensor.period_s:.3g} s, {counted(sensor.slices, 'slice')} a turn, "
        f"{sensor.layout} layout"
    )


def _halo(card: Card) -> str:
    halo = card.halo
    exact = "no halo is exact" if halo.exact is None else f"exact at {halo.exact}"
    changed = "" if halo.changed is None else f", {100 * halo.changed:.2g} % of pixels change"
    blend = f", blended over {halo.blend} on each side of a seam" if halo.blend else ""
    return f"{counted(halo.default, 'pixel')} ({exact}{changed}){blend}"


@models.command("check")
@click.argument("model", shell_complete=complete_models)
@debug_option
def check_command(model: str) -> None:
    """Load MODEL, verify its weights, run it, and test its claim about the halo."""
    from georaster_dl.models.exchange.check import check_model
    from georaster_dl.models.package.file import find_model

    for line in check_model(find_model(model)):
        click.echo(f"ok  {line}")


@models.command("export")
@click.argument("model", shell_complete=complete_models)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["stac", "onnx"]),
    required=True,
    help="Format to export to.",
)
@output_option("File to make.", required=True)
@click.option(
    "--bands",
    metavar="B02,B03,...",
    help="ONNX: the model's bands that the input has; all by default.",
)
@click.option(
    "--tile", type=int, default=512, show_default=True, help="ONNX: rows and columns of the input."
)
@click.option(
    "--scale", type=float, default=1.0, help="ONNX: physical value = stored value * scale + offset."
)
@click.option(
    "--offset",
    type=float,
    default=0.0,
    help="ONNX: physical value = stored value * scale + offset.",
)
@overwrite_option
@debug_option
def export_command(
    model: str,
    kind: str,
    output: Path,
    bands: str | None,
    tile: int,
    scale: float,
    offset: float,
    overwrite: bool,
) -> None:
    """Export MODEL: its card as a STAC item, or its network as ONNX for QGIS Deepness."""
    from georaster_dl.models.exchange.onnx import export_onnx, export_stac
    from georaster_dl.models.package.file import find_model, read_card

    package = find_model(model)
    if kind == "stac":
        export_stac(package, output, overwrite=overwrite)
        click.echo(f"{output}")
        return
    names = None if bands is None else [name.strip() for name in bands.split(",")]
    difference = export_onnx(
        package, output, bands=names, tile=tile, scale=scale, offset=offset, overwrite=overwrite
    )
    click.echo(f"{output}  (output within {difference:.1g} of the network's)")
    card = read_card(package)
    read = [band.name for band in card.bands if names is None or band.name in names]
    click.echo(
        f"it reads {listed(read, MOST_NAMED)} as Deepness gives them, numbers / 255, and takes {card.quantity} to be "
        f"number x {scale:g} {offset:+g}"
    )
