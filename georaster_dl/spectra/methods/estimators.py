"""PLS with all numbers of components at once, and classes from any regression."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from georaster_dl.spectra.methods.pls_scores import fit_pls
from georaster_dl.spectra.methods.selection import SELECTIONS, Selection

__all__ = ["OneHotClassifier", "PLSRegressor"]

_Floats = npt.NDArray[np.float64]


class PLSRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """PLS regression of centred, unscaled spectra, as chemotools computes it.

    Parameters
    ----------
    n_components : at least 1. Of more than the spectra have (their number less one, or that of their bands), as many
        as they have are used, where scikit-learn stops.
    select : ``none``, or how bands are selected anew in every fit: ``ipls`` (forward interval PLS) or ``cars``, see
        ``selection``; the coefficients of all others are 0.

    Attributes
    ----------
    bands_ : (bands,) mask of those that are used.
    """

    def __init__(self, n_components: int = 10, select: Selection = "none") -> None:
        self.n_components = n_components
        self.select = select

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit to spectra (n, bands) with targets (n,) or (n, targets).

        Raises
        ------
        ValueError
            When there is no such selection, ``n_components`` is below 1, or there are fewer than two spectra.
        """
        spectra, targets = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        if self.select not in ("none", *SELECTIONS):
            raise ValueError(
                f"select must be none or one of {', '.join(SELECTIONS)}, but is {self.select!r}."
            )
        if self.n_components < 1:
            raise ValueError(
                f"n_components must be 1 or more, but is {self.n_components}; give a number of latent variables."
            )
        self._single = targets.ndim == 1
        columns = targets.reshape(len(targets), -1).astype(np.float64)
        self.bands_: npt.NDArray[np.bool_] = np.ones(spectra.shape[1], bool)
        if self.select != "none":
            self.bands_ = SELECTIONS[self.select](spectra, columns)
        self.model_ = fit_pls(spectra[:, self.bands_], columns, self.n_components)
        return self

    def predict(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Give (n,) or (n, targets) predictions of spectra (n, bands)."""
        last = self.predict_all(X)[-1]
        return np.asarray(last[:, 0] if self._single else last)

    def predict_all(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Give (n_components, n, targets) predictions with 1, 2, ... ``n_components`` components."""
        check_is_fitted(self)
        spectra = validate_data(self, X, dtype=np.float64, reset=False)
        predictions = self.model_.predict_all_components(spectra[:, self.bands_])
        most = np.minimum(np.arange(self.n_components), len(predictions) - 1)
        return np.asarray(predictions[most])


class OneHotClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The class whose indicator a regression of 0 and 1 predicts highest: PLS-DA, with a PLS.

    It has no ``predict_proba``: indicators are no probabilities, and their softmax is not calibrated. A
    package of ``train_spectra`` calibrates them on predictions out of fold.

    Parameters
    ----------
    regressor : of several targets; it is cloned.
    """

    def __init__(self, regressor: Any = None) -> None:
        self.regressor = regressor

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Fit to spectra (n, bands) of classes (n,)."""
        spectra, named = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(named)
        self.classes_, numbers = np.unique(named, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"A classifier needs two classes, but got 1 class: {self.classes_[0]}."
            )
        regressor = PLSRegressor() if self.regressor is None else self.regressor
        self.regressor_ = clone(regressor).fit(spectra, np.eye(len(self.classes_))[numbers])
        return self

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:  # noqa: N803
        """Give (n,) classes of spectra (n, bands)."""
        return np.asarray(self.predict_all(X)[-1])

    def indicators(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Give the (n, classes) indicators that the regression predicts; the highest is the class."""
        check_is_fitted(self)
        spectra = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.regressor_.predict(spectra))

    def predict_all(self, X: npt.ArrayLike) -> npt.NDArray[Any]:  # noqa: N803
        """Give (n_components, n) classes with 1, 2, ... components."""
        check_is_fitted(self)
        spectra = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.classes_[self.regressor_.predict_all(spectra).argmax(axis=2)])
