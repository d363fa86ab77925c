"""Classes of single pixels: a support vector machine, or a forest of decision trees."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.geography import Place
from georaster_dl.core.legend import Legend
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.pixels.inputs.labelled import Pixels
from georaster_dl.pixels.learn.rbf_svm import RbfSvm

__all__ = ["GRID", "Classifier", "Method", "fit_pipeline", "new_pipeline", "pixels_per_class"]

Method = Literal["svm", "rf"]
Predict = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.integer[Any]]]

GRID = tuple(
    {"C": cost, "gamma": gamma}
    for cost, gamma in itertools.product((1, 10, 100, 1000), ("scale", 0.02, 0.1))
)
_TREES = 300
_CACHE_MB = 256  # of the kernel, for each of the machines that are fitted at once
_AT_ONCE = 4
# Most training pixels of a class, and of all: the time of an SVM grows with their square, the size
# of a forest with their number.
_MOST = {"svm": (2_000, 20_000), "rf": (20_000, 100_000)}


@dataclass(frozen=True)
class Classifier:
    """Fitted classifier of pixel values into classes.

    Attributes
    ----------
    bands : that a raster must have, in this order.
    legend : of the map.
    physical : whether the values are physical ones; else they are numbers as they are stored.
    source : model and layer that made the features it was trained on; empty for other rasters.
    pipeline : scikit-learn's scaler and classifier of class indexes, fitted.
    labels : name and digest of the label file of its training, as ``provenance.labels_tags`` takes them.
    iou : of each class that its test held, by name.
    places : longitude and latitude of where it was trained and tested.
    """

    method: Method
    bands: tuple[Band, ...]
    legend: Legend
    physical: bool
    source: str
    pipeline: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    iou: Mapping[str, float] = field(default_factory=dict)
    places: tuple[Place, ...] = ()

    @cached_property
    def indexes(self) -> Predict:
        """Gives (pixels,) indexes into the legend for values (pixels, bands)."""
        return _predictor(self.pipeline)

    def predict(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.unsignedinteger[Any]]:
        """(pixels,) class values of a map, for values (pixels, bands)."""
        of_index = np.array(self.legend.values, self.legend.dtype)
        mapped: npt.NDArray[np.unsignedinteger[Any]] = of_index[self.indexes(values)]
        return mapped


def _predictor(pipeline: Any) -> Predict:
    from sklearn.svm import SVC

    scaler, last = pipeline
    runs = RbfSvm(last) if isinstance(last, SVC) else last
    return lambda values: runs.predict(scaler.transform(values))


def pixels_per_class(method: Method, n_classes: int) -> int:
    """Limit the training pixels of a class."""
    of_class, of_all = _MOST[method]
    return min(of_class, of_all // n_classes)


def new_pipeline(method: Method, seed: int, settings: dict[str, Any] | None = None) -> Any:
    """Make a scaler and a classifier that are not fitted yet.

    Parameters
    ----------
    settings : of the support vector machine.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    if method == "rf":
        return make_pipeline(StandardScaler(), RandomForestClassifier(_TREES, random_state=seed))
    return make_pipeline(
        StandardScaler(), SVC(kernel="rbf", cache_size=_CACHE_MB, **(settings or {}))
    )


def fit_pipeline(
    method: Method, training: Pixels, validation: Pixels, names: tuple[str, ...], seed: int
) -> tuple[Any, dict[str, Any]]:
    """Fit a classifier; the settings of an SVM are those with the best mean IoU in validation.

    Returns
    -------
    The fitted pipeline, and its settings.
    """
    if method == "rf":
        forest = new_pipeline(method, seed)
        forest[-1].set_params(n_jobs=-1)
        forest.fit(training.values, training.classes)
        forest[-1].set_params(n_jobs=None)  # maps are cut into pieces, each a thread of its own
        return forest, {"trees": _TREES}

    def tried(settings: dict[str, Any]) -> tuple[float, Any]:
        machine = new_pipeline(method, seed, settings)
        machine.fit(training.values, training.classes)
        confusion = Confusion.of(_predictor(machine)(validation.values), validation.classes, names)
        return confusion.mean_iou, machine

    best, chosen, settings = -1.0, None, {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # In order, so that of equals the first is taken, the smoothest boundary.
        for (score, machine), these in zip(pool.map(tried, GRID), GRID, strict=True):
            if score > best:
                best, chosen, settings = score, machine, these
    return chosen, settings
