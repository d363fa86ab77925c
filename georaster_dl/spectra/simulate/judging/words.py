"""Judgement of a simulation in plain words."""

from __future__ import annotations

import math

from georaster_dl.core.wording import counted
from georaster_dl.spectra.simulate.judging.judge import Judged
from georaster_dl.spectra.simulate.judging.use import A_CLASS, Gain

__all__ = ["SMOOTH", "how_judged", "is_like", "likeness_words", "novelty_words", "verdict"]

SMOOTH = (0.5, 2.0)
"""Roughness of simulated by that of real spectra within which they are as smooth."""

_ALIKE = 1.5  # discrepancy by that of real spectra
_COPIES, _FAR = 0.8, 1.3  # neighbour ratio
_OUTSIDE = 0.01


def verdict(judged: Judged) -> str:
    """Say in one line whether simulated spectra helped, by the intervals of the gains."""
    measured = [gain for gain in judged.gains if not gain.refused]
    up = [gain for gain in measured if gain.interval[0] > 0]
    down = [gain for gain in measured if gain.interval[1] < 0]
    open_ = [gain for gain in measured if gain not in up and gain not in down]
    parts = []
    if up:
        best = max(up, key=lambda gain: gain.mean)
        parts.append(f"they helped with {_levels(up)}, {_most(best, up, judged.score_name)}")
    if down:
        worst = min(down, key=lambda gain: gain.mean)
        parts.append(f"they harmed with {_levels(down)}, {_most(worst, down, judged.score_name)}")
    if open_:
        told = (
            "no gain can be told"
            if parts
            else f"it cannot be told that they helped: no gain of {judged.score_name} is beyond chance"
        )
        parts.append(f"{told} with {_levels(open_)}")
    refused = [gain for gain in judged.gains if gain.refused]
    if refused:
        parts.append(f"with {_levels(refused)} {judged.method} cannot simulate")
    return f"Added to real spectra, {'; '.join(parts)}."


def _levels(gains: list[Gain]) -> str:
    """``3, 5 and 10 a class and all 244``."""
    labels = [gain.label for gain in gains]
    few = [label.removesuffix(A_CLASS) for label in labels if label.endswith(A_CLASS)]
    others = [label for label in labels if not label.endswith(A_CLASS)]
    return " and ".join(
        [*([_and(few) + A_CLASS] if few else []), *([_and(others)] if others else [])]
    )


def _and(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _most(gain: Gain, among: list[Gain], score: str) -> str:
    low, high = gain.interval
    most = f"most with {gain.label}, " if len(among) > 1 else ""
    return (
        f"{most}where {score} goes from {gain.alone.mean():.3f} to {gain.both.mean():.3f} "
        f"({low:+.3f} to {high:+.3f}, 95 % interval)"
    )


def how_judged(judged: Judged) -> str:
    """Say which spectra were held out, and which were simulated from."""
    folds = len(judged.likeness)
    begin = (
        f"{counted(len(judged.real), 'real spectrum')} of {judged.real.name} were divided into {folds} parts. Each part was held out in "
        f"turn and tested the models of the others"
    )
    if judged.against:
        return (
            f"{begin}. Nothing was simulated from this table: {judged.n:,} spectra of the simulated table were added to "
            f"what learns."
        )
    return (
        f"{begin}, and {judged.n:,} spectra were simulated anew from the others by the same method, so no spectrum that "
        f"tests was simulated from. With few real spectra, drawn 8 times, these few were all that was simulated from."
    )


def is_like(judged: Judged) -> bool:
    """Compare the discrepancy of simulated spectra with that of real spectra; returns whether it is near."""
    return judged.mean("mmd") <= _ALIKE * judged.mean("mmd_real")


def likeness_words(judged: Judged) -> str:
    """Say how like real spectra they are."""
    pure = (
        " The real spectra are of one class each, and mixtures between classes are meant to differ from these."
        if judged.truth.pure_classes
        else ""
    )
    outside, rough = judged.mean("outside"), judged.mean("roughness")
    said = [
        "about as like held-out spectra as other real ones are"
        if is_like(judged)
        else "less like held-out spectra than other real ones are"
    ]
    if not SMOOTH[0] <= rough <= SMOOTH[1]:
        said.append(f"{'rougher' if rough > 1 else 'smoother'} than real ones ({rough:.2g} times)")
    if outside > _OUTSIDE:
        said.append(f"beyond the range of real ones in {100 * outside:.1f} % of the values")
    return f"The simulated spectra are {', '.join(said)}.{pure}"


def novelty_words(judged: Judged) -> str:
    """Say whether they are near copies."""
    ratio = judged.mean("neighbour_ratio")
    if not math.isfinite(ratio):
        return ""
    if ratio < _COPIES:
        told = "near copies: they bring no kind of sample that was not there"
    elif ratio > _FAR:
        told = "farther from what was learnt than real spectra are, so some may be none that occur"
    else:
        told = "as new as real ones"
    return f"They lie {ratio:.2f} times as far from the nearest real spectrum as held-out real ones do: {told}."
