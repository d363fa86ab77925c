"""Checks of a classifier that was read from a file, before it predicts anything.

scikit-learn runs trees in C, which follows the numbers in them without looking: a child that is no
node, or a count that is too high, reads beyond the arrays and ends the process. So every array is
looked at first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from georaster_dl.core.errors import ModelPackageError

__all__ = ["check_pipeline"]

_LEAF = -1


def check_pipeline(pipeline: Any, method: str, n_bands: int, n_classes: int) -> None:
    """Check a scaler and classifier that came from a file; nothing of them has run before.

    Parameters
    ----------
    n_bands, n_classes : that the file says it has.

    Raises
    ------
    ModelPackageError
        When a part is not what it should be; the message is no more than what is wrong.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    kinds = {"svm": SVC, "rf": RandomForestClassifier}
    _need(type(pipeline) is Pipeline, "no scaler and classifier")
    try:
        steps = [step for _, step in pipeline.steps]
        _need([type(step) for step in steps] == [StandardScaler, kinds[method]], "other parts")
        _check_plain(pipeline, *steps)
        _check_scaler(steps[0], n_bands)
        _check_classes(steps[1].classes_, n_classes)
        _need(steps[1].n_features_in_ == n_bands, "another number of bands")
        if method == "svm":
            _check_svm(steps[1], n_bands)
        else:
            _check_forest(steps[1], n_bands)
    except ModelPackageError:
        raise
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        # An array is missing, or something else stands in its place.
        raise ModelPackageError(str(error)) from error


def _need(sound: Any, what: str) -> None:
    if not bool(sound):
        raise ModelPackageError(what)


def _check_plain(*parts: Any) -> None:
    """Refuse attributes that would replace a method."""
    held = [value for part in parts for value in vars(part).values()]
    _need(not any(callable(value) for value in held), "a method replaced")


def _check_scaler(scaler: Any, n_bands: int) -> None:
    _need(scaler.n_features_in_ == n_bands, "another number of bands")
    for numbers in (scaler.mean_, scaler.scale_):
        _check_array(numbers, (n_bands,), "f")
        _need(np.isfinite(numbers).all(), "a scaler that is not finite")
    _need((scaler.scale_ > 0).all(), "a scaler of zero")
    _need(scaler.with_mean is True and scaler.with_std is True, "a scaler that does nothing")


def _check_classes(classes: Any, n_classes: int) -> None:
    _need(type(classes) is np.ndarray and classes.ndim == 1, "no classes")
    _need(classes.dtype.kind in "iu" and 2 <= len(classes) <= n_classes, "other classes")
    _need(classes.min() >= 0 and classes.max() < n_classes, "other classes")
    _need((np.diff(classes.astype(np.int64)) > 0).all(), "classes out of order")


def _check_array(array: Any, shape: tuple[int, ...], kind: str) -> None:
    _need(type(array) is np.ndarray and array.shape == shape, "an array of another shape")
    _need(array.dtype.kind == kind, "an array of another type")


def _check_svm(machine: Any, n_bands: int) -> None:
    """A support vector machine with an RBF kernel, as ``RbfSvm`` reads it."""
    n_classes = len(machine.classes_)
    pairs = n_classes * (n_classes - 1) // 2
    vectors = machine.support_vectors_
    _need(type(vectors) is np.ndarray and vectors.ndim == 2, "no support vectors")
    n_vectors = len(vectors)
    _need(machine.kernel == "rbf" and machine._sparse is False, "another kernel")
    _need(isinstance(machine._gamma, float) and np.isfinite(machine._gamma), "no gamma")
    _check_array(vectors, (n_vectors, n_bands), "f")
    _check_array(machine._n_support, (n_classes,), "i")
    counts = machine._n_support.astype(np.int64)
    _need((counts >= 0).all() and counts.sum() == n_vectors, "support vectors missing")
    _check_array(machine._dual_coef_, (n_classes - 1, n_vectors), "f")
    _check_array(machine._intercept_, (pairs,), "f")


def _check_forest(forest: Any, n_bands: int) -> None:
    from sklearn.tree import DecisionTreeClassifier

    n_classes = len(forest.classes_)
    _need(forest.n_jobs is None, "other options")
    _need(forest.n_outputs_ == 1 and forest.n_classes_ == n_classes, "other classes")
    _need(isinstance(forest.estimators_, list) and forest.estimators_, "no trees")
    for grown in forest.estimators_:
        _need(type(grown) is DecisionTreeClassifier, "something other than trees")
        _check_plain(grown)
        _need(grown.n_outputs_ == 1 and grown.n_classes_ == n_classes, "trees of other classes")
        _need(grown.n_features_in_ == n_bands, "trees of other bands")
        _check_tree(grown.tree_, n_bands, n_classes)


def _check_tree(tree: Any, n_bands: int, n_classes: int) -> None:
    """Every path goes down and ends in a leaf: children have higher numbers than their parent."""
    from sklearn.tree._tree import Tree

    _need(type(tree) is Tree, "something other than trees")
    # Before any array of it is touched: they are views of as many nodes as it says it has.
    _need(1 <= tree.node_count <= tree.capacity, "nodes missing")
    _need(tree.n_outputs == 1 and tree.n_features == n_bands, "trees of other bands")
    _need(tree.n_classes.tolist() == [n_classes], "trees of other classes")
    _need(tree.value.shape == (tree.node_count, 1, n_classes), "leaves missing")
    _need(np.isfinite(tree.value).all(), "leaves that are not finite")
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    leaf = left == _LEAF
    inner = np.flatnonzero(~leaf)
    _need((right[leaf] == _LEAF).all(), "half a branch")
    for child in (left[inner], right[inner]):
        _need(((child > inner) & (child < tree.node_count)).all(), "branches that lead nowhere")
    _need(((feature[inner] >= 0) & (feature[inner] < n_bands)).all(), "a band that is not there")
