"""The networks of the registry as estimators of scikit-learn's form, for tables of spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import nearest_names
from georaster_dl.models.registry import spectral_models
from georaster_dl.spectra.methods.baselines import Task
from georaster_dl.spectra.preprocess.chain import Preprocessing

if TYPE_CHECKING:
    from georaster_dl.spectra.network.fit_members import TrainingLog

__all__ = [
    "SpectraClassifier",
    "SpectraFractions",
    "SpectraNetwork",
    "SpectraRegressor",
    "new_estimator",
]

_Floats = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]

_OF_SPECTRA = {"dtype": np.float64, "ensure_min_samples": 2}
_OF_VALUES = {
    "dtype": np.float64,
    "ensure_2d": False,
    "ensure_all_finite": "allow-nan",
}


class SpectraNetwork(BaseEstimator):  # type: ignore[misc]
    """Base of the estimators: an ensemble of one or more networks.

    The epoch that is best for the held-out spectra is kept. The same ``random_state`` gives the same
    networks.

    Parameters
    ----------
    architecture : name of a network of single spectra (``models.registry.spectral_models``).
    preprocessing : steps of ``Preprocessing``, learnt from the training spectra. They belong here and
        not before, so that ``augment`` changes the spectra as they were measured.
    epochs, batch, learning_rate, weight_decay : as in ``loop.Recipe``.
    augment : whether training spectra are augmented, or the strengths of ``variation.SpectralAugmentation``.
    validation : share of the training spectra that chooses the epoch; 0 keeps the last epoch.
    members : networks, which differ in their random numbers and, as far as there are enough
        spectra, in those that choose the epoch; predictions are their mean.
    wavelengths_nm : (bands,) of the spectra, where they are known; only band attention uses them.
    init : package, or name of a bundled model, of the same architecture whose weights the members start from, but for
        the last layer; random ones when None.
    random_state : seed or generator of all random numbers.
    device : ``auto``, ``cpu`` or ``cuda:N``.

    Attributes
    ----------
    preprocessing_ : the fitted preprocessing.
    mean_, std_ : (bands,) of the preprocessed training spectra.
    networks_ : the members, on the CPU.
    parts_ : (parts, n) spectra of which the members hold out a part in turn.
    held_out_ : (members, n) which of the spectra given to ``fit`` chose each member's epoch.
    """

    head = "plain"  # of the networks

    def __init__(  # noqa: PLR0913 - scikit-learn's form
        self,
        *,
        architecture: str = "cnn1d",
        preprocessing: str = "none",
        epochs: int = 150,
        batch: int = 32,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-3,
        augment: bool | Mapping[str, float] = True,
        validation: float = 0.2,
        members: int = 1,
        wavelengths_nm: Sequence[float] | None = None,
        init: str | None = None,
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.architecture = architecture
        self.preprocessing = preprocessing
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.augment = augment
        self.validation = validation
        self.members = members
        self.wavelengths_nm = wavelengths_nm
        self.init = init
        self.random_state = random_state
        self.device = device

    def _hold_out(
        self,
        strata: npt.NDArray[Any],
        held_out: npt.ArrayLike | None,
        left_out: npt.ArrayLike | None,
    ) -> None:
        """Choose the validation spectra; every stratum of ``strata`` (n,) keeps some for training."""
        self._check()
        if held_out is None:
            random = check_random_state(self.random_state)
            parts = _drawn(strata, self.validation, random)
        else:
            parts = np.atleast_2d(np.asarray(held_out, bool))
            check_consistent_length(strata, parts.T)
        self.parts_ = parts
        apart = np.zeros_like(parts) if left_out is None else np.atleast_2d(left_out)
        self.learnt_ = ~(parts | apart)
        of_members = np.arange(self.members) % len(parts)
        self.held_out_ = parts[of_members]
        if not self.learnt_[of_members].any(axis=1).all():
            raise OptionError("All spectra are held out, so none is left to learn from.")

    @property
    def _learnt(self) -> _Mask:
        """Mask (n,) of the spectra that at least one member learns from."""
        return np.asarray(self.learnt_[: self.members].any(axis=0))

    def _learn(
        self,
        spectra: _Floats,
        groups: npt.ArrayLike | None,
        targets: npt.NDArray[Any],
        planes: int,
        log: TrainingLog | None,
    ) -> Self:
        """Fit preprocessing, normalisation and members to the training spectra."""
        from georaster_dl.spectra.network.fit_members import train_members

        learnt = spectra[self._learnt]
        samples = None if groups is None else np.asarray(groups)[self._learnt]
        self.preprocessing_ = Preprocessing(self.preprocessing).fit(learnt, groups=samples)
        preprocessed = self.preprocessing_.transform(learnt)
        self.mean_, spread = preprocessed.mean(axis=0), preprocessed.std(axis=0)
        self.std_ = np.where(spread > 0, spread, 1.0)
        self.networks_ = train_members(self, spectra, targets, planes, log)
        return self

    def _check(self) -> None:
        if self.architecture not in spectral_models():
            raise OptionError(
                f"{self.architecture!r} is no network of single spectra"
                f"{nearest_names(self.architecture, spectral_models())}; known are "
                f"{', '.join(spectral_models())}."
            )
        counts = {"epochs": self.epochs, "batch": self.batch, "members": self.members}
        for name, count in counts.items():
            if count < 1:
                raise OptionError(f"{name} must be 1 or more, but got {count}.")
        if not 0 <= self.validation < 1:
            raise OptionError(
                f"validation is a share from 0 to below 1 of the spectra, but got {self.validation}."
            )

    def normalised(self, spectra: _Floats) -> _Floats:
        """Preprocess and normalise spectra (n, bands) as the networks take them."""
        return np.asarray((self.preprocessing_.transform(spectra) - self.mean_) / self.std_)

    def _planes(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Run the members on spectra (n, bands); returns (members, n, planes)."""
        from georaster_dl.spectra.network.fit_members import planes_of_members

        check_is_fitted(self)
        spectra = validate_data(self, X, dtype=np.float64, reset=False)
        return planes_of_members(self.networks_, self.normalised(spectra), self.device)


class SpectraRegressor(MultiOutputMixin, RegressorMixin, SpectraNetwork):  # type: ignore[misc]
    """Regression of one or more values on spectra.

    Attributes
    ----------
    target_mean_, target_std_ : (targets,) of the training spectra.
    single_ : whether targets were (n,), as predictions then are.
    """

    def fit(
        self,
        X: npt.ArrayLike,  # noqa: N803 - scikit-learn's name
        y: npt.ArrayLike,
        *,
        groups: npt.ArrayLike | None = None,
        held_out: npt.ArrayLike | None = None,
        left_out: npt.ArrayLike | None = None,
        log: TrainingLog | None = None,
    ) -> Self:
        """Fit to spectra (n, bands) with targets (n,) or (n, targets), NaN where unknown.

        Parameters
        ----------
        groups : (n,) sample of each spectrum, from which ``preprocessing`` may learn.
        held_out : (n,) which spectra choose the epoch, or (parts, n), of which each member takes the
            next; drawn when None.
        left_out : of the shape of ``held_out``, which spectra take no part where those choose the epoch.
        log : called after every epoch.

        Raises
        ------
        OptionError
            When a target is not known of any spectrum, or a parameter cannot work.
        """
        spectra, targets = validate_data(self, X, y, validate_separately=(_OF_SPECTRA, _OF_VALUES))
        check_consistent_length(spectra, targets)
        self.single_ = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        self._hold_out(np.zeros(len(spectra)), held_out, left_out)
        return self._learn(spectra, groups, self._scaled(targets), targets.shape[1], log)

    def _scaled(self, targets: _Floats) -> _Floats:
        """Targets (n, targets), standardised by those that are learnt from."""
        learnt = targets[self._learnt]
        unknown = np.isnan(learnt).all(axis=0)
        if unknown.any():
            raise OptionError(
                f"Target {int(unknown.argmax()) + 1} is not known of any spectrum that is learnt from."
            )
        self.target_mean_, spread = np.nanmean(learnt, axis=0), np.nanstd(learnt, axis=0)
        self.target_std_ = np.where(spread > 0, spread, 1.0)
        return np.asarray((targets - self.target_mean_) / self.target_std_)

    def predict(self, X: npt.ArrayLike, return_std: bool = False) -> Any:  # noqa: N803
        """Give (n,) or (n, targets) predictions of spectra (n, bands).

        Parameters
        ----------
        return_std : give the standard deviation of the members, too; 0 for a single one.
        """
        planes = self._planes(X)
        values = planes.mean(axis=0) * self.target_std_ + self.target_mean_
        spread = planes.std(axis=0) * self.target_std_
        if self.single_:
            values, spread = values[:, 0], spread[:, 0]
        return (values, spread) if return_std else values


class SpectraFractions(SpectraRegressor):
    """Fractions of a whole, which sum to 1, by networks that end in a softmax."""

    head = "fractions"

    def _scaled(self, targets: _Floats) -> _Floats:
        """Targets (n, fractions) as they are.

        Raises
        ------
        OptionError
            When one is not known, is below 0, or those of a spectrum do not sum to 1.
        """
        if targets.shape[1] < 2 or not np.allclose(targets.sum(axis=1), 1) or (targets < 0).any():
            raise OptionError(
                "Fractions are two or more numbers of each spectrum, none below 0 and of sum 1; correct the targets."
            )
        self.target_mean_ = np.zeros(targets.shape[1])
        self.target_std_ = np.ones(targets.shape[1])
        return targets


class SpectraClassifier(ClassifierMixin, SpectraNetwork):  # type: ignore[misc]
    """Classification of spectra.

    Attributes
    ----------
    classes_ : sorted.
    """

    def fit(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: npt.ArrayLike,
        *,
        groups: npt.ArrayLike | None = None,
        held_out: npt.ArrayLike | None = None,
        left_out: npt.ArrayLike | None = None,
        log: TrainingLog | None = None,
    ) -> Self:
        """Fit to spectra (n, bands) of classes (n,); parameters as for values.

        Raises
        ------
        ValueError
            When there are fewer than two classes.
        """
        spectra, named = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(named)
        self.classes_, numbers = np.unique(named, return_inverse=True)
        if len(self.classes_) < 2:
            raise OptionError(
                f"A classifier needs two classes, but got 1 class: {self.classes_[0]}."
            )
        self._hold_out(numbers, held_out, left_out)
        return self._learn(spectra, groups, numbers, len(self.classes_), log)

    def predict_proba(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Give (n, classes) probabilities of spectra (n, bands), the mean of the members'."""
        return np.asarray(softmax(self._planes(X), axis=2).mean(axis=0))

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:  # noqa: N803
        """Give (n,) classes of spectra (n, bands)."""
        chosen = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[chosen])


def new_estimator(
    architecture: str, task: Task | Literal["fractions"], **parameters: Any
) -> SpectraNetwork:
    """Make the estimator of an architecture for a task, not yet fitted."""
    kinds = {
        "regression": SpectraRegressor,
        "classification": SpectraClassifier,
        "fractions": SpectraFractions,
    }
    return kinds[task](architecture=architecture, **parameters)


def _drawn(strata: npt.NDArray[Any], share: float, random: np.random.RandomState) -> _Mask:
    """Draw disjoint validation parts (parts, n): a share of every stratum, but never all of it."""
    parts = np.zeros((max(int(1 / share), 1) if share else 1, len(strata)), bool)
    for stratum in np.unique(strata):
        rows = random.permutation(np.flatnonzero(strata == stratum))
        size = min(round(share * len(rows)), len(rows) - 1)
        for i, part in enumerate(parts):
            part[rows[i * size : (i + 1) * size]] = True
    return parts[parts.any(axis=1)] if parts.any() else parts[:1]
