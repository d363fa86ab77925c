"""Networks of spectra pretrained without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.api.keywords import path_of
from georaster_dl.api.reporting import reporting
from georaster_dl.api.spectra import as_table, files_of
from georaster_dl.core.events import Report, warner

if TYPE_CHECKING:
    import pandas as pd

    from georaster_dl.spectra.pretraining.run import Pretrained
    from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["pretrain_spectra"]


def pretrain_spectra(
    libraries: Sequence[SpectraTable | pd.DataFrame | str | Path],
    *,
    out: str | Path,
    steps: int = 10_000,
    device: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
) -> Pretrained:
    """Pretrain band attention on spectra without labels; as ``geodl spectra pretrain``.

    Trainings start from it with ``init=``, of tables (``train_spectra``) and scenes (``train``) of any bands.

    Parameters
    ----------
    libraries : tables of ``read_spectra``, or files, put below one another at the wavelengths of the first.
    out : model package to make (.safetensors).
    steps : of the optimiser, each with 128 spectra as another random sensor measures them.
    device : ``"auto"``, ``"cpu"`` or ``"cuda:N"``.
    seed : of all random numbers.
    overwrite : replace ``out`` where it exists.
    report, progress : as ``segment`` takes them.

    Returns
    -------
    The card, the number of spectra, and R2 of the hidden bands of spectra that it did not learn from.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with libraries, settings or output; nothing is left behind.
    """
    from georaster_dl.io.output.staging import Staging
    from georaster_dl.spectra.pretraining.run import PretrainOptions, pretrain

    made = path_of("out", out)
    options = PretrainOptions(steps=steps, device=device, seed=seed)
    protected = [file for each in libraries for file in files_of(each)]
    with reporting(report, progress=progress) as take:
        tables = [as_table(each, {}, take) for each in libraries]
        with Staging(made, overwrite=overwrite, protect=protected, warn=warner(take)) as stage:
            return pretrain(tables, stage.path(made), options, take)
