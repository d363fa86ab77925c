"""The first page of a report in plain words."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted, listed
from georaster_dl.spectra.report.content import (
    TEST,
    TRAINING,
    ClassResult,
    ReportContent,
    Samples,
    ValueResult,
)

__all__ = [
    "largest_class",
    "limits",
    "mean_error",
    "what_it_reads",
    "worth_of_classes",
    "worth_of_values",
]

_NEARLY_ALL = 0.95  # of a pixel


def what_it_reads(samples: Samples) -> str:
    """Describe the spectra that a model reads."""
    wavelengths = samples.wavelengths_nm
    if wavelengths is None:
        return "spectra"
    return (
        f"spectra of {wavelengths.min():.4g} to {wavelengths.max():.4g} nm "
        f"({counted(len(wavelengths), 'wavelength')}, {samples.quantity})"
    )


def mean_error(result: ValueResult, samples: Samples) -> float:
    """Root mean square error on the test rows of always predicting their mean; NaN without any."""
    known = (samples.part == TEST) & np.isfinite(result.measured) & np.isfinite(result.predicted)
    return float(result.measured[known].std()) if known.any() else float("nan")


def worth_of_values(result: ValueResult, samples: Samples) -> str:
    """Word the error of a quantity, against always predicting the mean."""
    scores, alone = result.scores, mean_error(result, samples)
    spectra = counted(scores.n, "spectrum")
    begin = f"On {spectra} that it was tested on, predictions of {result.subject} are off by {scores.rmsep:.3g} (RMSEP)"
    if not alone > 0:
        return f"{begin}."
    better = 1 - scores.rmsep / alone
    if better <= 0:
        return f"{begin}, no better than always predicting the mean ({alone:.3g}; R² {scores.r2:.2f}): it is of no use there."
    text = f"{begin}; always predicting the mean would be off by {alone:.3g}, so {100 * better:.0f}\N{NO-BREAK SPACE}% of the error is gone (R² {scores.r2:.3f})."
    return f"{text} {_interval(result, samples)}".strip()


def _interval(result: ValueResult, samples: Samples) -> str:
    if result.lower is None or result.upper is None or result.level is None:
        return ""
    known = (samples.part == TEST) & np.isfinite(result.measured) & np.isfinite(result.upper)
    if not known.any():
        return ""
    lower, upper, measured = (each[known] for each in (result.lower, result.upper, result.measured))
    half = float(np.median(upper - lower)) / 2
    within = float(((measured >= lower) & (measured <= upper)).mean())
    return (
        f"Its {100 * result.level:g}\N{NO-BREAK SPACE}% intervals are the prediction ± {half:.3g}; "
        f"{100 * within:.0f}\N{NO-BREAK SPACE}% of the tested values lie within."
    )


def largest_class(result: ClassResult) -> tuple[str, float]:
    """Name the most frequent class of the test rows, and the share that it has."""
    confusion = result.scores.confusion
    most = int(confusion.referenced.argmax())
    return confusion.names[most], float(confusion.referenced[most] / max(1, confusion.total))


def worth_of_classes(result: ClassResult) -> str:
    """Word the accuracy of classes, against always naming the largest."""
    scores = result.scores
    name, share = largest_class(result)
    against = f"always saying {name} would be right for {100 * share:.0f}\N{NO-BREAK SPACE}%"
    begin = f"Of {counted(scores.n, 'spectrum')} that it was tested on, {100 * scores.accuracy:.0f}\N{NO-BREAK SPACE}% get the right {result.subject}; {against}"
    if scores.accuracy <= share:
        return f"{begin}: it is of no use there."
    return f"{begin}. Averaged over the classes, {100 * scores.balanced_accuracy:.0f}\N{NO-BREAK SPACE}% are right."


def limits(content: ReportContent) -> list[str]:
    """List limits of a model's use: ranges of its training, and limitations."""
    samples = content.samples
    said = [] if content.fractions else _ranges(content)
    if content.fractions:
        said += _of_fractions(content)
    if content.classes is not None:
        names = Counter(str(c) for c in content.classes.reference[samples.part == TRAINING] if c)
        few = [f"{name} ({n})" for name, n in sorted(names.items()) if n < 10]
        if names:
            said.append(
                f"For other kinds than {', '.join(sorted(names))}: it names one of these in any case."
            )
        if few:
            said.append(f"With care for classes of few training spectra: {', '.join(few)}.")
    if content.distances is not None:
        said.append(
            "For spectra that are marked as unlike the calibration when they are predicted, which is what "
            "other instruments, moisture or kinds of samples look like."
        )
    return [*said, *content.limits]


def _ranges(content: ReportContent) -> list[str]:
    """Say between which values each quantity was learnt."""
    return [
        f"For {result.label} below {learnt.min():.4g} or above {learnt.max():.4g}: it learnt from "
        f"{counted(learnt.size, 'spectrum')} between these."
        for result in content.values
        if (learnt := _learnt(result, content.samples)).size
    ]


def _of_fractions(content: ReportContent) -> list[str]:
    """List the limits of fractions: other materials, and more of one than was learnt."""
    names = listed([result.name for result in content.values])
    most = {
        result.name: learnt.max()
        for result in content.values
        if (learnt := _learnt(result, content.samples)).size
    }
    return [
        f"For spectra of anything but {names}: fractions sum to 1 in any case, so they share out what is none of these.",
        *(
            f"With care where a fraction of {name} is above {largest:.2g}: it learnt from none."
            for name, largest in most.items()
            if largest < _NEARLY_ALL
        ),
    ]


def _learnt(result: ValueResult, samples: Samples) -> npt.NDArray[np.float64]:
    return np.asarray(result.measured[(samples.part == TRAINING) & np.isfinite(result.measured)])
