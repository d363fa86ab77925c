"""Contents of reports as tests need them."""

import numpy as np

from georaster_dl.spectra.methods.explain import BandImportance
from georaster_dl.spectra.report.content import (
    TEST,
    TRAINING,
    ClassResult,
    ComparedMethod,
    ComponentsCurve,
    Distances,
    ReportContent,
    Samples,
    ValueResult,
)
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from tests.spectra.made import chemistry

HOSTILE = (
    "<script>document.title='hacked'</script>\"' & so long that no chart has room for all of it"
)
BANDS = 30


def samples(n=60, *, groups=None, names=None):
    """Samples of which the last third tests, with a plain preprocessing."""
    spectra, _ = chemistry(n, BANDS)
    part = np.where(np.arange(n) < 2 * n // 3, TRAINING, TEST).astype(object)
    names = np.array(names or [f"sample {i}" for i in range(n)], object)
    return Samples(
        names,
        part,
        1000.0 + 20 * np.arange(BANDS),
        spectra,
        spectra - spectra.mean(axis=1, keepdims=True),
        groups,
        "absorbance",
    )


def value(of, *, name="fat", label="fat (%)", error=0.3, seed=1):
    """A quantity that is predicted with an error of this standard deviation."""
    generator = np.random.default_rng(seed)
    measured = generator.uniform(2, 40, len(of))
    predicted = measured + generator.normal(0, error, len(of))
    test = of.part == TEST
    curve = np.array([3.0, 1.5, 0.8, 0.5, 0.4, 0.41, 0.45])
    wave = np.sin((np.arange(BANDS) + 0.5) / 3)
    return ValueResult(
        name,
        label,
        measured,
        predicted,
        ValueScores.of(predicted[test], measured[test]),
        predicted - 2 * error,
        predicted + 2 * error,
        0.9,
        {"RMSEC": 0.25, "RMSECV": 0.4},
        ComponentsCurve("pls", curve, 5, 0.8 * curve[:5]),
        BandImportance(name, wave, np.abs(wave) + 0.5, wave**2),
    )


def distances(of):
    """Distances of which one is far beyond its limit."""
    generator = np.random.default_rng(2)
    t2, q = generator.chisquare(3, len(of)), generator.chisquare(2, len(of)) / 100
    t2[0] = 100.0
    scores = generator.normal(size=(len(of), 3))
    return Distances(scores, t2, q, {0.95: 8.0, 0.99: 12.0}, {0.95: 0.08, 0.99: 0.12})


METHODS = (
    ComparedMethod("pls", "5 latent variables", True, 0.4, 0.02, 0.42),
    ComparedMethod("svm", "C 100", False, 0.39, 0.03, 0.45, p_value=0.31),
    ComparedMethod("rf", "", False, 1.2, 0.1, 1.3, p_value=0.0002),
)


def content_of_values(*values, of=None, **fields):
    """A report with all that one on values can have."""
    of = of or samples()
    values = values or (value(of),)
    return ReportContent(
        title="Calibration of fat",
        table="meat",
        samples=of,
        values=values,
        facts=(("Preprocessing", "snv"),),
        repairs=("meat: wavelengths in nm, guessed from the numbers.",),
        choice="PLS was kept.",
        limits=("Rows were divided by chance.",),
        distances=distances(of),
        methods={values[0].name: METHODS},
        **fields,
    )


def content_of_classes():
    """A report on three classes."""
    of = samples()
    names = np.array(["hay", "silage", HOSTILE], object)
    generator = np.random.default_rng(3)
    kinds = generator.integers(0, 3, len(of))
    reference = names[kinds]
    predicted = names[np.where(generator.random(len(of)) < 0.8, kinds, 0)]
    test = of.part == TEST
    scores = ClassScores.of(predicted[test], reference[test])
    return ReportContent(
        title="Calibration of kind",
        table="forage",
        samples=of,
        classes=ClassResult(
            "kind", reference, scores, ComponentsCurve("pls-da", np.array([0.4, 0.2]), 2)
        ),
        distances=distances(of),
    )
