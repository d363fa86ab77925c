"""Tables of laboratory spectra: reading, calibration, comparison of methods, and prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

from georaster_dl.api.keywords import path_of
from georaster_dl.api.model import Model, package_of
from georaster_dl.api.reporting import reporting
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned, warner
from georaster_dl.core.wording import nearest_names

if TYPE_CHECKING:
    import pandas as pd

    from georaster_dl.spectra.physics.train import TrainedTraits
    from georaster_dl.spectra.registry import Settings
    from georaster_dl.spectra.table.samples import SpectraTable
    from georaster_dl.spectra.training.columns import TableOptions
    from georaster_dl.spectra.training.result import TrainedTable

__all__ = [
    "SpectraKeywords",
    "SpectraTableKeywords",
    "SpectraTrainKeywords",
    "as_table",
    "check_names",
    "compare_spectra",
    "files_of",
    "predict_spectra",
    "read_spectra",
    "train_spectra",
]

_OF_DIVISION = {
    "split": "kind",
    **{name: name for name in ("split_column", "group_column", "date_column")},
}
_OF_FOLDING = {"cv": "kind", "folds": "n_folds", "repeats": "repeats"}
_OF_SETTINGS = {
    "preprocess": "preprocessing",
    **{name: name for name in ("components", "members", "epochs", "init", "device", "seed")},
}


class SpectraTableKeywords(TypedDict, total=False):
    """Keywords of reading a table of spectra.

    Attributes
    ----------
    unit : of the wavelengths, ``"nm"``, ``"um"`` or ``"cm-1"``, where the header does not state it.
    id_column : column by which rows of several files are joined.
    drop_missing : leave out spectra with missing values.
    sheet : sheets of a workbook, each a table.
    below : what values below a limit (``<0.05``) count as: ``"half"`` of it, not known (``"drop"``), or an ``"error"``.
    """

    unit: Literal["nm", "um", "cm-1"] | None
    id_column: str | None
    drop_missing: bool
    sheet: Sequence[str] | str
    below: Literal["half", "drop", "error"]


class SpectraKeywords(TypedDict, total=False):
    """Keywords of calibrations, by the names of the options of ``geodl spectra compare``.

    Attributes
    ----------
    range : wavelengths to learn from, ``(first, last)`` in nm, several of them; all by default.
    preprocess : steps of ``Preprocessing``, such as ``"snv,savgol(15,2,1)"``.
    split : how the rows that test are found: ``"random"``, ``"kennard-stone"``, ``"spxy"``, ``"duplex"`` or ``"date"``.
    split_column : column of train, validation and test, instead.
    group_column : column of samples, whose spectra stay together.
    date_column : column of dates, for splits and folds by date.
    cv : folds: ``"random"``, ``"venetian-blinds"``, ``"contiguous-blocks"`` or ``"date"``.
    folds : number of folds.
    components : latent variables; chosen by cross-validation where None.
    epochs, device, seed : of networks, and of all random numbers.
    """

    range: Sequence[tuple[float, float]]
    preprocess: str
    split: Literal["random", "kennard-stone", "spxy", "duplex", "date"]
    split_column: str | None
    group_column: str | None
    date_column: str | None
    cv: Literal["random", "venetian-blinds", "contiguous-blocks", "date"]
    folds: int
    components: int | None
    epochs: int | None
    device: str
    seed: int


class SpectraTrainKeywords(SpectraKeywords, total=False):
    """Keywords of a training, by the names of the options of ``geodl spectra train``.

    Attributes
    ----------
    repeats : runs of the cross-validation, in other random folds.
    members : networks of an ensemble.
    init : package whose weights networks start from, such as one of ``pretrain_spectra``; ``method`` is its own then.
    quantity : that the spectra hold, such as ``"absorbance"``.
    task : ``"fractions"`` learns the targets as fractions of a whole, not below 0 and of sum 1.
    """

    task: Literal["fractions"] | None
    repeats: int
    members: int
    init: str | Path | None
    quantity: str


def read_spectra(
    source: str | Path | pd.DataFrame | Sequence[str | Path],
    *,
    report: Report | None = None,
    **reading: Unpack[SpectraTableKeywords],
) -> SpectraTable:
    """Read a table of spectra: a spectrum in each row, its wavelengths in the header.

    Parameters
    ----------
    source : a file (CSV, TSV, Excel, Parquet, JCAMP-DX, OPUS data points, ENVI library), a folder of single spectra, or
        several files that share their rows; or a DataFrame, whose columns with wavelengths for names are the spectrum.
    report : called with the repairs that were made; they are Python warnings where None.
    **reading : where the files leave something open; ``SpectraTableKeywords``.

    Returns
    -------
    Table with ``wavelengths_nm`` (bands,), ``spectra`` (n, bands), and ``columns``, a DataFrame of all else.

    Raises
    ------
    OptionError
        When a file cannot be read, or its axis or a spectrum is unsound.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> frame = pd.DataFrame(np.random.rand(12, 8), columns=[f"{nm} nm" for nm in range(1100, 1260, 20)])
    >>> table = read_spectra(frame.assign(protein=range(12)))
    >>> table.spectra.shape, table.target("protein")[:2].tolist()
    ((12, 8), [0.0, 1.0])
    """
    with reporting(report) as take:
        return as_table(source, reading, take)


@overload
def train_spectra(
    data: SpectraTable | pd.DataFrame | str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    target: str | Sequence[str] = (),
    class_column: str | None = None,
    method: str = "auto",
    physics: None = None,
    add: Sequence[SpectraTable | pd.DataFrame | str | Path] = (),
    html: str | Path | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **settings: Unpack[SpectraTrainKeywords],
) -> TrainedTable: ...


@overload
def train_spectra(
    data: SpectraTable | pd.DataFrame | str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    target: str | Sequence[str] = (),
    class_column: str | None = None,
    method: str = "auto",
    physics: Literal["prospect"],
    add: Sequence[SpectraTable | pd.DataFrame | str | Path] = (),
    html: str | Path | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **settings: Unpack[SpectraTrainKeywords],
) -> TrainedTable | TrainedTraits: ...


def train_spectra(
    data: SpectraTable | pd.DataFrame | str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    target: str | Sequence[str] = (),
    class_column: str | None = None,
    method: str = "auto",
    physics: Literal["prospect"] | None = None,
    add: Sequence[SpectraTable | pd.DataFrame | str | Path] = (),
    html: str | Path | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **settings: Unpack[SpectraTrainKeywords],
) -> TrainedTable | TrainedTraits:
    """Calibrate methods on a table of spectra, and keep the choice of cross-validation; as ``geodl spectra train``.

    Parameters
    ----------
    data : table of ``read_spectra``, or what that takes.
    out : model package to make (.safetensors).
    target : column of values, or several.
    class_column : column of classes, instead.
    method : ``"auto"``, ``"pls"``, ``"svm"``, ``"lwplsr"``, ``"rf"``, or a network.
    physics : ``"prospect"`` explains reflectances of leaves by a radiative transfer model instead, without ``target``, or
        calibrated by it.
    add : tables of spectra that only learn, such as simulated ones; they never test, choose or set an interval.
    html : page to write beside it: how good the model is, and when not to use it, with charts.
    overwrite : replace outputs that exist.
    report, progress : as ``segment`` takes them.
    **settings : preprocessing, division of the rows, cross-validation; ``SpectraTrainKeywords``.

    Returns
    -------
    The card, the scores of all methods, their predictions, and the split; of ``physics`` without ``target`` the card
    and the traits.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with table, settings or output; nothing is left behind.
    """
    from georaster_dl.io.output.staging import Staging
    from georaster_dl.spectra.report.from_training import write_training
    from georaster_dl.spectra.train import train_table
    from georaster_dl.spectra.training.result import TrainedTable

    made, page = path_of("out", out), None if html is None else path_of("html", html)
    options, chosen = _options_of(SpectraTrainKeywords, target, class_column, settings)
    ranges = settings.get("range", ())
    if physics is not None:
        from georaster_dl.spectra.physics.train import check_given, train_physics

        others = {"method": method != "auto", "add": add, "html": html, **settings}
        check_given([name for name, value in others.items() if value], options.targets)
    with reporting(report, progress=progress) as take:
        table = as_table(data, {}, take)
        added = [as_table(each, {}, take) for each in add]
        with Staging(
            made,
            extras=() if page is None else (page,),
            overwrite=overwrite,
            protect=[*files_of(data), *(file for each in add for file in files_of(each))],
            warn=warner(take),
        ) as stage:
            path = stage.path(made)
            trained: TrainedTable | TrainedTraits
            if physics is None:
                table = table.within(ranges)
                trained = train_table(table, path, method, options, chosen, take, added)
            else:
                trained = train_physics(table, path, physics, options, chosen, take, ranges=ranges)
            if page is not None and isinstance(trained, TrainedTable):
                with stage.making(page) as written:
                    write_training(written, trained, path)
    return trained


def compare_spectra(
    data: SpectraTable | pd.DataFrame | str | Path | Sequence[str | Path],
    *,
    target: str | None = None,
    class_column: str | None = None,
    methods: Sequence[str] | None = None,
    seeds: int = 5,
    report: Report | None = None,
    progress: bool = False,
    **settings: Unpack[SpectraKeywords],
) -> pd.DataFrame:
    """Compare methods on the same rows of a table of spectra; as ``geodl spectra compare``.

    Parameters
    ----------
    data : table of ``read_spectra``, or what that takes.
    target, class_column : column of values, or of classes.
    methods : names of methods; all where None.
    seeds : runs of each, with other random numbers.
    report, progress : as ``segment`` takes them.
    **settings : preprocessing, division of the rows, cross-validation; ``SpectraKeywords``.

    Returns
    -------
    A row for each method: mean and standard deviation over the seeds of each score, and seconds.

    Raises
    ------
    OptionError
        When columns, rows or settings do not suffice.
    """
    import pandas as pd

    from georaster_dl.spectra.compare import compare, summary
    from georaster_dl.spectra.registry import methods as all_methods

    targets = () if target is None else (target,)
    options, chosen = _options_of(SpectraKeywords, targets, class_column, settings)
    with reporting(report, progress=progress) as take:
        table = as_table(data, {}, take).within(settings.get("range", ()))
        runs = compare(table, options, methods or all_methods(), chosen, n_seeds=seeds, report=take)
    return pd.DataFrame(summary(runs))


def predict_spectra(
    data: SpectraTable | pd.DataFrame | str | Path | Sequence[str | Path],
    model: str | Path | Model,
    *,
    resample: bool = False,
    report: Report | None = None,
) -> pd.DataFrame:
    """Predict values or classes of the spectra of a table; as ``geodl spectra predict``.

    Parameters
    ----------
    data : table of ``read_spectra``, or what that takes.
    model : package, or loaded model, of spectra.
    resample : bring spectra of another instrument to the model's wavelengths.
    report : called with warnings; they are Python warnings where None.

    Returns
    -------
    The table's columns, with ``NAME_predicted``, the ends of its interval, or ``class_predicted`` and probabilities, and
    the distances from the calibration.

    Raises
    ------
    OptionError
        When the model is none of spectra, or the wavelengths are not its own.
    """
    from georaster_dl.spectra.package.file import load_spectral_model
    from georaster_dl.spectra.predict import predicted_table

    loaded = load_spectral_model(package_of(model))
    with reporting(report) as take:
        table = as_table(data, {}, take)
        predicted = predicted_table(loaded, table, resample=resample)
        for repair in predicted.repairs[len(table.repairs) :]:
            take(Warned(repair))
    return predicted.columns


def as_table(data: Any, reading: SpectraTableKeywords, report: Report) -> SpectraTable:
    """Read a table, a data frame or files; repairs are warnings."""
    import pandas as pd

    from georaster_dl.spectra.table.samples import SpectraOptions, SpectraTable
    from georaster_dl.spectra.table.samples import read_spectra as read

    if isinstance(data, SpectraTable):
        return data
    check_names(reading, SpectraTableKeywords)
    given: dict[str, Any] = dict(reading)
    sheet = given.pop("sheet", ())
    options = SpectraOptions(sheet=(sheet,) if isinstance(sheet, str) else tuple(sheet), **given)
    table = read(data if isinstance(data, pd.DataFrame) else files_of(data), options)
    for repair in table.repairs:
        report(Warned(repair))
    return table


def files_of(data: Any) -> list[Path]:
    """Paths of the files of a table; empty where it is in memory."""
    import pandas as pd

    from georaster_dl.spectra.table.samples import SpectraTable

    if isinstance(data, SpectraTable | pd.DataFrame):
        return []
    return [path_of("data", path) for path in (data if isinstance(data, list | tuple) else [data])]


def _options_of(
    keywords: type, target: str | Sequence[str], class_column: str | None, given: Mapping[str, Any]
) -> tuple[TableOptions, Settings]:
    """Sort keywords into the options that they belong to."""
    from georaster_dl.spectra.registry import Settings
    from georaster_dl.spectra.scoring.folds import Folding
    from georaster_dl.spectra.scoring.split import Division
    from georaster_dl.spectra.training.columns import TableOptions

    check_names(given, keywords)
    options = TableOptions(
        (target,) if isinstance(target, str) else tuple(target),
        class_column,
        Division(**_renamed(given, _OF_DIVISION)),
        Folding(**_renamed(given, _OF_FOLDING)),
        fractions=_fractions(given.get("task")),
        **_renamed(given, {"quantity": "quantity"}),
    )
    chosen = _renamed(given, _OF_SETTINGS)
    if chosen.get("init") is not None:
        chosen["init"] = str(chosen["init"])
    return options, Settings(**chosen)


def _fractions(task: str | None) -> bool:
    if task not in (None, "fractions"):
        raise OptionError(
            f"`task={task!r}` is none of spectra; give fractions, or leave it out for values and classes."
        )
    return task is not None


def _renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {field: given[keyword] for keyword, field in names.items() if keyword in given}


def check_names(given: Mapping[str, Any], keywords: type) -> None:
    """Refuse keywords that a TypedDict does not have, naming those near.

    Raises
    ------
    OptionError
        When there is one.
    """
    known = sorted(keywords.__annotations__)
    wrong = next((name for name in given if name not in known), None)
    if wrong is not None:
        raise OptionError(
            f"There is no keyword {wrong!r} here{nearest_names(wrong, known)}; it takes {', '.join(known)}."
        )
