"""Labels that are probably wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

import numpy.typing as npt

from georaster_dl.api.learning.training import (
    GroundKeywords,
    LabelledScenes,
    config_of,
    pairs_of,
)
from georaster_dl.api.reporting import reporting
from georaster_dl.core.events import Report

if TYPE_CHECKING:
    from georaster_dl.label_check.run import Checked
    from georaster_dl.label_check.suspects import Suspects

__all__ = ["check_labels", "check_rows", "find_suspects"]


def check_labels(
    scenes: LabelledScenes,
    labels: str | Path | None = None,
    *,
    out: str | Path,
    method: Literal["rf", "svm", "network"] = "rf",
    minutes: float | None = None,
    clean: str | Path | None = None,
    html: str | Path | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **settings: Unpack[GroundKeywords],
) -> Checked:
    """Find labels of scenes that are probably wrong; as ``geodl check-labels``.

    Parameters
    ----------
    scenes, labels : as ``train`` takes them.
    out : GeoPackage to make (.gpkg) of all labels, the most suspect first; a picture of these goes beside it (.png).
    method : what labels are compared with: ``"rf"`` or ``"svm"``, classifiers of pixels, or ``"network"``: up to
        five networks, each trained on four fifths of the polygons.
    minutes : that each network may learn for; None lets it learn until it gets no better.
    clean : GeoPackage to make of the labels without the suspects.
    html : page to make of the suspects in their scenes.
    overwrite : replace files that exist.
    report, progress : as ``segment`` takes them.
    **settings : how scenes and labels are read; ``GroundKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes, labels or outputs; nothing is left behind.
    """
    config = config_of(None, settings).updated({"training.minutes": minutes})
    pairs = pairs_of(scenes, labels, config.split.column)
    from georaster_dl.label_check.run import CheckOptions  # scikit-learn, after the checks
    from georaster_dl.label_check.run import check_labels as run

    cleaned, page = (None if path is None else Path(path) for path in (clean, html))
    options = CheckOptions(config, method, cleaned, overwrite, page)
    with reporting(report, progress=progress) as take:
        return run(pairs, Path(out), options, take)


def check_rows(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    method: Literal["rf", "svm"] = "rf",
    seed: int = 0,
) -> Suspects:
    """Find the rows of a table of spectra or other features whose labels are probably wrong.

    Parameters
    ----------
    values : (n, features); NaN is replaced by the mean of its column.
    labels : (n,) class index of each row, negative where it is not known.
    groups : (n,) number of rows that belong together, such as those of a field; none is learnt from where another is
        judged.
    method : classifier that gives the probabilities, ``"rf"`` or ``"svm"``.

    Returns
    -------
    Of each row ``suspect``, ``suggested`` and ``score``; ``order`` has the most suspect first.

    Raises
    ------
    OptionError
        When fewer than two classes have two rows.
    """
    from georaster_dl.label_check.tables import check_rows as run

    return run(values, labels, groups, method=method, seed=seed)


def find_suspects(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, groups: npt.ArrayLike | None = None
) -> Suspects:
    """Find labels that are probably wrong, from probabilities of any models that have not seen them.

    Parameters
    ----------
    probabilities : (n, classes) of each item, out of fold.
    labels : (n,) class index of each, negative where it is not known.
    groups : (n,) number of the group, such as a polygon, of each item; all items of a group have one label.

    Returns
    -------
    Of each group (without groups: item) ``suspect``, ``suggested``, ``share`` and ``score`` (Northcutt et al. 2021).

    Raises
    ------
    OptionError
        When the shapes do not fit, a label is none of the classes, or a group has two labels.
    """
    from georaster_dl.label_check.suspects import find_suspects as run

    return run(probabilities, labels, groups)
