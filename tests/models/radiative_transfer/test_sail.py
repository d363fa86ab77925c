"""4SAIL agrees with an independent implementation, keeps energy, and has the limits that a canopy has."""

import numpy as np
import pytest
import torch

from georaster_dl.models.radiative_transfer.leaf_angles import ANGLES_DEG, bimodal, ellipsoidal
from georaster_dl.models.radiative_transfer.sail import CanopyReflectance, sail

RHO, TAU, SOIL = [0.05, 0.25, 0.48], [0.02, 0.30, 0.50], [0.1, 0.2, 0.3]

# Bidirectional, directional-hemispherical, hemispherical-directional and bihemispherical factors of these
# leaves and soils, as PyPI's prosail 2.0.5 (J. Gomez-Dans) computes them.
PUBLISHED = {
    "sparse sun": (
        {"mean": 45.0},
        {"lai": 3.0, "hotspot": 0.05, "sun": 30.0, "view": 10.0, "azimuth": 60.0},
        [
            [0.0237899703, 0.1623953003, 0.5491343196],
            [0.0200692133, 0.1614350398, 0.5544674149],
            [0.0197676345, 0.1569600762, 0.5442079408],
            [0.0222152404, 0.1908921521, 0.6166847313],
        ],
    ),
    "open canopy, low sun": (
        {"mean": 70.0},
        {"lai": 0.8, "hotspot": 0.3, "sun": 65.0, "view": 45.0, "azimuth": 150.0},
        [
            [0.0325250859, 0.1957150379, 0.4198351018],
            [0.0349289098, 0.2116959597, 0.4772781771],
            [0.0391587262, 0.1746006971, 0.3846593323],
            [0.036510491, 0.1968108751, 0.4405733545],
        ],
    ),
    "hot spot": (
        {"slope": -0.35, "bimodality": -0.15},
        {"lai": 5.0, "hotspot": 0.01, "sun": 30.0, "view": 30.0, "azimuth": 0.0},
        [
            [0.0423665096, 0.2392776246, 0.7743435907],
            [0.0163089719, 0.1459011035, 0.5910852344],
            [0.0163089719, 0.1459011035, 0.5910852344],
            [0.0205454778, 0.193126636, 0.6821125357],
        ],
    ),
}


def _rows(values: object, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.atleast_2d(torch.as_tensor(values, dtype=dtype))


def _canopy(
    rho: object = RHO,
    tau: object = TAU,
    soil: object = SOIL,
    *,
    lai: object = 2.0,
    mean: object = 57.0,
    hotspot: object = 0.1,
    sun: object = 35.0,
    view: object = 20.0,
    azimuth: object = 70.0,
    leaves: torch.Tensor | None = None,
    dtype: torch.dtype = torch.float64,
) -> CanopyReflectance:
    def each(value: object) -> torch.Tensor:
        return torch.atleast_1d(torch.as_tensor(value, dtype=dtype))

    return sail(
        (_rows(rho, dtype), _rows(tau, dtype)),
        _rows(soil, dtype),
        lai=each(lai),
        leaf_angles=ellipsoidal(each(mean)) if leaves is None else leaves,
        hotspot=each(hotspot),
        sun_zenith=each(sun),
        view_zenith=each(view),
        relative_azimuth=each(azimuth),
    )


def _draws(n: int = 1000) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(7)
    absorbed = rng.uniform(0.01, 1, (n, 5))
    share = rng.uniform(0.1, 0.9, (n, 5))
    drawn = {
        "rho": (1 - absorbed) * share,
        "tau": (1 - absorbed) * (1 - share),
        "soil": rng.uniform(0, 0.6, (n, 5)),
        "lai": rng.uniform(0, 10, n),
        "mean": rng.uniform(10, 80, n),
        "hotspot": rng.uniform(0, 0.5, n),
        "sun": rng.uniform(0, 75, n),
        "view": rng.uniform(0, 60, n),
        "azimuth": rng.uniform(0, 360, n),
    }
    return {name: torch.as_tensor(values) for name, values in drawn.items()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_agrees_with_an_independent_implementation(name):
    angles, setting, expected = PUBLISHED[name]
    values = [torch.tensor([value], dtype=torch.float64) for value in angles.values()]
    leaves = (bimodal if len(values) == 2 else ellipsoidal)(*values)
    found = _canopy(**setting, leaves=leaves)
    for mine, reference in zip(found, expected, strict=True):
        # The reference solves the bimodal distribution to 1e-8.
        assert mine[0].tolist() == pytest.approx(reference, abs=2e-8)


def test_without_leaves_the_canopy_is_its_soil():
    for factor in _canopy(lai=0.0):
        assert factor[0].tolist() == pytest.approx(SOIL, abs=1e-12)


def test_a_dense_canopy_hides_its_soil():
    dark, bright = (_canopy(soil=[level] * 3, lai=60.0) for level in (0.0, 0.9))
    for one, other in zip(dark, bright, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_black_leaves_only_darken_the_soil_by_the_beams_that_pass():
    found = _canopy(rho=[0.0] * 3, tau=[0.0] * 3, sun=0.0, view=40.0, mean=50.0, hotspot=0.0)
    leaf = torch.as_tensor(np.radians(ANGLES_DEG))
    shares = ellipsoidal(torch.tensor([50.0], dtype=torch.float64))[0]
    down = torch.exp(-2 * (shares * leaf.cos()).sum())
    seen = found.bidirectional[0] / torch.tensor(SOIL, dtype=torch.float64)
    assert torch.allclose(seen, seen[0].expand(3), rtol=1e-6)
    assert 0 < float(seen[0]) < float(down)


def test_energy_is_kept_in_a_thousand_random_canopies():
    found = _canopy(**_draws())
    assert all(bool(torch.isfinite(factor).all()) for factor in found)
    assert all(bool((factor >= 0).all()) for factor in found)
    for factor in (found.directional_hemispherical, found.bihemispherical):
        assert bool((factor <= 1).all())


def test_leaves_and_soil_that_absorb_nothing_return_all_light():
    found = _canopy(rho=[0.5], tau=[0.5], soil=[1.0], lai=3.0)
    assert float(found.directional_hemispherical) == pytest.approx(1, abs=1e-4)
    assert float(found.bihemispherical) == pytest.approx(1, abs=1e-4)


def test_sun_and_view_can_be_exchanged():
    draws = _draws(200)
    found = _canopy(**draws)
    turned = _canopy(**(draws | {"sun": draws["view"], "view": draws["sun"]}))
    assert torch.allclose(found.bidirectional, turned.bidirectional, atol=1e-9)
    assert torch.allclose(
        found.directional_hemispherical, turned.hemispherical_directional, atol=1e-9
    )


def test_azimuth_counts_by_its_angle_alone():
    for azimuth in (-70.0, 290.0, 430.0):
        found = _canopy(azimuth=azimuth).bidirectional
        assert torch.allclose(found, _canopy(azimuth=70.0).bidirectional, atol=1e-12)


def test_gradients_equal_finite_differences():
    names = ("lai", "mean", "hotspot", "sun", "view", "azimuth")
    start = {"lai": 1.7, "mean": 50.0, "hotspot": 0.1, "sun": 35.0, "view": 12.0, "azimuth": 80.0}

    def factors(rho, tau, soil, *others):
        return torch.stack(_canopy(rho, tau, soil, **dict(zip(names, others, strict=True))))

    leaves = [_rows(values).requires_grad_() for values in (RHO, TAU, SOIL)]
    others = [
        torch.tensor([start[name]], dtype=torch.float64, requires_grad=True) for name in names
    ]
    assert torch.autograd.gradcheck(factors, (*leaves, *others), atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize(
    "setting",
    [
        {"lai": 0.0},
        {"rho": [0.0] * 3, "tau": [0.0] * 3},
        {"sun": 20.0, "view": 20.0, "azimuth": 0.0},
        {"sun": 0.0, "view": 0.0},
        {"hotspot": 0.0},
    ],
    ids=["no leaves", "black leaves", "hot spot", "overhead", "no hot spot"],
)
def test_gradients_are_finite_at_the_limits(setting):
    values = {"rho": RHO, "tau": TAU, "lai": 2.0, "mean": 57.0, "sun": 35.0} | setting
    inputs = {
        name: torch.tensor([value], dtype=torch.float64, requires_grad=True)
        for name, value in values.items()
    }
    torch.stack(_canopy(**inputs)).sum().backward()
    assert all(bool(torch.isfinite(value.grad).all()) for value in inputs.values())


def test_single_precision_is_enough():
    draws = _draws(300)
    double, single = _canopy(**draws), _canopy(**draws, dtype=torch.float32)
    for exact, rounded in zip(double, single, strict=True):
        assert float((exact - rounded).abs().max()) < 2e-4


def test_verhoefs_spherical_leaves_are_nearly_those_of_a_sphere():
    uniform_sphere = np.cos(np.radians(ANGLES_DEG - 2.5)) - np.cos(np.radians(ANGLES_DEG + 2.5))
    found = bimodal(*(torch.tensor([v], dtype=torch.float64) for v in (-0.35, -0.15)))[0]
    assert np.abs(found.numpy() - uniform_sphere).max() < 0.02


@pytest.mark.parametrize("angle", [10.0, 30.0, 45.0, 57.0, 75.0])
def test_ellipsoidal_leaves_have_their_mean_angle(angle):
    shares = ellipsoidal(torch.tensor([angle], dtype=torch.float64))[0].numpy()
    assert shares.sum() == pytest.approx(1)
    # Campbell's cubic is good to some degrees.
    assert shares @ ANGLES_DEG == pytest.approx(angle, abs=3)
