"""Our arithmetic gives the classes that scikit-learn's gives."""

import numpy as np
import pytest
from sklearn.svm import SVC

from georaster_dl.pixels.learn.rbf_svm import RbfSvm


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("cost", [1, 1000])
def test_classes_are_those_of_libsvm(n_classes, cost):
    generator = np.random.default_rng(n_classes)
    classes = generator.integers(0, n_classes, 300) * 3 + 1
    values = (classes[:, None] / 4 + generator.normal(size=(300, 5))).astype(np.float32)
    fitted = SVC(C=cost).fit(values, classes)
    seen = generator.normal(2, 2, size=(5000, 5)).astype(np.float32)
    np.testing.assert_array_equal(RbfSvm(fitted).predict(seen), fitted.predict(seen))
