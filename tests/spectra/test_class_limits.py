"""Limits of classes of spectra: against a direct computation, on members, strangers and few samples."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2
from sklearn.model_selection import GroupKFold

from georaster_dl.core.errors import ModelPackageError
from georaster_dl.core.events import no_report
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.class_limits import ClassLimits
from georaster_dl.spectra.methods.class_limits import (
    ClassMembership,
    class_membership,
    fit_class_limits,
)
from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.predict import predicted_table
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.table.samples import SpectraTable, read_spectra
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.columns import TableOptions
from tests.spectra.made import chemistry

BANDS = 40
BUMP = 0.03 * np.exp(-(((np.arange(BANDS) - 12) / 3) ** 2))


def members(n, kind="a", seed=0):
    """Spectra of a class: mixtures of the same parts, which a part of its own tells from the other class."""
    spectra, _ = chemistry(n, BANDS, seed=seed)
    return spectra + {"a": 0, "b": 1, "stranger": -1}[kind] * BUMP


def limits(n, **options):
    return fit_class_limits(members(n), np.full(n, "a"), **options)


def direct(train, fresh, components):
    """Distances of data-driven SIMCA by eigenvectors of the covariance, in five folds and of new spectra."""

    def distances(some, others):
        centre = some.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(some.T))
        axes = vectors[:, ::-1][:, :components]
        scores = (others - centre) @ axes
        left = (others - centre) @ (np.eye(len(centre)) - axes @ axes.T)
        return np.array(
            [(scores**2 / values[::-1][:components]).sum(axis=1), (left**2).sum(axis=1)]
        )

    crossed = np.empty((2, len(train)))
    folds = GroupKFold(5, shuffle=True, random_state=0)
    for learn, test in folds.split(train, groups=np.arange(len(train))):
        crossed[:, test] = distances(train[learn], train[test])
    means = crossed.mean(axis=1)
    degrees = np.round(2 * means**2 / crossed.var(axis=1, ddof=1))
    found = (degrees / means) @ distances(train, fresh)
    return means, degrees, found / chi2.ppf(0.95, degrees.sum())


def test_distances_and_limits_are_those_of_a_direct_computation():
    of_class = limits(90)["a"]
    means, degrees, ratios = direct(members(90), members(50, seed=3), of_class.n_components)
    np.testing.assert_allclose(of_class.scales, means, rtol=1e-6)
    assert of_class.degrees == tuple(degrees)
    np.testing.assert_allclose(of_class.limits, chi2.ppf([0.95, 0.99], degrees.sum()), rtol=1e-6)
    found = class_membership({"a": of_class}, members(50, seed=3))
    np.testing.assert_allclose(found.ratios["a"], ratios, rtol=1e-6)


@pytest.mark.parametrize("n", [20, 60, 200])
def test_as_many_components_are_kept_as_the_spectra_have_parts(n):
    assert limits(n)["a"].n_components == 6


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 60, 200])
def test_other_members_are_accepted_as_promised_and_strangers_refused(n):
    """On average over 20 classes, as the limits of a single one rest on few samples."""
    accepted = []
    for seed in range(20):
        of_class = fit_class_limits(members(n, seed=seed), np.full(n, "a"))
        fresh = class_membership(of_class, members(500, seed=seed + 100)).ratios["a"]
        assert class_membership(of_class, members(100, "b", seed + 200)).ratios["a"].min() > 1, seed
        accepted.append((fresh <= 1).mean())
    assert np.mean(accepted) == pytest.approx(0.95, abs=0.02)


def test_scans_of_a_sample_are_kept_together():
    """Divided, a scan would be measured by the space of its own sample."""
    noise = np.random.default_rng(0).normal(0, 1e-3, (90, BANDS))
    scans, samples = np.repeat(members(30), 3, axis=0) + noise, np.repeat(np.arange(30), 3)
    names = np.full(90, "a")
    by_sample, by_scan = (fit_class_limits(scans, names, g)["a"] for g in (samples, None))
    assert by_sample.n_components == by_scan.n_components
    assert by_sample.scales[0] > 1.2 * by_scan.scales[0]


def test_classes_of_few_samples_or_without_variation_have_no_limits():
    spectra = np.concatenate([members(40), members(19, "b"), np.ones((30, BANDS))])
    names = np.repeat(["a", "b", "c"], [40, 19, 30]).astype(object)
    assert set(fit_class_limits(spectra, names)) == {"a"}
    scanned = np.repeat(np.arange(13), 3)[:38]
    assert not fit_class_limits(members(38), np.full(38, "a"), scanned)


@pytest.mark.parametrize("bands", [1, 2, BANDS])
def test_spectra_of_which_components_leave_nothing_have_limits(bands):
    spectra = np.linspace(0, 1, 40)[:, None] * np.ones(bands)
    found = class_membership(
        fit_class_limits(spectra, np.full(40, "a")), np.array([0.5, 30.0])[:, None] * np.ones(bands)
    )
    assert found.possible.tolist() == ["a", "none"]


def test_a_single_spectrum_that_differs_brings_no_failure():
    spectra = np.ones((20, BANDS))
    spectra[3] += BUMP
    assert class_membership(fit_class_limits(spectra, np.full(20, "a")), spectra).of_none <= 1


@pytest.mark.slow
def test_many_classes_have_fewer_components_and_then_no_limits():
    spectra = np.random.default_rng(0).normal(size=(400, 1000)).cumsum(axis=1)
    found = fit_class_limits(spectra, np.repeat(np.arange(20), 20))
    assert {one.n_components for one in found.values()} <= {1, 2}
    wide = np.concatenate([spectra, spectra], axis=1)[:, :1600]
    assert not fit_class_limits(wide, np.repeat(np.arange(20), 20))


def test_columns_say_which_classes_are_possible():
    ratios = {"a": np.array([0.5, 1.0, 2.0, np.nan]), "b": np.array([0.9, 3.0, 2.0, np.nan])}
    found = ClassMembership(ratios, ("rye",))
    columns = {name: list(values) for name, values in found.columns().items()}
    assert columns == {
        "within_a": ["yes", "yes", "no", ""],
        "within_b": ["yes", "no", "no", ""],
        "classes_possible": ["a+b", "a", "none", ""],
    }
    assert found.text == "1 of 4 spectra is within the limits of no class; rye has no limits"


@pytest.mark.parametrize("damage", [{"loadings": (1.0,)}, {"degrees": (0, 3)}, {"limits": (0, 1)}])
def test_damaged_limits_are_refused(damage):
    with pytest.raises(ValueError, match=next(iter(damage))):
        ClassLimits(**limits(30)["a"].model_dump() | damage)


def table(parts):
    spectra = np.concatenate([members(n, kind, seed) for kind, n, seed in parts])
    kinds = np.repeat([kind for kind, _, _ in parts], [n for _, n, _ in parts])
    frame = pd.DataFrame({"kind": kinds.astype(object)})
    return SpectraTable("grain", np.linspace(1000, 1390, BANDS), spectra, frame)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "grain.safetensors"
    parts = table([("a", 60, 0), ("b", 60, 1), ("stranger", 15, 2)])
    train_table(
        parts, path, "pls", TableOptions(class_column="kind"), Settings(components=4), no_report
    )
    return load_spectral_model(path)


def test_a_trained_package_holds_the_limits_of_its_training_spectra(package):
    of_a, of_b, of_stranger = package.card.class_limits
    assert of_stranger is None
    assert (of_a.spectra, of_b.spectra) == (48, 48)
    assert package.card.training["class limits"].startswith(f"a: {of_a.n_components} components, ")
    assert "No class limits of stranger: they need 20 samples" in package.card.limitations
    assert Card.from_json(package.card.to_json()) == package.card


def test_predictions_name_the_possible_classes_and_warn_of_spectra_of_none(package):
    fresh = table([("a", 40, 5), ("b", 40, 6), ("stranger", 7, 7)])
    predicted = predicted_table(package, fresh)
    columns = predicted.columns
    expected = class_membership(
        package.class_limits, package.preprocessing.transform(fresh.spectra)
    )
    assert list(columns["classes_possible"]) == list(expected.possible)
    assert (columns["within_a"][:40] == "yes").mean() > 0.8
    assert (columns["within_a"][40:] == "no").all()
    assert (columns["within_b"][40:80] == "yes").mean() > 0.8
    assert set(columns["classes_possible"][80:]) == {"none"}
    assert "within_stranger" not in columns
    said = f"grain: {expected.of_none} of 87 spectra are within the limits of no class; stranger has no limits."
    assert said in predicted.repairs


def test_limits_of_other_classes_or_bands_are_refused(package):
    fields = package.card.model_dump()
    with pytest.raises(ModelPackageError, match="class_limits are of 2 classes, but classes are 3"):
        Card.from_fields(fields | {"class_limits": fields["class_limits"][:2]})
    short = fit_class_limits(members(30)[:, :9], np.full(30, "a"))["a"]
    with pytest.raises(ModelPackageError, match="class_limits are of 9 bands, but bands are 40"):
        Card.from_fields(fields | {"class_limits": [short, None, None]})


@pytest.mark.realdata
@pytest.mark.slow
def test_kinds_of_forage_accept_their_own_and_refuse_soils(real_data):
    """A fifth kept back by chance, five times; printed are the shares that each kind accepts."""
    forages = read_spectra([real_data / "nir" / f"forages_{end}.csv" for end in "XY"])
    soils = read_spectra(real_data / "nir" / "NIRsoil.csv")
    assert np.array_equal(forages.wavelengths_nm, soils.wavelengths_nm)
    chain = Preprocessing("snv,savgol(15,2,1)").fit(forages.spectra)
    spectra, kinds = chain.transform(forages.spectra), forages.classes("typ")
    own, other = [], []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(spectra))
        train, test = np.split(order, [len(order) * 4 // 5])
        found = fit_class_limits(spectra[train], kinds[train])
        within = class_membership(found, spectra[test])
        accepted = {name: ratio <= 1 for name, ratio in within.ratios.items()}
        own.append([share[kinds[test] == name].mean() for name, share in accepted.items()])
        other.append([share[kinds[test] != name].mean() for name, share in accepted.items()])
        assert class_membership(found, chain.transform(soils.spectra)).of_none == len(soils)
    for name, *shares in zip(
        found, np.mean(own, 0), np.std(own, 0), np.mean(other, 0), strict=True
    ):
        print(name, found[name].n_components, np.round(shares, 3), (kinds == name).sum())
    assert min(np.mean(own, axis=0)) > 0.8
