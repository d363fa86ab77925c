"""Entry point: the group of commands, and how every error ends."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import click

from georaster_dl import __version__
from georaster_dl.core.errors import GeoRasterError
from georaster_dl.core.events import Failed
from georaster_dl.core.process import interrupt_when_ended
from georaster_dl.core.text import visible

from .commands.batch import batch
from .commands.bundle import bundle
from .commands.calibrate import calibrate
from .commands.change import change
from .commands.check_labels import check_labels
from .commands.classify import classify
from .commands.clean import clean
from .commands.cluster import cluster
from .commands.completion import completion
from .commands.denoise import denoise
from .commands.doctor import doctor
from .commands.evaluate import evaluate
from .commands.features import features
from .commands.info import info
from .commands.models import models
from .commands.mosaic import mosaic
from .commands.polygons import polygons
from .commands.propose import propose
from .commands.qgis import qgis
from .commands.sample_points import sample_points
from .commands.segment import segment
from .commands.serve import serve
from .commands.train import train
from .commands.unmix import unmix
from .commands.zonal import zonal
from .lidar.commands import lidar
from .spectra.commands import spectra
from .terminal.console import lost_output, prepare_console
from .terminal.events import EventLog, event_line
from .terminal.foreign import forget_foreign_gdal
from .terminal.hints import with_options
from .terminal.results import EXTRA_FAILED
from .timeseries.commands import timeseries

__all__ = ["geodl", "main"]

_CANCELLED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="geodl")
def geodl() -> None:
    """Deep learning on georeferenced rasters.

    \b
    geodl segment scene.tif          land-cover map that QGIS opens with names and colours
    geodl features scene.tif -m MODEL  what a model sees in every pixel, one band per feature
    geodl train scene.tif labels.gpkg -o model.safetensors
    geodl classify features.tif labels.gpkg -o map.tif
    geodl cluster scene.tif -k 12    groups of alike pixels, without labels
    geodl unmix cube.tif -k 4        fractions of the materials in each pixel, without labels
    geodl batch SCENES... -m MODEL -d maps  many scenes; what is done is skipped the next time
    geodl mosaic MAPS... -o map.vrt  maps of neighbouring scenes as one; a STAC collection of them
    geodl clean map.tif --sieve 0.5ha -o clean.tif  single pixels and small areas go to their neighbours
    geodl polygons map.tif -o map.gpkg  objects of a map as clean polygons
    geodl change A B -m MODEL -o change.tif  what has changed between two dates, from-to
    geodl evaluate map.tif truth.tif how right a map is: table, report, areas with intervals
    geodl zonal map.tif districts.gpkg -o areas.csv  area and share of each class per district
    geodl bundle map.tif -o map.zip  a map to send: style, legend, project for QGIS, what belongs to it
    geodl sample-points map.tif -o points.gpkg
    geodl calibrate MODEL scene.tif labels.gpkg -o new.safetensors
    geodl check-labels SCENES... LABELS -o suspects.gpkg  labels that are probably wrong
    geodl propose SCENES... -m MODEL -o areas.gpkg  where more labels would help most
    geodl info scene.tif -m MODEL    bands, nodata, and whether the model fits
    geodl models list                models that come with the package
    geodl spectra --help             values and classes from tables of laboratory spectra
    geodl timeseries --help          crops and other classes from image time series, of pixels and parcels
    geodl lidar --help               rasters of LiDAR points, and classes of the points
    geodl serve                      regions of similar pixels from clicks, for QGIS and your own tools
    geodl qgis install               the plugin for QGIS, put into your profile
    geodl doctor                     what is wrong with this installation, and what to do
    geodl completion bash            completion of commands, options and files in your shell

    Exit status: 0 done; 1 an error; 3 some scenes of a batch are not done; 4 the main output stands, but
    something beside it (a picture, polygons, a report, a style) could not be made; 130 cancelled.
    """


geodl.add_command(segment)
geodl.add_command(features)
geodl.add_command(batch)
geodl.add_command(denoise)
geodl.add_command(train)
geodl.add_command(classify)
geodl.add_command(cluster)
geodl.add_command(unmix)
geodl.add_command(mosaic)
geodl.add_command(clean)
geodl.add_command(polygons)
geodl.add_command(change)
geodl.add_command(evaluate)
geodl.add_command(zonal)
geodl.add_command(bundle)
geodl.add_command(calibrate)
geodl.add_command(sample_points)
geodl.add_command(check_labels)
geodl.add_command(propose)
geodl.add_command(info)
geodl.add_command(models)
geodl.add_command(spectra)
geodl.add_command(timeseries)
geodl.add_command(lidar)
geodl.add_command(serve)
geodl.add_command(qgis)
geodl.add_command(doctor)
geodl.add_command(completion)


def main() -> None:
    """Run ``geodl`` and exit.

    0 done, 1 error, 3 some scenes of a batch failed, 4 the main output stands but something beside it
    failed, 130 cancelled.
    """
    prepare_console(sys.argv[1:])
    forget_foreign_gdal()
    interrupt_when_ended()
    status, lost = _run(sys.argv[1:]), lost_output()
    if lost:
        click.echo(f"geodl: standard output could not be written ({lost})", err=True)
        status = status or EXTRA_FAILED
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    try:
        ended = geodl.main(arguments, prog_name="geodl", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        _say("cancelled", arguments)
        return _CANCELLED
    except click.exceptions.NoArgsIsHelpError as help_page:
        click.echo(help_page.format_message())
        return 0
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = "geodl" if context is None else context.command_path
        _say(f"{error.format_message()} (see {command} --help)", arguments)
    except GeoRasterError as error:
        _raise_if_debugging(arguments)
        _say(str(error), arguments)
    except (OSError, MemoryError) as error:
        _raise_if_debugging(arguments)
        _say(_of_the_system(error), arguments)
    except Exception as error:  # noqa: BLE001  the user gets one line, --debug gets the traceback
        _raise_if_debugging(arguments)
        _say(
            f"unexpected {type(error).__name__}: {error}; run again with --debug and report it.",
            arguments,
        )
    else:
        return ended if isinstance(ended, int) else 0  # the status that a command asked for
    return 1


def _of_the_system(error: OSError | MemoryError) -> str:
    """Describe an error of the operating system in one line."""
    if isinstance(error, MemoryError):
        return f"the memory does not suffice ({error}); close other programs."
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}; check path, permissions and free space (--debug tells more)."


def _raise_if_debugging(arguments: list[str]) -> None:
    if "--debug" in arguments:
        raise  # noqa: PLE0704  called while an exception is handled


def _say(message: str, arguments: list[str]) -> None:
    """One line on standard error; one event on standard output and in the log, where these are asked for."""
    line = visible(with_options(" ".join(message.split())))
    event = event_line(Failed(line))
    if _value(arguments, "--progress") == "json":
        print(event, flush=True)  # noqa: T201
    log = _value(arguments, "--log")
    if log:
        with suppress(GeoRasterError):  # of the log itself
            EventLog(Path(log)).append(event)
    click.echo(f"geodl: {line}", err=True)


def _value(arguments: list[str], option: str) -> str | None:
    """Find the value of an option, also in a command line that click cannot parse."""
    for i, argument in enumerate(arguments):
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
        if argument == option:
            return next(iter(arguments[i + 1 :]), None)
    return None
