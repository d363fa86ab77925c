"""Probabilities of classes: calibrated from an SVM, or fractions of a forest's trees."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.pixels.learn.classifier import GRID, Method, new_pipeline
from georaster_dl.pixels.learn.folds import Fold, block_folds, stratified_folds

__all__ = ["ProbabilityModel", "fit_probabilities", "out_of_fold"]

_FOLDS = 5
_INNER_FOLDS = 3  # that choose an SVM's settings and calibrate it
_AT_ONCE = 4

_Values = npt.NDArray[np.float32]
_Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ProbabilityModel:
    """A fitted classifier of items into ``n_classes`` classes.

    Attributes
    ----------
    settings : what was chosen for it.
    """

    estimator: Any
    n_classes: int
    settings: Mapping[str, Any]

    def predict(self, values: _Values) -> npt.NDArray[np.float64]:
        """(items, classes) probabilities; 0 for classes that were not trained on."""
        probabilities = np.zeros((len(values), self.n_classes))
        probabilities[:, self.estimator.classes_] = self.estimator.predict_proba(values)
        return probabilities


def fit_probabilities(
    method: Method,
    values: _Values,
    classes: _Classes,
    blocks: npt.NDArray[np.intp],
    *,
    n_classes: int,
    seed: int,
) -> ProbabilityModel | None:
    """Fit a classifier to items (items, features) with classes (items,) and spatial blocks (items,).

    An SVM's settings are those with the best mean IoU over folds of blocks, and its probabilities
    are calibrated (Platt 1999) on folds too, for which a class needs two items: it is left out
    where it has one.

    Returns
    -------
    None where fewer than two classes are left.
    """
    usable = np.bincount(classes)[classes] >= (2 if method == "svm" else 1)
    values, classes, blocks = values[usable], classes[usable], blocks[usable]
    if len(np.unique(classes)) < 2:
        return None
    if method == "rf":
        forest = new_pipeline(method, seed).fit(values, classes)
        return ProbabilityModel(forest, n_classes, {})
    from sklearn.calibration import CalibratedClassifierCV

    folds = stratified_folds(classes, blocks, _INNER_FOLDS, seed)
    settings = _best_settings(values, classes, folds, n_classes)
    machine = new_pipeline(method, seed, settings)
    calibrated = CalibratedClassifierCV(machine, method="sigmoid", cv=folds, ensemble=False)
    return ProbabilityModel(calibrated.fit(values, classes), n_classes, settings)


def _best_settings(
    values: _Values, classes: _Classes, folds: list[Fold], n_classes: int
) -> dict[str, Any]:
    names = tuple(map(str, range(n_classes)))

    def score(settings: dict[str, Any]) -> float:
        confusion = Confusion.empty(names)
        for train, test in folds:
            machine = new_pipeline("svm", 0, settings).fit(values[train], classes[train])
            confusion += Confusion.of(machine.predict(values[test]), classes[test], names)
        return confusion.mean_iou

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        scores = list(pool.map(score, GRID))
    return GRID[int(np.argmax(scores))]


def out_of_fold(
    method: Method,
    values: _Values,
    classes: _Classes,
    blocks: npt.NDArray[np.intp],
    *,
    n_classes: int,
    seed: int,
) -> _Classes:
    """Predict the class of each item (items,) by a classifier that is trained on other blocks.

    -1 where that could not be: all items lie in one block, or other blocks have a single class.
    """
    predicted = np.full(len(classes), -1, np.int64)
    for train, test in block_folds(blocks, _FOLDS):
        model = fit_probabilities(
            method,
            values[train],
            classes[train],
            blocks[train],
            n_classes=n_classes,
            seed=seed,
        )
        if model is not None:
            predicted[test] = model.predict(values[test]).argmax(axis=1)
    return predicted
