import re

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import TrainingProgressed
from georaster_dl.spectra.simulate.gan import simulate_gan
from georaster_dl.spectra.table.samples import SpectraTable

BANDS = np.linspace(1000, 2000, 40)


def library(*sizes: int, seed: int = 0) -> SpectraTable:
    """Smooth spectra of classes a, b, ..., whose levels lie 2 apart, with two fractions and a value."""
    random = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    fat = random.random(len(numbers))
    curves = np.sin(BANDS / 150), np.cos(BANDS / 300)
    spectra = 2.0 * numbers[:, None] + fat[:, None] * curves[0] + curves[1]
    spectra += 0.1 * random.normal(size=(len(numbers), 1)) * curves[1]
    columns = pd.DataFrame(
        {"kind": np.array(list("abcd"))[numbers], "fat": fat, "lean": 1 - fat, "water": 3 * fat + 5}
    )
    return SpectraTable("made", BANDS, spectra, columns)


def test_a_seed_gives_one_table_and_another_seed_another():
    tables = [
        simulate_gan(library(30, 30), n=20, seed=seed, class_field="kind", gan_steps=15)
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(tables[0].spectra, tables[1].spectra)
    assert not np.array_equal(tables[0].spectra, tables[2].spectra)
    assert tables[0].spectra.dtype == np.float32
    assert tables[0].settings["gan_loss"] == "wasserstein"


def test_classes_come_as_often_as_their_weights_say():
    made = simulate_gan(
        library(30, 30, 30),
        n=40,
        class_field="kind",
        proportions={"a": 2.0, "b": 1.0},
        gan_steps=2,
    )
    names, counts = np.unique(made.columns["kind"].astype(str), return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"a": 20, "b": 10, "c": 10}


def test_new_values_lie_between_known_ones_and_fractions_keep_their_sum():
    table = library(80)
    made = simulate_gan(table, n=300, targets=("fat", "lean", "water")[:2], gan_steps=2)
    fat = made.columns["fat"]
    np.testing.assert_allclose(fat + made.columns["lean"], 1, atol=1e-12)
    known = table.target("fat")
    assert known.min() <= fat.min() < fat.max() <= known.max()
    assert len(np.unique(fat)) > 200
    assert np.std(fat) == pytest.approx(np.std(known), rel=0.2)


def test_progress_is_reported():
    events = []
    simulate_gan(library(30), n=5, targets=("fat",), gan_steps=120, report=events.append)
    assert [(e.done, e.total) for e in events if isinstance(e, TrainingProgressed)] == [
        (100, 120),
        (120, 120),
    ]


@pytest.mark.parametrize(
    ("sizes", "asked", "message"),
    [
        ((30, 29), {"class_field": "kind"}, r"30 spectra of each class or more, but made has 29 of b"),
        ((29,), {"targets": ("fat",)}, r"30 spectra of each column of values or more, but made has 29 spectra"),
        ((59,), {"targets": ("fat", "lean")}, r"made has 59 spectra"),
        ((60, 59), {"class_field": "kind", "targets": ("fat", "lean")}, r"made has 59 of b"),
    ],
)  # fmt: skip
def test_few_spectra_of_a_condition_are_refused_and_mixtures_named(sizes, asked, message):
    with pytest.raises(OptionError, match=message) as refused:
        simulate_gan(library(*sizes), n=5, gan_steps=1, **asked)
    assert re.search("repeats what it saw.*mixtures", str(refused.value))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"gan_loss": "hinge"}, "known are wasserstein, original"), ({"gan_steps": 0}, "1 step or more")],
)  # fmt: skip
def test_unknown_options_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        simulate_gan(library(30), n=5, targets=("fat",), **options)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["wasserstein", "original"])
def test_spectra_are_of_their_condition(loss):
    table = library(60, 60)
    made = simulate_gan(
        table, n=200, class_field="kind", targets=("fat",), gan_loss=loss, gan_steps=3000
    )
    levels = made.spectra.mean(axis=1) - table.spectra[:60].mean()
    assert (levels[made.columns["kind"] == "a"] < 1).mean() > 0.97
    assert (levels[made.columns["kind"] == "b"] > 1).mean() > 0.97
    curve = np.sin(BANDS / 150)
    shown = made.spectra @ (curve - curve.mean())
    for name in "ab":
        own = made.columns["kind"] == name
        assert np.corrcoef(shown[own], made.columns["fat"][own])[0, 1] > 0.8
