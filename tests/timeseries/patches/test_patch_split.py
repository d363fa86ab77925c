"""Splits of patches: strips, of which no two parts touch."""

import itertools

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.timeseries.learning.options import SplitOptions
from georaster_dl.timeseries.learning.split import plan_split
from georaster_dl.timeseries.patches.strips import PatchPlaces
from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples, number_classes


def patches(rows, cols, *, kept=1.0):
    """Patches of one class each, side by side; a share of them is kept."""
    places = np.array(list(itertools.product(range(rows), range(cols))))
    places = places[np.random.default_rng(0).random(len(places)) < kept]
    names = np.where(places[:, 0] % 2, "maize", "beet")
    numbers, legend = number_classes(list(names))
    groups = pd.DataFrame(places, columns=["patch_row", "patch_col"])
    groups["farm"] = np.where(places[:, 1] < cols // 2, "a", "b")
    dates = np.array(["2022-04-01", "2022-06-01"], "datetime64[D]")
    values = np.zeros((len(places), 2, 1, 2, 2), np.float32)
    labels = np.broadcast_to(numbers[:, None, None], (len(places), 2, 2)).copy()
    labels[:, 0] = -1
    return SeriesSamples(
        "farms", (SensorSamples("S2", (Band("B04"),), values, dates),), labels, groups, legend
    )


def touching(samples, one, other):
    """Pairs of patches of two parts that touch."""
    places = samples.groups[["patch_row", "patch_col"]].to_numpy()
    apart = np.abs(places[one][:, None] - places[other][None]).max(axis=2)
    return int((apart <= 1).sum())


@pytest.mark.parametrize(
    ("samples", "options"),
    [
        (patches(6, 14), SplitOptions()),
        (patches(20, 9, kept=0.6), SplitOptions()),
        (patches(6, 20), SplitOptions(folds=3)),
        (patches(20, 20), SplitOptions(leave_out="farm")),
    ],
)
def test_no_two_parts_touch(samples, options):
    plan = plan_split(samples, options, "01-01", 0)
    for fold in plan.folds:
        parts = (fold.train, fold.validation, fold.test)
        assert all(part.any() for part in parts)
        assert all(touching(samples, *pair) == 0 for pair in itertools.combinations(parts, 2))
        assert fold.train.sum() > 0.3 * len(samples)
    if options.folds:
        assert len(plan.folds) == 3
        assert (sum(fold.test.astype(int) for fold in plan.folds) == 1).all()
    if options == SplitOptions():
        assert 0.1 < plan.folds[0].test.mean() < 0.3
        assert "in strips of patches" in plan.description
        assert plan.caution == ""


def test_strips_lie_across_the_longer_side_and_are_as_large_as_each_other():
    samples = patches(4, 10)
    places = PatchPlaces.of(samples)
    strips = places.strips(np.ones(40, bool), 5)
    assert [int(strip.sum()) for strip in strips] == [8] * 5
    assert (samples.groups.patch_col[strips[0]] <= 1).all()
    assert len(places.strips(samples.groups.patch_col.to_numpy() < 2, 8)) == 4  # its rows


def test_too_few_patches_are_refused():
    with pytest.raises(OptionError, match="to learn from where a fifth tests, but at least 10"):
        plan_split(patches(4, 4), SplitOptions(), "01-01", 0)
