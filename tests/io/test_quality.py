"""Quality bands mask pixels: of products, of items, in a stack, in files of other grids."""

import json

import numpy as np
import pytest
from rasterio.transform import from_origin

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.arrays import scene_in_memory
from georaster_dl.io.scenes.quality import Comparison, MaskRule, parse_mask
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import source_files

SCL = ((0, 1), (3, 3), (8, 10))


@pytest.mark.parametrize(
    ("text", "name", "kind", "ranges"),
    [
        ("SCL", "SCL", "mask", SCL),
        ("x/T31TCJ_20220101_SCL_20m.jp2", "x/T31TCJ_20220101_SCL_20m.jp2", "mask", SCL),
        ("LC08_L2SP_x_QA_PIXEL.TIF", "LC08_L2SP_x_QA_PIXEL.TIF", "bits", ((0, 4),)),
        ("HLS.L30.T31.v2.0.Fmask.tif", "HLS.L30.T31.v2.0.Fmask.tif", "bits", ((1, 3),)),
        ("20220101_udm2.tif", "20220101_udm2.tif", "keep", ((1, 1),)),
        ("SCL=3,8-10", "SCL", "mask", ((3, 3), (8, 10))),
        ("a=b.tif = bits:1, 3", "a=b.tif", "bits", ((1, 1), (3, 3))),
        ("C:/clear.tif=keep:1", "C:/clear.tif", "keep", ((1, 1),)),
        ("m.tif=-5--3,0-99999999999", "m.tif", "mask", ((-5, -3), (0, 99999999999))),
    ],
)
def test_names_and_rules(text, name, kind, ranges):
    assert parse_mask(text) == (name, MaskRule(kind, ranges))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clouds.tif", "not known which"),
        ("clouds.tif=high", "'high' is no rule"),
        ("SCL=", "'' is no rule"),
        ("c.tif=bits:70", "bits are 0 to 62"),
        ("c.tif=bits:-1", "bits are 0 to 62"),
        ("c.tif=9-3", "the range 9-3 is empty"),
    ],
)
def test_a_mask_that_says_nothing(text, said):
    with pytest.raises(OptionError, match=f"mask='{text}'`.*{said}"):
        parse_mask(text)


@pytest.mark.parametrize(
    ("rule", "usable"),
    [
        (MaskRule("mask", ((3, 3), (8, 10**12))), [True, True, False, False]),
        (MaskRule("keep", ((3, 8),)), [False, False, True, True]),
        (MaskRule("bits", ((0, 0), (2, 2))), [True, True, False, True]),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_what_rules_mask(rule, usable, dtype):
    assert rule.usable(np.array([0, 2, 3, 8], dtype)).tolist() == usable


def test_numbers_that_are_none_are_masked_by_bits():
    assert not MaskRule("bits", ((1, 1),)).usable(np.array([np.nan])).any()


def test_a_band_of_the_scene_masks_and_is_no_data(make_tif):
    array = np.ones((3, 20, 30), "uint16")
    array[2, :5] = 9
    array[2, 5:] = 4
    path = make_tif(array, descriptions=["B02", "B03", "SCL"])
    scene = open_scene(path, SceneOptions(mask="scl"))
    assert [band.name for band in scene.bands] == ["B02", "B03"]
    assert np.array_equal(scene.read().valid, array[2] == 4)
    chosen = open_scene(path, SceneOptions(bands=("B03",), mask="SCL"))
    assert np.array_equal(chosen.read().valid, array[2] == 4)
    assert np.array_equal(chosen.thumbnail(10).valid, (array[2] == 4)[::3, ::3])


def test_a_file_of_another_grid_masks_the_nearest_pixels(make_tif):
    fine = make_tif(np.ones((1, 40, 40), "uint8"), "fine.tif")
    quality = np.full((1, 10, 20), 4, "uint8")  # the northern half of the scene alone
    quality[0, :3] = 8
    coarse = make_tif(quality, "SCL.tif", transform=from_origin(500_000, 5_000_000, 20, 20))
    scene = open_scene(fine, SceneOptions(mask=str(coarse)))
    valid = scene.read().valid
    assert not valid[:6].any()
    assert valid[6:20].all()
    assert not valid[20:].any()
    assert str(coarse) in source_files(scene)


def test_an_asset_of_an_item_masks(make_tif, tmp_path):
    make_tif(np.ones((1, 20, 30), "uint16"), "b.tif")
    quality = np.full((1, 20, 30), 4, "uint8")
    quality[0, :, :7] = 10
    make_tif(quality, "class.tif")
    item = {
        "type": "Feature",
        "properties": {},
        "assets": {
            "red": {"href": "b.tif", "eo:bands": [{"name": "B04"}]},
            "scl": {"href": "class.tif", "roles": ["data"]},
        },
    }
    (tmp_path / "item.json").write_text(json.dumps(item))
    scene = open_scene(tmp_path / "item.json", SceneOptions(mask="SCL"))
    assert np.array_equal(scene.read().valid, quality[0] == 4)


def test_a_name_that_is_not_there(make_tif):
    path = make_tif(np.ones((1, 8, 8), "uint8"), descriptions=["B02"])
    with pytest.raises(OptionError, match=r"mask='SCL'` is neither .* which has B02"):
        open_scene(path, SceneOptions(mask="SCL"))


def test_a_quality_file_has_one_band_but_for_udm2(make_tif):
    scene = make_tif(np.ones((1, 8, 8), "uint8"))
    several = np.ones((8, 8, 8), "uint8")
    with pytest.raises(OptionError, match="has 8 raster bands, but a quality file has one"):
        open_scene(scene, SceneOptions(mask=f"{make_tif(several, 'm.tif')}=0"))
    assert (
        open_scene(scene, SceneOptions(mask=str(make_tif(several, "x_udm2.tif"))))
        .read()
        .valid.all()
    )


@pytest.mark.parametrize(
    ("text", "name", "rule"),
    [
        ("SCL=cloud_high,Snow", "SCL", MaskRule("mask", ((9, 9), (11, 11)))),
        ("SCL=keep:vegetation,bare,6", "SCL", MaskRule("keep", ((4, 4), (5, 5), (6, 6)))),
        ("QA_PIXEL=bits:cloud, cloud_shadow", "QA_PIXEL", MaskRule("bits", ((3, 3), (4, 4)))),
        ("x.Fmask.tif=bits:water", "x.Fmask.tif", MaskRule("bits", ((5, 5),))),
        ("B02>0.2", "B02", Comparison(">", 0.2)),
        ("B02 >= 2", "B02", Comparison(">=", 2)),
        ("probability.tif<-1e-3", "probability.tif", Comparison("<", -0.001)),
    ],
)
def test_named_numbers_and_comparisons(text, name, rule):
    assert parse_mask(text) == (name, rule)


def test_a_name_that_no_class_has_is_answered_with_those_there_are():
    with pytest.raises(OptionError, match="'cloud' is no rule .* cloud_medium, cloud_high, cirrus"):
        parse_mask("SCL=cloud")


@pytest.mark.parametrize(
    ("sign", "usable"),
    [
        (">", [True, True, False, False]),
        (">=", [True, False, False, False]),
        ("<", [False, True, True, False]),
        ("<=", [False, False, True, False]),
    ],
)
def test_what_comparisons_mask(sign, usable):
    values = np.array([0.1, 0.2, 0.3, np.nan])
    assert Comparison(sign, 0.2).usable(values).tolist() == usable


def test_a_comparison_is_of_physical_values_and_the_band_stays(make_tif):
    array = np.full((2, 20, 30), 3000, "uint16")
    array[0, :5] = 1500
    path = make_tif(array, descriptions=["B02", "B04"], scales=[1e-4] * 2)
    scene = open_scene(path, SceneOptions(mask="B02>0.2"))
    assert [band.name for band in scene.bands] == ["B02", "B04"]
    assert np.array_equal(scene.read().valid, array[0] == 1500)
    chosen = open_scene(path, SceneOptions(bands=("B04",), mask="B02>0.2"))
    assert np.array_equal(chosen.read().valid, array[0] == 1500)
    stated = open_scene(path, SceneOptions(bands=("B04",), scale=1e-3, mask="B02>2"))
    assert np.array_equal(stated.read().valid, array[0] == 1500)
    with pytest.raises(OptionError, match=r"mask='B03'` is neither"):
        open_scene(path, SceneOptions(mask="B03>0.2"))


def test_a_file_of_probabilities_masks_by_its_physical_values(make_tif):
    cloud = make_tif(np.arange(64, dtype="uint8").reshape(1, 8, 8), "p.tif", scales=[0.01])
    scene = open_scene(make_tif(np.ones((1, 8, 8), "uint8")), SceneOptions(mask=f"{cloud}>0.3"))
    assert scene.read().valid.sum() == 31


def test_a_band_of_an_array_masks():
    array = np.full((2, 8, 10), 4, "uint8")
    array[1, :3] = 9
    options = SceneOptions(bands=("B02", "SCL"), mask="SCL")
    scene = open_scene(scene_in_memory(array), options)
    assert np.array_equal(scene.read().valid, array[1] == 4)
    assert source_files(scene) == []
