"""Search for members: the spectra of a scene of which all others are mixtures."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import SceneError
from georaster_dl.core.wording import counted

__all__ = ["SEARCHES", "Search", "find_members", "principal_components"]

Search = Literal["nfindr", "vca"]
SEARCHES: tuple[Search, ...] = ("nfindr", "vca")

_Floats = npt.NDArray[np.float64]
_Spectra = npt.NDArray[np.floating[Any]]
_Indexes = npt.NDArray[np.intp]

_STARTS = 10
_SWEEPS = 20  # of N-FINDR, which ends after three or four
_SAME = 1e-9  # relative gain of volume that is rounding


def find_members(spectra: _Spectra, k: int, search: Search, seed: int) -> _Indexes:
    """Find the spectra that span the largest simplex, from several starts.

    N-FINDR (Winter 1999) replaces one vertex after the other by the spectrum that enlarges the simplex
    most, until none does. Vertex component analysis (Nascimento & Bioucas-Dias 2005) takes the
    extremes along random directions, orthogonal to the members before.

    Parameters
    ----------
    spectra : (n, bands).
    k : number of members, at least 2.

    Returns
    -------
    (k,) indexes of the members, the brightest first, the same for the same seed.

    Raises
    ------
    SceneError
        When the spectra lie in fewer than k - 1 dimensions.
    """
    variances, directions, mean = principal_components(spectra)
    rounding = float(np.finfo(np.float32).eps) ** 2 * (mean @ mean + variances[0])
    rank = int((variances > rounding).sum())
    if rank < k - 1:
        raise SceneError(
            f"The pixels differ in {counted(rank, 'direction')} only, so they are mixtures of at most "
            f"{counted(rank + 1, 'member')}, but `k=` is {k}; ask for fewer members, or give a scene of more bands."
        )
    scores = (spectra - mean) @ directions[:, : k - 1]
    rng = np.random.default_rng(seed)
    if search == "nfindr":
        found = [_nfindr(scores, k, rng) for _ in range(_STARTS)]
    else:
        rows = _vca_rows(spectra, scores, variances, mean)
        found = [_vca(rows, k, rng) for _ in range(_STARTS)]
    best = max(found, key=lambda members: _volume(scores[members]))
    return best[np.argsort(-spectra[best].mean(axis=1), kind="stable")]


def principal_components(spectra: _Spectra) -> tuple[_Floats, _Floats, _Floats]:
    """Compute variances (bands,) from the largest on, directions (bands, bands) and mean (bands,) of spectra."""
    mean = spectra.mean(axis=0, dtype=np.float64)
    centred = spectra - mean
    variances, directions = np.linalg.eigh(centred.T @ centred / len(spectra))
    return variances[::-1].clip(0), directions[:, ::-1], mean


def _volume(vertices: _Floats) -> float:
    """Volume, but for a constant, of the simplex of vertices (k, k - 1)."""
    return abs(float(np.linalg.det(vertices[1:] - vertices[0])))


def _nfindr(scores: _Floats, k: int, rng: np.random.Generator) -> _Indexes:
    members = rng.choice(len(scores), k, replace=False)
    lifted = np.column_stack([np.ones(len(scores)), scores])
    for _ in range(_SWEEPS):
        before = members.copy()
        for i in range(k):
            # With the other vertices fixed, the volume is the distance from their plane.
            normal = np.linalg.svd(np.delete(lifted[members], i, axis=0))[2][-1]
            heights = np.abs(lifted @ normal)
            farthest = int(heights.argmax())
            if heights[farthest] > heights[members[i]] * (1 + _SAME):
                members[i] = farthest
        if (members == before).all():
            break
    return members


def _vca_rows(spectra: _Spectra, scores: _Floats, variances: _Floats, mean: _Floats) -> _Floats:
    """Project spectra (n, k) for the analysis: by directions of light where noise is low, else by components."""
    k = scores.shape[1] + 1
    noise = float(variances[k - 1 :].sum())
    all_of_it = float(variances.sum() + mean @ mean)
    signal = all_of_it - noise - (k - 1) / len(mean) * all_of_it
    if noise > 0 and signal < noise * 10**1.5 * k:  # 15 + 10 log10 k decibels
        farthest = np.sqrt((scores**2).sum(axis=1).max())
        return np.column_stack([scores, np.full(len(scores), farthest)])
    moments = spectra.T.astype(np.float64) @ spectra / len(spectra)
    projected = spectra @ np.linalg.eigh(moments)[1][:, : -k - 1 : -1]
    return np.asarray(projected / (projected @ projected.mean(axis=0))[:, None], np.float64)


def _vca(rows: _Floats, k: int, rng: np.random.Generator) -> _Indexes:
    members = np.zeros(k, np.intp)
    basis = np.zeros((k, k))
    basis[0, -1] = 1
    for i in range(k):
        direction = rng.normal(size=k)
        direction -= np.linalg.pinv(basis) @ (basis @ direction)
        members[i] = np.abs(rows @ direction).argmax()
        basis[i] = rows[members[i]]
    return members
