"""Options of the commands of ``geodl spectra``, and the values that they become."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned, warner

from ..options.completion import complete_files
from ..options.groups import option_group
from ..options.shared import (
    INPUT_FILE,
    OUTPUT_FILE,
    RenamedOption,
    check_suffix,
    device_option,
    seed_option,
)

if TYPE_CHECKING:
    from georaster_dl.io.output.staging import FailedOutput, Staging
    from georaster_dl.spectra.methods.selection import Selection
    from georaster_dl.spectra.registry import Settings
    from georaster_dl.spectra.scoring.folds import FoldKind
    from georaster_dl.spectra.scoring.split import SplitKind
    from georaster_dl.spectra.table.samples import SpectraTable
    from georaster_dl.spectra.training.columns import TableOptions

__all__ = [
    "Columns",
    "MethodChoice",
    "Outcome",
    "TableReading",
    "Training",
    "add_option",
    "check_plot",
    "column_options",
    "data_argument",
    "init_option",
    "model_file_option",
    "plot_option",
    "resample_option",
    "staged",
    "table_options",
    "target_options",
    "training_options",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class MethodChoice(click.Choice[str]):
    """Names of all methods, and ``auto``, looked up when a command needs them."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names, with hyphens."""
        from georaster_dl.models.registry import fitted_models, spectral_models

        names = (*fitted_models(to="tables"), *spectral_models())
        return ("auto", *(name.replace("_", "-") for name in names))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take the names that are printed for classes, too."""
        of_classes = {"pls-da": "pls", "lwpls-da": "lwplsr"}
        return super().convert(of_classes.get(value, value), param, ctx)


@dataclass(frozen=True)
class Columns:
    """Columns with the values or the classes of spectra."""

    targets: tuple[str, ...]
    class_column: str | None


@dataclass(frozen=True)
class TableReading:
    """Way in which tables of spectra are read."""

    unit: Literal["nm", "um", "cm-1"] | None
    id_column: str | None
    drop_missing: bool
    sheet: tuple[str, ...]
    below: Literal["half", "drop", "error"] | None
    resample: bool = False

    def read(self, data: Sequence[Path], report: Report) -> SpectraTable:
        """Read the table, and warn of repairs."""
        from georaster_dl.spectra.table.samples import SpectraOptions, read_spectra

        below = self.below or "error"
        options = SpectraOptions(self.unit, self.id_column, self.drop_missing, self.sheet, below)
        return _said(read_spectra(data, options), report)

    def read_predictions(self, path: Path, report: Report) -> SpectraTable:
        """Read a table of predictions, which needs no spectra, and warn of repairs."""
        from georaster_dl.spectra.predict import read_predictions

        return _said(read_predictions(path, self.below or "error"), report)

    def only_for_spectra(self) -> list[str]:
        """Spell the options that are given and say something of spectra."""
        given = [name for name, value in vars(self).items() if value and name != "below"]
        return [f"--{name.replace('_', '-')}" for name in given]


def _said(table: SpectraTable, report: Report) -> SpectraTable:
    for repair in table.repairs:
        report(Warned(repair))
    return table


@dataclass(frozen=True)
class Training:
    """Preprocessing, divisions and settings of a training on spectra."""

    ranges: tuple[tuple[float, float], ...]
    preprocess: str
    split: SplitKind
    split_column: str | None
    group_column: str | None
    date_column: str | None
    folds: int
    cv: FoldKind
    components: int | None
    epochs: int | None
    select: Selection
    device: str
    seed: int

    def table_options(
        self,
        columns: Columns,
        *,
        quantity: str | None = None,
        repeats: int = 1,
        fractions: bool = False,
    ) -> TableOptions:
        """Make the options for targets, split and folds."""
        from georaster_dl.spectra.scoring.folds import Folding
        from georaster_dl.spectra.scoring.split import Division
        from georaster_dl.spectra.training.columns import TableOptions

        return TableOptions(
            columns.targets,
            columns.class_column,
            Division(self.split, self.split_column, self.group_column, self.date_column),
            Folding(self.cv, self.folds, repeats),
            quantity,
            fractions,
        )

    def settings(self, *, members: int = 1, init: str | None = None) -> Settings:
        """Make the settings of the methods."""
        from georaster_dl.spectra.registry import Settings

        return Settings(
            self.preprocess,
            self.components,
            members,
            self.epochs,
            self.device,
            self.seed,
            self.select,
            init,
        )


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """Result of a command, its files, and the files that could not be made."""

    value: T
    files: list[Path]
    failed: tuple[FailedOutput, ...] = ()


def _split_names(text: str | None) -> tuple[str, ...]:
    """Split names of columns at commas."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


data_argument = click.argument("data", nargs=-1, required=True, type=INPUT_FILE, metavar="DATA...")
target_options = (
    click.option("--target", multiple=True, metavar="NAME", help="Column of values; repeatable."),
    click.option(
        "--targets",
        metavar="NAME,NAME",
        callback=lambda _ctx, _param, text: _split_names(text),
        help="Columns of values at once, instead of --target for each.",
    ),
)


def _columns(
    target: tuple[str, ...], targets: tuple[str, ...], class_column: str | None
) -> Columns:
    return Columns((*target, *targets), class_column)


column_options = option_group(
    "columns",
    _columns,
    *target_options,
    click.option("--class-column", metavar="NAME", help="Column of classes, instead of values."),
)
model_file_option = click.option(
    "-m", "--model", type=INPUT_FILE, help="Model package of geodl spectra train."
)
plot_option = click.option(
    "--plot", type=OUTPUT_FILE, help="Also write a PNG of predicted against measured values."
)
add_option = click.option(
    "--add",
    type=INPUT_FILE,
    multiple=True,
    metavar="TABLE",
    help="Table of spectra that only learn, such as simulated ones; no test, fold or interval takes a row of it. Repeatable.",
)
init_option = click.option(
    "--init",
    metavar="MODEL",
    shell_complete=complete_files,
    help="Model whose weights networks start from, such as one of geodl spectra pretrain; the method is its own then.",
)
resample_option = click.option(
    "--resample",
    is_flag=True,
    help="Interpolate spectra of another instrument to the model's wavelengths.",
)
_TABLE_OPTIONS = (
    click.option(
        "--unit",
        type=click.Choice(["nm", "um", "cm-1"]),
        help="Unit of the wavelengths, where the header does not state it.",
    ),
    click.option(
        "--id-column", metavar="NAME", help="Column by which rows of several files are joined."
    ),
    click.option("--drop-missing", is_flag=True, help="Leave out spectra with missing values."),
    click.option(
        "--sheet",
        multiple=True,
        metavar="NAME",
        help="Sheet of a workbook; several are joined like files. [default: the first]",
    ),
    click.option(
        "--below",
        type=click.Choice(["half", "drop", "error"]),
        help="Take values below a limit, such as <0.05, as half of it or as not known (drop). [default: error]",
    ),
)


def table_options(*, resample: bool = False) -> Callable[[F], F]:
    """Make the options of how tables are read, with --resample where a model reads them."""
    more = (resample_option,) if resample else ()
    return option_group("reading", TableReading, *_TABLE_OPTIONS, *more)


def _parse_ranges(texts: Sequence[str]) -> tuple[tuple[float, float], ...]:
    ranges = []
    for text in texts:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", text.strip())
        if match is None or float(match[1]) >= float(match[2]):
            raise click.BadParameter(
                f"{text!r} is no range of wavelengths in nm; give the first and the last, such as 420-2440."
            )
        ranges.append((float(match[1]), float(match[2])))
    return tuple(ranges)


training_options = option_group(
    "training",
    Training,
    click.option(
        "--range",
        "ranges",
        multiple=True,
        metavar="LOW-HIGH",
        callback=lambda _ctx, _param, texts: _parse_ranges(texts),
        help="Wavelengths to learn from, in nm; repeatable. [default: all]",
    ),
    click.option(
        "--preprocess",
        default="none",
        metavar="STEPS",
        help="Preprocessing steps of the spectra, such as 'snv,savgol(15,2,1)'.",
    ),
    click.option(
        "--split",
        type=click.Choice(["random", "kennard-stone", "spxy", "duplex", "date"]),
        default="random",
        show_default=True,
        help="Choice of the fifth of the samples that tests; by date the latest.",
    ),
    click.option(
        "--split-column",
        metavar="NAME",
        help="Column that assigns rows to training, validation and test, instead of --split.",
    ),
    click.option(
        "--group-column",
        cls=RenamedOption,
        formerly="--group",
        metavar="NAME",
        help="Column of samples, whose spectra no split and no fold divides.",
    ),
    click.option(
        "--date-column", metavar="NAME", help="Column of dates, for --split and --cv date."
    ),
    click.option(
        "--folds", type=int, default=5, show_default=True, help="Number of cross-validation folds."
    ),
    click.option(
        "--cv",
        type=click.Choice(["random", "venetian-blinds", "contiguous-blocks", "date"]),
        default="random",
        show_default=True,
        help="Kind of cross-validation folds.",
    ),
    click.option(
        "--components",
        type=click.IntRange(min=1),
        help="Number of latent variables of pls and lwplsr; chosen by cross-validation by default.",
    ),
    click.option(
        "--select",
        type=click.Choice(["none", "ipls", "cars"]),
        default="none",
        show_default=True,
        help="Selection of wavelengths for pls: by interval PLS or CARS, anew in each fold.",
    ),
    click.option("--epochs", type=int, help="Epochs of a network [default: 150]."),
    device_option(),
    seed_option(),
)


@contextmanager
def staged(
    report: Report,
    *outputs: Path,
    extras: Sequence[Path] = (),
    inputs: Sequence[Path],
    overwrite: bool,
) -> Iterator[Staging]:
    """Stage the outputs of a command, which appear together; ``extras`` may fail by themselves."""
    from georaster_dl.io.output.staging import Staging

    with Staging(
        *outputs, extras=extras, overwrite=overwrite, protect=inputs, warn=warner(report)
    ) as stage:
        yield stage


def check_plot(plot: Path | None, columns: Columns) -> None:
    """Refuse a plot that is no PNG, or of classes."""
    check_suffix("--plot", plot, "a picture", (".png",))
    if plot is not None and columns.class_column is not None:
        raise OptionError(
            "--plot draws predicted against measured values; leave it out for classes."
        )
