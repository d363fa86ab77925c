"""Fully constrained least squares for many spectra at once, by a set of members for each."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["fcls"]

_TOLERANCE = 1e-11  # of a slope, relative to the members' mean square
_LARGEST_CONDITION = 1e10  # beyond, some member is a mixture of others as far as numbers tell
_PIVOTS = 12  # changes of whole sets before single steps, which always end
_STEPS = 10  # for each member; real scenes need two


def fcls(spectra: Tensor, members: Tensor) -> Tensor:
    """Fit mixtures of members whose fractions are not negative and sum to 1 (Heinz & Chang 2001).

    Each spectrum has the set of members that take part in it. The sets of all spectra advance together, so a
    step is one batched solution of small systems: whole sets are exchanged (block principal pivoting, Kim
    & Park 2011), and those that do not settle go on member by member (Lawson & Hanson 1974).

    Parameters
    ----------
    spectra : (n, bands) float64.
    members : (members, bands) float64, at most bands + 1.

    Returns
    -------
    Fractions (n, members) float64, exact to rounding where no member is a mixture of others; of equal members
    only the sum is determined.
    """
    centre = members.mean(0)  # which all fractions of sum 1 share, so squares lose fewer digits
    own = members - centre
    squares = own @ own.T
    size = squares.diagonal().mean().clamp_min(torch.finfo(squares.dtype).tiny)
    # Where fractions sum to 1 a constant for all entries changes nothing, and makes the matrix definite.
    matrix = squares / size + 1
    aims = (spectra - centre) @ own.T / size + 1
    if not torch.linalg.cond(matrix) < _LARGEST_CONDITION:
        return _member_by_member(matrix, aims)
    inverse = torch.linalg.inv(matrix)
    fractions = _of_sum_1(aims @ inverse, inverse.sum(1))
    rows = (fractions < 0).any(1).nonzero()[:, 0]
    taking = fractions[rows] > 0
    for _ in range(_PIVOTS):
        if not len(rows):
            return fractions
        fractions[rows] = found = _solved(matrix, aims[rows], taking)
        wrong = torch.where(
            taking, found < 0, _slopes(matrix, aims[rows], found, taking) < -_TOLERANCE
        )
        left = wrong.any(1)
        rows, taking = rows[left], (taking ^ wrong)[left]
    if len(rows):
        fractions[rows] = _member_by_member(matrix, aims[rows])
    return fractions


def _solved(matrix: Tensor, aims: Tensor, taking: Tensor) -> Tensor:
    """Minimise a' matrix a / 2 - a' aims over fractions of sum 1 and any sign of the members that take part.

    All are (n, members) but the matrix; the fractions of other members are 0.
    """
    most = int(taking.sum(1).max())
    chosen = taking.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
    present = taking.gather(1, chosen)
    both = present[:, :, None] & present[:, None, :]
    systems = torch.where(both, matrix[chosen[:, :, None], chosen[:, None, :]], 0.0)
    systems.diagonal(dim1=1, dim2=2).add_((~present).to(systems.dtype))
    right = torch.where(present, aims.gather(1, chosen), 0.0)
    free, ones = torch.linalg.solve(
        systems, torch.stack([right, present.to(right.dtype)], 2)
    ).unbind(2)
    return torch.zeros_like(aims).scatter_(1, chosen, _of_sum_1(free, ones))


def _of_sum_1(free: Tensor, ones: Tensor) -> Tensor:
    """Move solutions along those of a constant to a sum of 1, which keeps them best."""
    return free - (free.sum(-1, keepdim=True) - 1) / ones.sum(-1, keepdim=True) * ones


def _slopes(matrix: Tensor, aims: Tensor, fractions: Tensor, taking: Tensor) -> Tensor:
    """Slope (n, members) of the error towards each member, at the cost of those that take part."""
    slopes = fractions @ matrix - aims
    count = taking.sum(1, keepdim=True)
    return slopes - torch.where(taking, slopes, 0.0).sum(1, keepdim=True) / count


def _member_by_member(matrix: Tensor, aims: Tensor) -> Tensor:
    """Find the best fractions (n, members) from the nearest member on; no set ever holds a mixture of its others."""
    first = (matrix.diagonal() / 2 - aims).argmin(1, keepdim=True)
    best = torch.zeros_like(aims).scatter_(1, first, 1.0)
    rows = torch.arange(len(aims), device=aims.device)
    now, taking = best.clone(), best > 0
    for _ in range(_STEPS * aims.shape[1]):
        wanted = _solved(matrix, aims[rows], taking)
        below = taking & (wanted <= 0)
        blocked = below.any(1)
        # Towards the best of this set as far as fractions stay positive; whose becomes 0 leaves.
        shares = torch.where(below, now / (now - wanted).clamp_min(1e-300), torch.inf)
        share = shares.amin(1, keepdim=True)
        taking = taking & ~(below & (shares <= share))
        now = torch.where(taking, now + share.clamp(max=1) * (wanted - now), 0.0)
        # A whole set takes the member that lowers the error most, if one does.
        slopes = torch.where(taking, torch.inf, _slopes(matrix, aims[rows], now, taking))
        lowest, entering = slopes.min(1, keepdim=True)
        enters = ~blocked & (lowest[:, 0] < -_TOLERANCE)
        taking = taking.scatter(1, entering, taking.gather(1, entering) | enters[:, None])
        best[rows] = now
        left = blocked | enters
        rows, now, taking = rows[left], now[left], taking[left]
        if not len(rows):
            break
    return best
