"""How the accuracy of s2-landcover is counted: what is scored, what is wrong, what is held out."""

import csv
import importlib
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def counted(tally, sets, world):
    """Counts of a chip of a place, from its labels and its map."""

    def make(place, label, mapped, level="L2A"):
        label = np.array([label], np.uint16)
        image = np.zeros((len(sets.BANDS), *label.shape), np.float32)
        piece = sets.Piece(image, np.ones(len(sets.BANDS), bool), label, np.ones(label.shape, bool))
        chip = world.Chip(
            place, place, "Europe", "", "2020-07-01", level, piece, True, 0, cloudless=True
        )
        return tally.Counted(chip, level, tally.count(label, np.array([mapped])))

    return make


def test_labels_of_several_classes_are_not_scored(tally, sets):
    label = np.array([[sets.TREE, sets.TREE | sets.GRASS, 0, sets.SNOW]], np.uint16)
    counts = tally.count(label, np.array([[0, 0, 0, tally.CLOUD]]))
    assert counts.sum() == 2
    assert counts[0, 0] == 1
    assert counts[tally.SNOW, tally.CLOUD] == 1


def test_cloud_on_clear_land_is_wrong_and_counted_apart(tally, sets):
    label = np.array([[sets.TREE] * 6 + [sets.WATER] * 2 + [sets.CLOUD] * 2], np.uint16)
    mapped = np.array([[0, 0, 0, tally.CLOUD, tally.SHADOW, 2, 5, 5, tally.CLOUD, 0]])
    figures = tally.Figures.of(tally.count(label, mapped), fewest=1)
    assert figures.pixels == 8  # the clouds are no surface
    assert figures.agreement == pytest.approx(5 / 8)
    assert figures.false_sky == pytest.approx(2 / 8)
    assert figures.balanced == pytest.approx((3 / 6 + 1) / 2)
    assert figures.macro_f1 == pytest.approx((2 * 3 / 9 + 1) / 2)
    assert figures.recall[tally.CLOUD] == pytest.approx(1 / 2)


def test_a_handful_of_pixels_of_a_class_does_not_count_as_a_class(tally, sets):
    label = np.array([[sets.TREE] * 60 + [sets.BUILT] * 3], np.uint16)
    figures = tally.Figures.of(tally.count(label, np.zeros((1, 63), int)))
    assert figures.balanced == 1
    assert figures.agreement == pytest.approx(60 / 63)


def test_nothing_labelled_gives_no_figure(tally, sets):
    label = np.array([[sets.CLOUD] * 80], np.uint16)
    figures = tally.Figures.of(tally.count(label, np.full((1, 80), tally.CLOUD)))
    assert np.isnan([figures.agreement, figures.balanced, figures.macro_f1]).all()
    assert figures.recall == {tally.CLOUD: 1}


def test_places_count_alike_whatever_their_size(tally, sets, counted):
    large = counted("large", [sets.TREE] * 900, [0] * 900)
    small = counted("small", [sets.WATER] * 100, [0] * 100)
    alike = tally.Figures.of(tally.alike_places([large, small]), fewest=0)
    assert alike.agreement == pytest.approx(0.5)
    pooled = tally.Figures.of(large.counts + small.counts)
    assert pooled.agreement == pytest.approx(0.9)


def test_the_card_tells_levels_and_continents_with_their_pixels(tally, sets, counted):
    places = importlib.import_module("accuracy.places")
    seeds = [
        [
            counted("here", [sets.TREE] * 100, [0] * right + [1] * (100 - right)),
            counted("there", [sets.CROP] * 100, [2] * 100, level="L1C"),
        ]
        for right in (40, 60)
    ]
    figures = places.card_figures(seeds)
    assert figures["level"]["L2A"] == {
        "pixels": 100, "places": 1, "agreement": 0.5, "balanced": 0.5
    }  # fmt: skip
    assert figures["continent"] == {
        "Europe": {"pixels": 200, "places": 2, "agreement": 0.75, "balanced": 0.75}
    }
    assert figures["class"]["tree cover"]["F1"] == pytest.approx((0.8 / 1.4 + 1.2 / 1.6) / 2, 1e-3)
    assert figures["class"]["cropland"] == {"pixels": 100, "F1": 1.0}
    assert set(figures["class"]) == {"tree cover", "cropland"}


def test_seasons_turn_round_in_the_south(sets, counted):
    places = importlib.import_module("accuracy.places")
    dataclasses = importlib.import_module("dataclasses")
    chip = counted("here", [sets.TREE], [0]).chip
    south = dataclasses.replace(chip, continent="Oceania", date="2020-10")
    assert places._season(chip) == "summer"
    assert places._season(south) == "spring"
    assert places._season(dataclasses.replace(chip, date="2015-2017")) == "not stated"
    assert places._season(dataclasses.replace(chip, date="2019-12-31")) == "winter"


def test_a_veil_brightens_blue_most_and_adds_nothing_where_there_is_no_measurement(tally, sets):
    maps = importlib.import_module("accuracy.maps")
    present = np.array([band != "B12" for band in sets.BANDS])
    valid = np.array([[True, False]])
    image = np.where(valid, present[:, None, None] * np.float32(0.05), 0)
    veiled = maps.behind_veil(sets.Piece(image, present, np.ones((1, 2), np.uint16), valid))
    band = dict(zip(sets.BANDS, veiled.image[:, 0, 0], strict=True))
    assert band["B02"] == pytest.approx(0.072 + 0.80 * 0.05)
    assert band["B02"] > band["B03"] > band["B04"] > 0.05
    gone = {b for b, there in zip(sets.BANDS, veiled.present, strict=True) if not there}
    assert gone == {"B01", "B09", "B12"}
    assert not veiled.image[:, 0, 1].any()
    assert not veiled.image[~veiled.present].any()


def test_weights_of_whole_seeds_are_preferred(tally, world, tmp_path):
    maps = importlib.import_module("accuracy.maps")
    with pytest.raises(FileNotFoundError, match="fold"):
        maps.fold_weights(tmp_path)
    for fold in range(world.FOLDS):
        (tmp_path / f"fold{fold}_seed1.pt").touch()
    (tmp_path / "fold0_seed0.pt").touch()
    (tmp_path / "seed0.pt").touch()
    (seed,) = maps.fold_weights(tmp_path)
    assert seed == {fold: tmp_path / f"fold{fold}_seed1.pt" for fold in range(world.FOLDS)}


@pytest.mark.realdata
def test_no_place_lies_in_two_folds(world):
    table = DATA / "s2_world" / "chips.csv"
    if not table.exists():
        pytest.skip("the chips are not here")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    folds = world._folds(rows)
    assert set(folds.values()) == set(range(world.FOLDS))
    lies = {}
    for row in rows:
        for name in ("boadella", "saxony", "gascoyne", "jaca", "baltic", "worldcereal", "presto"):
            if row["file"].startswith(name):
                lies.setdefault(name, set()).add(folds[world._place(row)])
    assert all(len(found) == 1 for found in lies.values())
    assert lies["worldcereal"] == lies["presto"]  # they lie side by side


def test_a_forest_draws_alike_from_pools_of_any_size(tally):
    rivals = importlib.import_module("accuracy.rivals")
    pools = [np.full((n, 12), n, np.float32) for n in (7000, 10, 5000)]
    drawn = rivals._drawn(np.random.default_rng(0), pools)[:, 0]
    assert {n: int((drawn == n).sum()) for n in (10, 5000, 7000)} == {
        10: 10, 5000: 3328, 7000: 3328
    }  # fmt: skip
    assert len(set(drawn[:50])) > 1  # not pool after pool


@pytest.mark.parametrize(
    ("lon", "lat", "continent"),
    [
        (-17, 14, "Africa"),  # Senegal
        (11, 35, "Africa"),  # Tunisia
        (46, 4, "Africa"),  # Somalia
        (31, 27, "Africa"),  # Egypt
        (45, 24, "Asia"),  # Arabia
        (33, 35, "Asia"),  # Cyprus
        (33, 40, "Asia"),  # Anatolia
        (72, 59, "Asia"),  # Siberia
        (-5, 36.5, "Europe"),  # Andalusia
        (25, 35.2, "Europe"),  # Crete
        (58, 50, "Europe"),  # west of the Ural
        (145, -5, "Oceania"),  # New Guinea
        (131, -24, "Oceania"),  # Australia
        (107, -7, "Asia"),  # Java
        (-77, -8, "South America"),  # Peru
        (-84, 10, "North America"),  # Costa Rica
    ],
)
def test_continents_follow_from_longitude_and_latitude(tally, lon, lat, continent):
    assert importlib.import_module("accuracy.points").continent_of(lon, lat) == continent


def test_months_of_cloud_and_snow_are_left_out(sets, tally):
    points = importlib.import_module("accuracy.points")
    ground = np.array([np.nan if b in ("B01", "B09") else 0.1 for b in sets.BANDS], np.float32)
    spectra = np.tile(ground, (12, 1))
    spectra[:, sets.BANDS.index("B11")] = 0.2
    spectra[3] += 0.3  # cloud
    spectra[4, sets.BANDS.index("B03")] = 0.6  # snow
    spectra[4, sets.BANDS.index("B11")] = 0.05
    spectra[5, 1] = np.nan
    assert list(np.flatnonzero(~points._clear(spectra))) == [3, 4, 5]
    bright = spectra + 0.3
    assert not points._clear(bright).any()


def test_cloud_and_clear_follow_from_other_dates_of_a_series(tally, sets):
    clouds = importlib.import_module("accuracy.clouds")
    band = {name: i for i, name in enumerate(sets.BANDS)}
    rng = np.random.default_rng(0)
    image = np.full((10, len(sets.BANDS), 4, 4), 0.2, np.float32)
    image[:, band["B02"]] = 0.05 + rng.uniform(-0.005, 0.005, (10, 4, 4))
    image[:, band["B08"]] = 0.3 + rng.uniform(-0.05, 0.05, (10, 4, 4))
    image[7] += 0.4  # cloud
    image[8, band["B02"]] = image[8, band["B03"]] = 0.7  # snow
    image[8, band["B11"]] = 0.05
    image[9, band["B08"]] = 0.05  # shadow
    cloud, clear = clouds.sky_of_series(image)
    assert cloud[7].all()
    assert not cloud[[i for i in range(10) if i != 7]].any()
    assert not clear[[7, 8]].any()
    assert not clear[9].any()
    assert clear[:7].mean() > 0.6


def test_false_clouds_are_counted_by_surface(sets, tally):
    clouds = importlib.import_module("accuracy.clouds")
    image = np.zeros((len(sets.BANDS), 1, 4), np.float32)
    for name, values in {"B02": 0.1, "B04": [0.2, 0.1, 0.1, 0.2], "B11": 0.4}.items():
        image[sets.BANDS.index(name)] = values
    label = np.array([[sets.BARE, sets.BARE, sets.CROP, sets.BARE | sets.CROP]], np.uint16)
    piece = sets.Piece(image, np.ones(len(sets.BANDS), bool), label, np.ones((1, 4), bool))
    found = {name: mask.sum() for name, mask in clouds.surfaces(piece).items()}
    assert found == {
        "sand": 1, "other bare ground": 1, "crops and grass": 1, "snow": 0, "water": 0, "city": 0,
        "forest": 0,
    }  # fmt: skip
