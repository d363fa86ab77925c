"""``geodl spectra explain``: which wavelengths a PLS rests on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Report
from georaster_dl.core.wording import listed

from ..options.shared import (
    INPUT_FILE,
    OUTPUT_FILE,
    check_suffix,
    output_option,
    overwrite_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from .options import Outcome, staged

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from georaster_dl.models.package.card import Card
    from georaster_dl.spectra.methods.explain import BandImportance

    Explained = tuple[list[BandImportance], npt.NDArray[np.float64], str]

__all__ = ["explain"]


@click.command()
@click.argument("model", type=INPUT_FILE)
@output_option("Also write coefficients, VIP and selectivity ratio of each band (.csv or .xlsx).")
@click.option("--plot", type=OUTPUT_FILE, help="Also write a PNG of these over the wavelengths.")
@overwrite_option
@progress_options
def explain(
    *,
    model: Path,
    output: Path | None,
    plot: Path | None,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Show which wavelengths a PLS rests on.

    Regression coefficients are those of preprocessed spectra. VIP is the variable importance in projection, whose mean square is 1;
    the selectivity ratio is the explained over the residual variance of a band.

    \b
    geodl spectra explain protein.safetensors -o bands.csv --plot bands.png
    """
    check_suffix("-o", output, "a table", (".csv", ".xlsx"))
    check_suffix("--plot", plot, "a picture", (".png",))
    outputs = [path for path in (output, plot) if path is not None]

    def explained(report: Report) -> Outcome[Explained]:
        from georaster_dl.models.package.file import read_card

        card = read_card(model)
        found, wavelengths, of = _explained(model)
        # What is printed must not hang on table or plot.
        with staged(report, extras=outputs, inputs=[model], overwrite=overwrite) as stage:
            if output is not None:
                with stage.making(output) as path:
                    _write_table(found, wavelengths, of, path)
            if plot is not None:
                with stage.making(plot) as path:
                    _draw(found, wavelengths, card, path)
        return Outcome((found, wavelengths, of), stage.made(outputs), stage.failed)

    def show(outcome: Outcome[Explained]) -> None:
        found, wavelengths, of = outcome.value
        for name, ranges in _ranges(found, wavelengths).items():
            shown = [f"{low:g}-{high:g}" if low < high else f"{low:g}" for low, high in ranges]
            click.echo(f"{name:16} VIP above 1 at {listed(shown, 12) or 'no wavelength'} nm")
        if of:
            click.echo(f"VIP and selectivity ratio are of a PLS of {of}")
        print_outputs(outcome.files)

    return run_with_progress(
        terminal,
        explained,
        lambda outcome: finished(
            outcome.files, outcome.failed, important_nm=_ranges(*outcome.value[:2])
        ),
        show,
    )


def _explained(model: Path) -> Explained:
    from georaster_dl.spectra.methods.explain import band_importance, importance_of
    from georaster_dl.spectra.package.file import load_spectral_model

    loaded = load_spectral_model(model)
    coefficients: Any = getattr(loaded.network, "coefficients", None)
    found = band_importance(loaded.card, None if coefficients is None else coefficients.numpy())
    return found, loaded.wavelengths_nm, importance_of(loaded.card, found)


def _ranges(
    found: list[BandImportance], wavelengths: npt.NDArray[np.float64]
) -> dict[str, list[tuple[float, float]]]:
    from georaster_dl.spectra.methods.explain import important_ranges

    return {each.name: important_ranges(each, wavelengths) for each in found}


def _write_table(
    found: list[BandImportance], wavelengths: npt.NDArray[np.float64], of: str, path: Path
) -> None:
    import pandas as pd

    from georaster_dl.spectra.table.write import write_table

    of = f" (PLS of {of})" if of else ""
    columns = {"wavelength_nm": wavelengths}
    for each in found:
        columns |= {
            f"{each.name}_coefficient": each.coefficients,
            f"{each.name}_VIP{of}": each.vip,
            f"{each.name}_selectivity_ratio{of}": each.selectivity_ratio,
        }
    write_table(pd.DataFrame(columns), path)


def _draw(
    found: list[BandImportance], wavelengths: npt.NDArray[np.float64], card: Card, path: Path
) -> None:
    from georaster_dl.spectra.scoring.band_plots import plot_importance

    units = [target.unit for target in card.targets] or [""] * len(found)
    plot_importance(path, found, wavelengths, units)
