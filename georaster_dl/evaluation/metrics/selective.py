"""Error detection by a measure of uncertainty: AUROC, and risk over coverage.

Source: Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

__all__ = ["RiskCoverage", "error_auroc", "risk_coverage"]

_Floats = npt.NDArray[np.floating]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Share of errors among the surest pixels.

    Attributes
    ----------
    risk : (n,) share of errors among the k + 1 surest pixels. Among pixels that are equally sure, errors
        are spread evenly.
    """

    risk: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area under the curve of risk over coverage (AURC), 0..1: the smaller, the better."""
        return float(self.risk.mean())

    def accuracy_at(self, coverage: float) -> float:
        """Accuracy, 0..1, of the surest share ``coverage`` of the pixels, rounded up to a whole one."""
        n = len(self.risk)
        return 1 - float(self.risk[min(max(int(np.ceil(coverage * n - 1e-9)), 1), n) - 1])


def error_auroc(uncertainty: _Floats, wrong: _Mask) -> float:
    """Probability, 0..1, that an error is less sure than a right pixel (AUROC); 0.5 is chance.

    NaN where all pixels are right, or all wrong.

    Parameters
    ----------
    uncertainty : (n,) any measure that grows with uncertainty.
    wrong : (n,) where the map is wrong.
    """
    errors, n = int(wrong.sum()), len(wrong)
    if errors in (0, n):
        return float("nan")
    above = rankdata(uncertainty)[wrong].sum() - errors * (errors + 1) / 2
    return float(above / (errors * (n - errors)))


def risk_coverage(uncertainty: _Floats, wrong: _Mask) -> RiskCoverage:
    """Share of errors among the surest pixels, for every number of them; parameters as ``error_auroc``."""
    _, tie = np.unique(uncertainty, return_inverse=True)
    sizes = np.bincount(tie)
    share = np.bincount(tie, wrong) / sizes
    errors = np.repeat(share, sizes).cumsum()
    return RiskCoverage(errors / np.arange(1, len(errors) + 1))
