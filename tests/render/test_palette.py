"""Colours of classes: by meaning, in several languages, and always told apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.render import palette as module
from georaster_dl.render.palette import apart_from, choose_colors, is_background, meaning, palette


def distances(colors):
    seen = module._oklab(np.array(colors, float))
    return np.linalg.norm(seen[:, None] - seen, axis=2)[np.triu_indices(len(colors), 1)]


@pytest.mark.parametrize(
    ("expected", "names"),
    [
        ("water", "water Wasserfläche eau agua acqua água woda Permanent_water_bodies"),
        ("forest", "Tree_cover Laubwald Baum forêt bosque bosco floresta drzewa bos mixed_forest"),
        ("conifers", "Nadelwald coniferous_forest las_iglasty"),
        ("grass", "meadow Wiese Grünland Gruenland prairie pradera prato pastagem łąka weiland"),
        ("crop", "cropland Ackerland Äcker culture cultivos seminativo lavoura uprawy akkers"),
        ("shrub", "shrubland Sträucher Straeucher matorral krzewy struiken"),
        ("wetland", "Herbaceous_wetland Hochmoor zone_humide humedal mokradła flooded_vegetation"),
        ("bare", "bare_soil sand Fels sol_nu suelo roccia areia las_rocas zand"),
        ("building", "buildings built-up Built_Up Gebäude Gebaeude bâtiment edificio budynki dak"),
        ("road", "road Straße Strasse Waldweg carretera droga forest_road"),
        ("snow", "snow snow_and_ice Schnee/Eis neige nieve neve śnieg sneeuw"),
        ("cloud", "cloud clouds Wolke nuage nube nuvola nuvem chmura"),
        ("shadow", "cloud_shadow CloudShadow Wolkenschatten sombra_de_nube cień ombre"),
        ("burned", "burned burnt_area Brandfläche zone_brûlée área_queimada"),
        ("vineyard", "vineyard Weinberg Rebfläche vigne viñedo vigneto winnica"),
        ("rice", "rice rice_field paddy Reis arroz riso"),
        ("maize", "maize corn Mais maïs maíz milho kukurydza"),
        ("wheat", "winter_wheat Winterweizen Gerste blé trigo pszenica tarwe"),
        ("river", "river Flüsse rivière rio rzeka"),
        ("lake", "lake See Stausee lac lago jezioro"),
        ("sea", "North_Sea Meer mer mare morze"),
        ("background", "other background Hintergrund sonstiges autre otros resto_altro overig"),
        ("background", "no_water non-forest nonforest kein_Wald unburned cloud_free wolkenfrei"),
        ("crop", "other_crops Non-irrigated_arable_land"),
        (None, "clutter 7 class_3 NA car Ω 森林 alpha"),
    ],
)
def test_names_mean_something_in_many_languages(expected, names):
    assert {name: meaning(name.replace("_", " ")) for name in names.split()} == dict.fromkeys(
        names.split(), expected
    )
    assert {meaning(name) for name in names.split()} == {expected}  # '_' is no letter


def test_a_meaning_has_its_colour_whatever_the_order():
    names = ["cloud", "meadow", "road", "water"]
    colors = dict(zip(names, choose_colors(names), strict=True))
    assert colors == dict(zip(names[::-1], choose_colors(names[::-1]), strict=True))
    assert colors["water"][2] > 2 * colors["water"][0]
    assert colors["meadow"][1] > max(colors["meadow"][0], colors["meadow"][2])
    assert max(colors["cloud"]) - min(colors["cloud"]) < 16


def test_meanings_are_told_apart():
    names = [name for name in module._meanings() if name != "built"]  # which is as buildings are
    assert distances(choose_colors(names)).min() >= module._APART
    assert choose_colors(names) == [module._meanings()[name].color for name in names]


def test_classes_of_one_meaning_are_shades():
    colors = choose_colors(["water 1", "water 2", "deep water", "Wasser"])
    assert distances(colors).min() >= module._APART
    assert all(blue > red for red, _, blue in colors)


@given(
    st.lists(st.sampled_from(["water", "forest", "a", "b", "NA", "Wald", "kein Wald"]), max_size=30)
)
def test_no_two_classes_look_alike(names):
    colors = choose_colors(names)
    assert len(set(colors)) == len(names)
    assert all(0 <= part <= 255 for color in colors for part in color)


def test_given_colours_stay_and_are_not_chosen_again():
    forest = choose_colors(["forest"])[0]
    colors = choose_colors(["oil", "forest", "x"], [forest, None, None])
    assert colors[0] == forest
    assert distances(colors).min() >= module._APART


def test_without_a_meaning_colours_are_neutral_and_always_the_same():
    assert choose_colors(["x", "y"]) == palette(2)
    colors = palette(40)
    assert colors[:10] == palette(10)
    distance = np.linalg.norm(np.array(colors)[:, None] - np.array(colors), axis=2)
    assert distance[np.triu_indices(40, 1)].min() > 30
    assert len(palette(1000)) == 1000


@pytest.mark.parametrize("names", [["building", "other"], list(module._meanings())[:12], ["a"] * 9])
def test_colours_that_are_no_class(names):
    classes = choose_colors(names)
    errors = apart_from(classes, 2)
    assert distances([*classes, *errors]).min() >= module._APART
    assert distances(errors).min() > 0.2


def test_background():
    assert is_background("no building")
    assert not is_background("building")
    assert not is_background("7")
