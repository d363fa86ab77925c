"""What the commands of ``geodl spectra`` have in common: options, and how a table is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned, warner

from ..options.model_run import check_suffix
from ..options.shared import OUTPUT_FILE
from ..terminal.progress import end_with_parent, reporting

if TYPE_CHECKING:
    from georaster_dl.io.output.staging import Staging
    from georaster_dl.spectra.registry import Settings
    from georaster_dl.spectra.table.samples import SpectraTable
    from georaster_dl.spectra.train import TableOptions

__all__ = [
    "NetworkChoice",
    "check_plot",
    "class_column_option",
    "columns_of",
    "data_argument",
    "learning_options",
    "model_file_option",
    "overwrite_option",
    "plot_option",
    "read_table",
    "resample_option",
    "settings_of",
    "staged",
    "table_options",
    "talking",
    "target_option",
    "told",
]

F = TypeVar("F", bound=Callable[..., Any])


def _applied(options: list[Any]) -> Callable[[F], F]:
    def apply(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


data_argument = click.argument(
    "data", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DATA..."
)
target_option = click.option("--target", "targets", multiple=True, help="Column of values.")


class NetworkChoice(click.Choice[str]):
    """Names of the networks of single spectra, looked up when a command needs them."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names, with hyphens."""
        from georaster_dl.models.registry import spectral_models

        return tuple(name.replace("_", "-") for name in spectral_models())


class_column_option = click.option("--class-column", help="Column of classes, instead of values.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
plot_option = click.option(
    "--plot",
    type=OUTPUT_FILE,
    help="PNG of predicted against measured values.",
)
model_file_option = click.option(
    "-m", "--model", type=click.Path(path_type=Path), help="Model that geodl spectra train made."
)
resample_option = click.option(
    "--resample",
    is_flag=True,
    help="Bring spectra of another instrument to the model's wavelengths.",
)
table_options = _applied(
    [
        click.option(
            "--unit",
            type=click.Choice(["nm", "um", "cm-1"]),
            help="Of the wavelengths, where the header does not say.",
        ),
        click.option("--id-column", help="Column that joins the rows of several files."),
        click.option("--drop-missing", is_flag=True, help="Leave spectra with gaps out."),
    ]
)
learning_options = _applied(
    [
        click.option(
            "--preprocess",
            default="none",
            metavar="STEPS",
            help="Preprocessing of spectra, for example 'snv,savgol(15,2,1)'.",
        ),
        click.option(
            "--split-column",
            help="Column that says which rows train, validate and test; by chance otherwise.",
        ),
        click.option("--group", help="Column of samples, whose spectra stay together."),
        click.option("--epochs", type=int, help="Epochs of a network (150)."),
        click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N."),
        click.option("--seed", type=int, default=0, help="Of everything random."),
    ]
)


@contextmanager
def told(given: Mapping[str, Any]) -> Iterator[Report]:
    """The reporter that ``run_options`` ask for, for the length of the block."""
    if given["parent_pipe"]:
        end_with_parent()
    with reporting(given["progress"], given["quiet"], given["log"]) as report:
        yield report


@contextmanager
def staged(
    given: Mapping[str, Any], report: Report, *outputs: Path, extras: Sequence[Path] = ()
) -> Iterator[Staging]:
    """The outputs of a command, which appear together; ``extras`` may fail alone."""
    from georaster_dl.io.output.staging import Staging

    inputs = [*given["data"], *([given["model"]] if given.get("model") else [])]
    with Staging(
        *outputs,
        extras=extras,
        overwrite=given["overwrite"],
        protect=inputs,
        warn=warner(report),
    ) as stage:
        yield stage


def check_plot(given: Mapping[str, Any]) -> None:
    """Refuse a plot that is no PNG, or of classes."""
    check_suffix("--plot", given["plot"], "a picture", (".png",))
    if given["plot"] is not None and given["class_column"] is not None:
        raise OptionError(
            "--plot draws predicted against measured values; leave it out for classes."
        )


def talking(given: Mapping[str, Any]) -> bool:
    """Whether people read what is printed."""
    return given["progress"] == "bar" and not given["quiet"]


def read_table(given: Mapping[str, Any], report: Report) -> SpectraTable:
    """Read the table, and say what was repaired."""
    from georaster_dl.spectra.table.samples import SpectraOptions, read_spectra

    options = SpectraOptions(given["unit"], given["id_column"], given["drop_missing"])
    table = read_spectra(given["data"], options)
    for repair in table.repairs:
        report(Warned(repair))
    return table


def columns_of(given: Mapping[str, Any], **more: Any) -> TableOptions:
    """What is learnt, and how rows are divided."""
    from georaster_dl.spectra.train import TableOptions

    names = ("class_column", "split_column", "group")
    return TableOptions(given["targets"], **{name: given[name] for name in names}, **more)


def settings_of(given: Mapping[str, Any], **more: Any) -> Settings:
    """How the methods are set."""
    from georaster_dl.spectra.registry import Settings

    names = ("epochs", "device", "seed")
    return Settings(given["preprocess"], **{name: given[name] for name in names}, **more)
