"""Training of networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

from georaster_dl.api.keywords import LabelKeywords, SceneKeywords, plain_value
from georaster_dl.api.reporting import reporting
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.wording import nearest_names
from georaster_dl.training.data.sources import SceneWithLabels, find_pairs, find_scenes, read_pairs
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.keywords import SETTINGS

if TYPE_CHECKING:
    import pandas as pd

    from georaster_dl.training.train import Trained

__all__ = [
    "GroundKeywords",
    "LabelledScenes",
    "TrainKeywords",
    "config_of",
    "pairs_of",
    "train",
]

LabelledScenes: TypeAlias = "str | Path | Sequence[str | Path] | pd.DataFrame"
"""Scenes by path, address or pattern; or a CSV or DataFrame with the columns scene and label."""


class GroundKeywords(SceneKeywords, LabelKeywords, total=False):
    """Keywords of reading scenes and labels and of dividing them into training, validation and test.

    Attributes
    ----------
    seed : of all that is random.
    split : ``"blocks"``, ``"scenes"``, ``"random"`` (leaks) or ``"column"``.
    split_column : column of the list of scenes, or of the labels, that says train, validation or test.
    block : side of a block in pixels.
    buffer : pixels that lie at least between two parts.
    """

    seed: int
    split: Literal["blocks", "scenes", "random", "column"]
    split_column: str
    block: int | None
    buffer: int | None


class TrainKeywords(GroundKeywords, total=False):
    """Keywords of a training, by the names of the options of ``geodl train``; TrainConfig has all others.

    Attributes
    ----------
    task : ``"segmentation"``, ``"regression"``, ``"fractions"`` or ``"autoencoder"``.
    erode : pixels from a border between classes, or to unlabelled ground, within which labels are left out.
    instances : also learn where each polygon ends, so that touching buildings, crowns or fields can be told apart.
    method : ``"auto"``, ``"network"``, ``"rf"`` or ``"svm"``, as ``TrainConfig`` has it.
    fraction_fields : attributes of vector labels, or bands of a raster, that hold fractions; of one alone the rest
        is the fraction ``other``. Without any, classes finer than the scene are their shares of a pixel.
    per_polygon : the fractions of a polygon are those of its pixels together, not of each.
    architecture, encoder : of the network; ``list_models()`` lists architectures.
    head : ``"plain"``, or ``"bayesian"`` for a last layer whose weights are distributions.
    ensemble : networks to train and to package as one; they differ in their random numbers.
    init : ``"random"``, ``"imagenet"``, ``"auto"`` (a bundled encoder of the same bands), a public encoder as
        ``"torchgeo:NAME"`` or ``"timm:NAME"``, or a model package to start from.
    freeze : ``"none"``, ``"encoder"`` or ``"all-but-head"``.
    rehearse : folder ``NAME_run`` of the autoencoder to start from, whose patches make half of each batch.
    modality_dropout : how often each sensor is missing in training, so that the model can do without it.
    epochs, minutes : at most; the minutes are those of learning, without loading, test and packaging.
    device, precision : as ``RunKeywords`` has them.
    tracker : ``"tensorboard"``, ``"mlflow"`` or ``"wandb"``, where figures go beside the log.
    tensorboard : also write logs for TensorBoard.
    search : networks to train with other settings, of which the best on validation ground is packaged.
    """

    task: Literal["segmentation", "regression", "fractions", "autoencoder"]
    erode: int
    instances: bool
    method: Literal["auto", "network", "rf", "svm"]
    fraction_fields: Sequence[str]
    per_polygon: bool
    architecture: str
    encoder: str
    head: Literal["plain", "bayesian"]
    ensemble: int
    init: str | Path
    freeze: Literal["none", "encoder", "all-but-head"]
    rehearse: str | Path
    modality_dropout: float
    epochs: int
    minutes: float
    device: str
    precision: str
    tracker: Literal["tensorboard", "mlflow", "wandb"]
    tensorboard: bool
    search: int


def train(
    scenes: LabelledScenes,
    labels: str | Path | None = None,
    *,
    out: str | Path,
    config: TrainConfig | None = None,
    suspects: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **settings: Unpack[TrainKeywords],
) -> Trained | None:
    """Train a model on labelled scenes, test it and write its package; as ``geodl train``.

    Parameters
    ----------
    scenes : paths, addresses or patterns of scenes; or a CSV or DataFrame with the columns scene and label.
    labels : a vector file or raster that serves every scene, or a folder with a file of each scene's
        name; None for a list with labels, and for autoencoders.
    out : package to write (.safetensors); checkpoints and logs go to ``NAME_run`` beside it.
    config : all settings; None takes the defaults.
    suspects : GeoPackage to make of the labels that are probably wrong, as ``check_labels`` does; None makes none.
    resume : continue the run in that folder; the result is that of an unbroken run.
    overwrite : replace a package that exists.
    report, progress : as ``segment`` takes them.
    **settings : change some of the settings; ``TrainKeywords``.

    Returns
    -------
    The result; None in the processes that training on several GPUs adds to the first.

    Raises
    ------
    GeoRasterError
        When scenes, labels, settings, outputs or the device cannot be used. The checkpoints of
        finished epochs stay.
    """
    chosen = config_of(config, settings)
    labelled = chosen.task != "autoencoder"
    pairs = pairs_of(scenes, labels, chosen.split.column, labelled=labelled)
    from georaster_dl.label_check.beside import check_list, with_suspects
    from georaster_dl.training.train import train as run  # torch and Lightning, after the checks

    listed = None if suspects is None else Path(suspects)
    if listed is not None:
        check_list(listed, chosen, overwrite=overwrite)
    with reporting(report, progress=progress) as take:
        trained = run(pairs, Path(out), chosen, resume=resume, overwrite=overwrite, report=take)
        if trained is not None and listed is not None:
            trained = with_suspects(
                trained, pairs, listed, chosen, overwrite=overwrite, report=take
            )
        if trained is not None and trained.card.limitations:
            take(Warned(f"{trained.card.name}: {trained.card.limitations}"))
    return trained


def config_of(config: TrainConfig | None, settings: Mapping[str, Any]) -> TrainConfig:
    """Change settings of a configuration by the names of keyword arguments.

    Raises
    ------
    OptionError
        When there is no such setting, or a value cannot work.
    """
    changes = {}
    for name, value in settings.items():
        if name not in SETTINGS:
            raise OptionError(
                f"There is no setting {name!r} here{nearest_names(name, SETTINGS)}; it takes "
                f"{', '.join(sorted(SETTINGS))}, and all others in `config=TrainConfig(...)`."
            )
        changes[SETTINGS[name]] = plain_value(name, value)
    return (config or TrainConfig()).updated(changes)


def pairs_of(
    scenes: LabelledScenes, labels: str | Path | None, column: str, *, labelled: bool = True
) -> list[SceneWithLabels]:
    """Pair scenes with labels.

    Parameters
    ----------
    column : of a list or DataFrame, with each scene's part; it need not be there.
    labelled : whether labels are wanted.

    Raises
    ------
    OptionError
        When scenes or labels are missing, or a list cannot be used.
    """
    if hasattr(scenes, "columns"):
        return _rows(scenes, column, labelled=labelled)
    given = [str(s) for s in ([scenes] if isinstance(scenes, str | Path) else scenes)]
    if len(given) == 1 and Path(given[0]).suffix.lower() == ".csv":
        return read_pairs(Path(given[0]), column, labelled=labelled)
    if not labelled:
        return find_scenes(given)
    if labels is None:
        raise OptionError(
            f"`labels=` is missing for {given[0] if given else 'no scene'}; give a file, a folder of files, or a "
            f"CSV or DataFrame with the columns scene and label."
        )
    return find_pairs(given, Path(labels))


def _rows(table: Any, part: str, *, labelled: bool) -> list[SceneWithLabels]:
    """Pairs of the rows of a DataFrame."""
    wanted = ["scene", "label"] if labelled else ["scene"]
    missing = [name for name in wanted if name not in table.columns]
    if missing or not len(table):
        raise OptionError(
            f"The DataFrame has {len(table)} rows and the columns {', '.join(map(str, table.columns))}; it needs "
            f"at least one row and {' and '.join(wanted)}."
        )
    rows: Iterable[Mapping[str, Any]] = table.to_dict("records")
    return [
        SceneWithLabels(
            str(row["scene"]),
            Path(row["label"]) if labelled else None,
            str(row[part]) if part in table.columns else None,
        )
        for row in rows
    ]
