"""What a model learnt from is told from what it has not seen."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from georaster_dl.core.bands import named_bands
from georaster_dl.core.errors import ModelPackageError
from georaster_dl.models.novelty.detector import Detector
from georaster_dl.models.novelty.fit import fit_novelty
from georaster_dl.models.novelty.judge import judge
from georaster_dl.models.novelty.mixture import Mixture, fit_mixture
from georaster_dl.models.novelty.network import NoveltyNetwork
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.limitations import absent_bands_warning
from georaster_dl.models.package.novelty import AbsentBands, NoveltyStatistics
from georaster_dl.models.package.values import InputBand
from tests.cards import card

NAMES = ("B02", "B03", "B04", "B08", "B11", "B12")
# Reflectance of trees, meadows, soil, water and cities.
SPECTRA = np.array(
    [
        [0.02, 0.04, 0.03, 0.30, 0.15, 0.07],
        [0.04, 0.08, 0.05, 0.40, 0.22, 0.12],
        [0.08, 0.11, 0.15, 0.25, 0.33, 0.28],
        [0.05, 0.04, 0.02, 0.01, 0.01, 0.01],
        [0.12, 0.13, 0.15, 0.22, 0.24, 0.21],
    ]
)
SNOW = np.array([0.80, 0.80, 0.78, 0.75, 0.10, 0.08])
CLASSES = ("tree cover", "water")


def place(seed, n=600):
    """Pixels of a place: each a surface, in a light of its own."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(5, n, p=rng.dirichlet(np.full(5, 3)))
    return SPECTRA[kind] * rng.normal(1, 0.15, (n, 1)) + rng.normal(0, 0.01, (n, 6))


class _OneByOne(nn.Conv2d):
    def __init__(self):
        super().__init__(7, 3, 1)
        self.stride = 1


@pytest.fixture(scope="module")
def statistics():
    return fit_novelty(NAMES, [place(i) for i in range(12)], [place(100 + i) for i in range(20)])


def verdict(statistics, values, names=NAMES, classes=CLASSES):
    places = [NAMES.index(name) for name in names]
    detector = Detector.of(statistics, names)
    bands = named_bands(names)
    return judge(
        statistics, detector, values[:, places], bands, quantity="reflectance", classes=classes
    )


def test_absent_bands_are_integrated_out():
    mixture = fit_mixture(place(0), 3)
    few = mixture.marginal([1, 3])
    assert np.array_equal(few.means, mixture.means[:, [1, 3]])
    for of_few, of_all in zip(few.covariances, mixture.covariances, strict=True):
        assert np.array_equal(of_few, of_all[np.ix_([1, 3], [1, 3])])


def test_distance_is_of_mahalanobis_plus_what_a_wide_or_rare_cluster_costs():
    covariances = np.stack([np.diag([1.0, 4.0]), np.diag([100.0, 4.0])])
    mixture = Mixture(np.array([0.5, 0.5]), np.array([[0.0, 0.0], [50.0, 0.0]]), covariances)
    near, far = mixture.distances(np.array([[3.0, 4.0], [60.0, 0.0]]))
    assert near == pytest.approx([9 + 4, 4.7**2 + 4 + np.log(100)])
    assert mixture.distance(np.array([[60.0, 0.0]])) == pytest.approx(np.sqrt(far[1]))
    assert far[1] == pytest.approx(1 + np.log(100))


def test_bands_that_some_pixels_lack_are_learnt_from_the_others():
    whole = np.concatenate([place(i) for i in range(8)])
    holed = whole.copy()
    holed[::2, 4:] = np.nan
    expected, found = fit_mixture(whole, 4), fit_mixture(holed, 4)
    pixels = place(50)
    assert np.corrcoef(expected.distance(pixels), found.distance(pixels))[0, 1] > 0.9
    assert np.median(np.abs(found.distance(pixels) / expected.distance(pixels) - 1)) < 0.25


def test_ordinary_places_are_passed_in_silence(statistics):
    found = [verdict(statistics, place(200 + i)) for i in range(20)]
    assert sum(each.reason is not None for each in found) <= 1
    assert np.median([each.share for each in found]) < 0.03


@pytest.mark.parametrize("names", [NAMES, NAMES[:4]], ids=["all bands", "four bands"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda x: x + 0.1, "brighter by about 0.1 .* not taken off"),
        (lambda x: x - 0.1, "darker by about 0.1 .* taken off twice"),
        (lambda x: x * 10, "about 10 times those of training"),
        (lambda x: x * 0.1, "about 0.1 times those of training"),
    ],
    ids=["offset left in", "offset twice", "times 10", "a tenth"],
)
def test_the_fault_of_the_values_is_named(statistics, names, fault, reason):
    for seed in range(300, 304):
        found = verdict(statistics, fault(place(seed)), names)
        assert found.reason is not None
        assert re.search(reason, found.reason)


def test_snow_is_named_and_whether_the_model_knows_it(statistics):
    scene = place(400)
    scene[:250] = SNOW * np.random.default_rng(0).normal(1, 0.05, (250, 1))
    found = verdict(statistics, scene)
    assert found.share == pytest.approx(250 / 600, abs=0.04)
    assert found.reason == (
        "bright in the visible (B02, B03, B04), dark in the short-wave infrared (B11, B12): snow or ice, "
        "which this model has no class for"
    )
    assert verdict(statistics, scene, classes=("snow and ice",)).reason.endswith("snow or ice")
    # Without the short-wave infrared it could be cloud.
    few = verdict(statistics, scene, NAMES[:4]).reason
    assert few == "bright in all bands, as clouds and snow are, which this model has no class for"


def test_bands_that_do_not_go_with_the_others_are_named(statistics):
    kelvin = place(500)
    kelvin[:, 4:] = np.random.default_rng(0).normal(300, 5, (600, 2))
    found = verdict(statistics, kelvin)
    assert found.share == 1
    assert re.match(r"B11 is around (299|30\d)", found.reason)
    assert "B12 is around" in found.reason
    swapped = place(501)[:, [0, 1, 3, 2, 4, 5]]  # red and near infrared
    assert "B04 (higher)" in verdict(statistics, swapped).reason


def test_thresholds_come_from_ground_that_was_kept_aside():
    training = [place(i) for i in range(12)]
    hazy = [place(100 + i) + np.random.default_rng(i).uniform(0, 0.15) for i in range(20)]
    alone = fit_novelty(NAMES, training, [])
    assert (alone.threshold, alone.share, alone.margin) == (1, 0.1, 2)
    assert fit_novelty(NAMES, training, hazy).threshold > 1.2


def test_many_bands_are_thinned_out():
    rng = np.random.default_rng(0)
    names = [f"b{i}" for i in range(200)]
    statistics = fit_novelty(names, [rng.normal(size=(300, 200))], [], quantity="counts")
    assert len(statistics.bands) == 16
    assert (statistics.bands[0], statistics.bands[-1]) == ("b0", "b199")


def test_a_handful_of_pixels_of_one_value_will_do():
    statistics = fit_novelty(("a", "b"), [np.ones((3, 2))], [np.ones((2, 2))], quantity="counts")
    assert Detector.of(statistics, ("a", "b")).novelty(np.ones((1, 2)))[0] < 1
    with pytest.raises(ValueError, match="no training pixel has the band 'b'"):
        fit_novelty(("a", "b"), [np.array([[1.0, np.nan]])], [])


def test_the_network_gives_the_same_novelty(statistics):
    bands = [InputBand(name, mean=0.15, std=0.12) for name in (*NAMES, "B09")]
    detector = Detector.of(statistics, NAMES)
    network = NoveltyNetwork(_OneByOne(), bands, detector)
    values = np.concatenate([place(600, 64) * 3, np.full((64, 1), 0.2)], axis=1)
    image = ((values - 0.15) / 0.12).T.reshape(1, 7, 8, 8)
    with torch.inference_mode():
        made = network(torch.from_numpy(image).float())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            coarse = network(torch.from_numpy(image).float())
    assert made.shape == (1, 4, 8, 8)
    expected = detector.novelty(values[:, :6])
    assert np.allclose(made[0, 3].flatten(), expected, rtol=1e-3)
    assert torch.equal(coarse[0, 3], made[0, 3])


def test_statistics_travel_in_the_card(statistics):
    described = card(bands=NAMES, novelty=statistics)
    assert Card.from_json(described.to_json()).novelty == statistics
    assert len(statistics.model_dump_json()) < 20_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"means": (0.0,)}, "needs 48 means"),
        ({"covariances": (-1.0,) * 168}, "not positive definite"),
        ({"weights": (0.0,) * 8}, r"novelty\.weights"),
    ],
)
def test_damaged_statistics_are_refused(statistics, change, message):
    assert len(statistics.weights) == 8
    fields = statistics.model_dump() | change
    with pytest.raises(ModelPackageError, match=message):
        card(bands=NAMES, novelty=fields)


def test_absent_bands_that_matter_are_told():
    measured = [
        AbsentBands(bands=("B11", "B12"), figure="macro F1", whole=0.78, without=0.7, worst="snow"),
        AbsentBands(bands=("B11",), figure="macro F1", whole=0.78, without=0.76),
        AbsentBands(bands=("B01",), figure="macro F1", whole=0.78, without=0.775),
    ]
    assert absent_bands_warning(("B01", "B11", "B12"), measured) == (
        "the scene has no B11, B12: macro F1 is 0.70 instead of 0.78 without them, snow most"
    )
    assert absent_bands_warning(("B01", "B11"), measured) is None
    assert absent_bands_warning((), measured) is None


def test_no_known_band_is_no_detector(statistics):
    assert Detector.of(statistics, ("B05",)) is None
    assert isinstance(statistics, NoveltyStatistics)
