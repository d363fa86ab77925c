"""``geodl spectra simulate``: make a table of spectra with their targets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished, Report
from georaster_dl.core.wording import counted

from ..options.completion import complete_files
from ..options.groups import option_group
from ..options.shared import (
    INPUT_FILE,
    check_suffix,
    output_option,
    overwrite_option,
    progress_options,
    seed_option,
    wavelengths_option,
)
from ..terminal.hints import with_options
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from .options import Outcome, TableReading, staged, table_options, target_options

if TYPE_CHECKING:
    from georaster_dl.io.scenes.scene import Scene
    from georaster_dl.spectra.simulate.result import Simulated

__all__ = ["simulate"]


class _MethodChoice(click.Choice[str]):
    """Names of the methods, looked up when the command needs them."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        from georaster_dl.spectra.simulate.methods import METHODS

        return tuple(METHODS)


def _weights(_ctx: Any, param: click.Parameter, text: str | None) -> dict[str, float] | None:
    """Parse ``tree=2,soil=0``."""
    if text is None:
        return None
    found = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise click.BadParameter(f"{part!r} is no NAME=NUMBER.", param=param) from None
    return found


def _parts(ctx: Any, param: click.Parameter, text: str | None) -> dict[int, float] | None:
    """Parse ``1=0.2,2=0.5``."""
    weights = _weights(ctx, param, text) or {}
    wrong = [name for name in weights if not name.isdecimal()]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is no number of spectra.", param=param)
    return {int(name): weight for name, weight in weights.items()} or None


def _factors(_ctx: Any, param: click.Parameter, text: str | None) -> tuple[float, float] | None:
    """Parse ``0.7-1.3``, or ``1`` for none."""
    if text is None:
        return None
    low, _, high = text.partition("-")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no range of factors; give the least and the most, such as 0.7-1.3.",
            param=param,
        ) from None


def _ranges(_ctx: Any, param: click.Parameter, text: str | None) -> dict[str, Any] | None:
    """Parse ``lai=0..6,sun_zenith=30``."""
    if text is None:
        return None
    found = {}
    for part in text.split(","):
        name, _, values = part.partition("=")
        low, _, high = values.partition("..")
        try:
            found[name.strip()] = float(low), float(high or low)
        except ValueError:
            raise click.BadParameter(
                f"{part!r} is no NAME=LEAST..LARGEST, such as lai=0..6.", param=param
            ) from None
    return found


def _given(target: tuple[str, ...], targets: tuple[str, ...], **others: Any) -> dict[str, Any]:
    """Collect the options that were given, by the names of the methods' arguments."""
    every = {"targets": (*target, *targets), **others}
    # A noise of 0 is given: it equals False but is none.
    return {
        name: value
        for name, value in every.items()
        if value is not None and value is not False and value != ()
    }


_method_options = option_group(
    "own",
    _given,
    click.option(
        "--class-field", metavar="NAME", help="Column of the library with the spectra's classes."
    ),
    *target_options,
    click.option(
        "--within-classes",
        is_flag=True,
        help="Mix spectra of the same class, which is the target then, instead of the classes' fractions.",
    ),
    click.option(
        "--parts",
        metavar="1=0.2,2=0.5,3=0.3",
        callback=_parts,
        help="Probability of each number of spectra in a mixture. [default: as shown, within classes 3=1]",
    ),
    click.option(
        "--proportions",
        metavar="NAME=2,NAME=0",
        callback=_weights,
        help="Proportions in which classes are drawn. [default: 1 each]",
    ),
    click.option(
        "--brightness",
        metavar="LOW-HIGH",
        callback=_factors,
        help="Range of a factor on each mixture. [default: 0.7-1.3 for fractions of reflectances, else 1]",
    ),
    click.option(
        "--shade",
        is_flag=True,
        help="Give half of the mixtures a black part.",
    ),
    click.option(
        "--noise",
        type=float,
        metavar="SD",
        help="Standard deviation of noise in each band. [default: mixtures with --for SCENE as --noise-of SCENE]",
    ),
    click.option(
        "--noise-of",
        metavar="SCENE",
        shell_complete=complete_files,
        help="Another scene whose noise and variation mixtures get, from differences of neighbouring pixels.",
    ),
    click.option(
        "--bilinear", is_flag=True, help="Add light that meets two parts of a mixture in turn."
    ),
    click.option(
        "--dimensions",
        type=click.IntRange(min=1),
        help="Number of principal components of gaussian. [default: 15]",
    ),
    click.option(
        "--traits",
        metavar="NAME=LOW..HIGH,...",
        callback=_ranges,
        help="Traits that prospect and prosail draw evenly within other bounds, such as lai=0..6,sun_zenith=30.",
    ),
    click.option(
        "--soils",
        type=INPUT_FILE,
        metavar="TABLE",
        help="Spectra of bare soils under the plants of prosail. [default: soils computed from six numbers]",
    ),
    click.option(
        "--gan-loss",
        type=click.Choice(["wasserstein", "original"]),
        help="Loss of gan: the Wasserstein distance, or the original alternation. [default: wasserstein]",
    ),
    click.option(
        "--gan-steps",
        type=click.IntRange(min=1),
        help="Training steps of the generator of gan. [default: 3000]",
    ),
)
"""Options that belong to methods, by the names of their functions' arguments."""


@click.command()
@click.argument("library", nargs=-1, type=INPUT_FILE, metavar="[LIBRARY...]")
@click.option("--method", type=_MethodChoice(), required=True, help="Way of simulation.")
@click.option("-n", "n", type=int, default=5000, show_default=True, help="Number of spectra.")
@output_option("Table to make (.parquet, .csv or .xlsx).", required=True)
@_method_options
@click.option(
    "--for",
    "for_",
    metavar="SCENE|sentinel-2",
    shell_complete=complete_files,
    help="Scene whose bands the spectra get, without those of water vapour, and whose noise mixtures get; or sentinel-2.",
)
@wavelengths_option
@click.option(
    "--add",
    type=INPUT_FILE,
    multiple=True,
    metavar="LIBRARY",
    help="Another library, put below the first; with --for of any wavelengths. Repeatable.",
)
@click.option(
    "--scale",
    type=float,
    help="Factor on the values of LIBRARY, such as 0.0001 where they are 0 to 10,000.",
)
@click.option("--quantity", help="Quantity that the spectra hold. [default: reflectance]")
@click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Page (.html) that judges the spectra by held-out measured ones.",
)
@click.option(
    "--against",
    type=INPUT_FILE,
    help="Table of other measured spectra that the report judges by.",
)
@click.option(
    "--preprocess",
    default="none",
    show_default=True,
    help="Preprocessing before the report's models and distances, such as snv,savgol(15,2,1).",
)
@click.option(
    "--group-column",
    help="Column of samples, whose spectra the report holds out together.",
)
@table_options()
@seed_option()
@overwrite_option
@progress_options
def simulate(
    *,
    library: tuple[Path, ...],
    method: str,
    n: int,
    output: Path,
    own: Mapping[str, Any],
    for_: str | None,
    wavelengths: tuple[float, ...] | None,
    add: tuple[Path, ...],
    scale: float | None,
    quantity: str | None,
    page: Path | None,
    against: Path | None,
    preprocess: str,
    group_column: str | None,
    reading: TableReading,
    seed: int,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Simulate spectra with their targets, as a table to learn from.

    All rows of the table are marked in the column `synthetic`; geodl spectra train learns from such rows
    (--add), but never tests, validates or calibrates with them.

    \b
    geodl spectra simulate library.sli classes.csv --id-column name --method mixtures --class-field level_2 \\
        --for cube.hdr --scale 0.0001 -n 5000 -o mixed.parquet
    geodl spectra train mixed.parquet --task fractions --targets tree,grass,soil -o cover.safetensors
    geodl spectra simulate forages.csv --method mixtures --class-field type --within-classes -n 500 -o more.csv
    geodl spectra train forages.csv --class-column type --add more.csv -o types.safetensors
    """
    from georaster_dl.spectra.table.write import SPECTRA_SUFFIXES

    check_suffix("-o", output, "a table of spectra", SPECTRA_SUFFIXES)
    check_suffix("--report", page, "HTML", (".html", ".htm"))
    _check_report(page, against is not None or preprocess != "none" or group_column is not None)
    if wavelengths is not None and for_ is None and "noise_of" not in own:
        raise OptionError(
            "--wavelengths are those of a scene, but none is given; name it with --for."
        )
    others = (for_, own.get("noise_of"), own.get("soils"), against)
    inputs = [*library, *add, *(Path(other) for other in others if other)]
    pages = [] if page is None else [page]

    def simulated(report: Report) -> Outcome[tuple[Simulated, str]]:
        from georaster_dl.spectra.simulate.bands import SENSORS, scene_bands
        from georaster_dl.spectra.simulate.judging.judge import Judging
        from georaster_dl.spectra.simulate.judging.page import write_judgement
        from georaster_dl.spectra.simulate.run import Request, simulate_from

        scene = _opened(for_, wavelengths) if for_ and for_ not in SENSORS else None
        bands = SENSORS.get(for_ or "") if scene is None else scene_bands(scene)
        with staged(report, output, extras=pages, inputs=inputs, overwrite=overwrite) as stage:
            options = dict(own)
            if "soils" in own:
                options["soils"] = reading.read([own["soils"]], report)
            if "noise_of" in own:
                options["noise_of"] = _opened(own["noise_of"], wavelengths)
            tables = [
                reading.read(each, report) for each in (library, *([path] for path in add)) if each
            ]
            request = Request(method, n, seed, options, bands, scene, scale, quantity)
            made = simulate_from(tables, request, report)
            made.write(stage.path(output))
            verdict = ""
            if page is not None:
                real = None if against is None else reading.read((against,), report)
                with stage.making(page) as path:
                    verdict = write_judgement(
                        path,
                        request,
                        made,
                        tables,
                        real,
                        Judging(preprocess, group_column),
                        report,
                        with_options,
                    )
        return Outcome((made, verdict), [output, *stage.made(pages)], stage.failed)

    return run_with_progress(terminal, simulated, _finished, _print)


def _finished(outcome: Outcome[tuple[Simulated, str]]) -> Finished:
    made, verdict = outcome.value
    return finished(
        outcome.files,
        outcome.failed,
        spectra=len(made),
        columns=list(made.columns),
        verdict=verdict,
    )


def _print(outcome: Outcome[tuple[Simulated, str]]) -> None:
    made, verdict = outcome.value
    low, high = made.wavelengths_nm[[0, -1]]
    click.echo(
        f"{counted(len(made), 'spectrum')} of {counted(len(made.wavelengths_nm), 'band')} ({low:.0f} to {high:.0f} nm), "
        f"with {', '.join(made.columns)}{_noise_of(made)}"
    )
    if verdict:
        click.echo(verdict)
    print_outputs(outcome.files)


def _check_report(page: Path | None, settings: bool) -> None:
    if page is None and settings:
        raise OptionError(
            "--against, --preprocess and --group-column are of the report, but none is asked for; name its page with --report."
        )


def _noise_of(made: Simulated) -> str:
    """Name the scene whose noise was taken."""
    noise = made.settings.get("noise")
    return f"; noise {noise} (--noise 0: none)" if isinstance(noise, str) else ""


def _opened(scene: str, wavelengths: tuple[float, ...] | None) -> Scene:
    from georaster_dl.core.scene_options import SceneOptions
    from georaster_dl.io.scenes.empty_bands import without_empty_bands
    from georaster_dl.io.scenes.reader import open_scene

    return without_empty_bands(open_scene(scene, SceneOptions(wavelengths=wavelengths)))
