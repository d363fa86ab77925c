"""Uncertainty of class probabilities: margin, entropy, and mutual information of several predictions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["entropy", "margin", "mutual_information"]


def margin(probabilities: Tensor) -> Tensor:
    """Compute one minus the difference between the two largest probabilities.

    "Breaking ties" (Scheffer et al. 2001): 1 where two classes are equally probable, as in a uniform
    distribution, 0 where one class is certain.

    Parameters
    ----------
    probabilities : (classes, ...), of a sum of 1 over the first axis.

    Returns
    -------
    (...) in 0..1; zeros for a single class.
    """
    if len(probabilities) < 2:
        return torch.zeros_like(probabilities[0])
    first, second = probabilities.topk(2, dim=0).values
    difference: Tensor = first - second
    return 1 - difference


def entropy(probabilities: Tensor) -> Tensor:
    """Compute the entropy of probabilities over the logarithm of their number.

    Predictive entropy (Gal 2016, 3.3) on a scale that does not depend on how many classes a model has.

    Parameters
    ----------
    probabilities : (classes, ...), of a sum of 1 over the first axis.

    Returns
    -------
    (...) in 0..1: 1 where all classes are equally probable, 0 where one is certain.
    """
    found: Tensor = torch.special.entr(probabilities).sum(dim=0)
    # Rounding may take a uniform distribution beyond 1; a single class has an entropy of 0.
    return found.div_(math.log(max(len(probabilities), 2))).clamp_(max=1.0)


def mutual_information(passes: Tensor) -> Tensor:
    """Compute how far several predictions disagree: entropy of their mean minus their mean entropy.

    "BALD" (Houlsby et al. 2011), for passes with dropout, members of an ensemble or trees of a forest.
    Where every member is certain, as fully grown trees are, it is the entropy of the mean.

    Parameters
    ----------
    passes : (passes, classes, ...), each of a sum of 1 over the classes.

    Returns
    -------
    (...) in 0..1, over the logarithm of the number of classes; 0 where all passes agree.
    """
    expected = torch.stack([entropy(one) for one in passes]).mean(dim=0)
    return (entropy(passes.mean(dim=0)) - expected).clamp(min=0.0)
