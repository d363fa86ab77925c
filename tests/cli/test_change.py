"""``geodl change``: from two scenes and a model to a map of changes."""

import numpy as np
import pytest
from scipy import ndimage

from georaster_dl.core.legend import MapClass
from georaster_dl.testing import noise, write_model, write_scene
from tests.maps import read_band


@pytest.fixture
def textured():
    """Reflectances times 10,000 with smooth texture, (3, 128, 160)."""
    drawn = ndimage.gaussian_filter(
        np.random.default_rng(2).normal(size=(3, 128, 160)), (0, 1.5, 1.5)
    )
    return (2000 + 1500 * drawn / drawn.std()).clip(1, 1e4).astype(np.uint16)


@pytest.mark.slow
def test_identical_scenes_have_no_change(geodl, scene, model):
    ended = geodl("change", scene, scene, "-m", model, "-o", "c.tif")
    assert ended.code == 0, ended.err
    known = 100 * (read_band("c.tif") != 255).mean()
    assert (
        f"{known:.2f} % of the map's pixels are known at both dates; 0.00 % of these changed"
        in ended.out
    )
    assert read_band("c.tif").max() == 255


def test_a_planted_change_as_the_two_maps_have_it(geodl, textured, model, tmp_path):
    before = write_scene(tmp_path / "before.tif", textured)
    array = textured.copy()
    array[:, 40:80, 60:120] = noise((40, 60), seed=9) + 1
    array[:, :20, :30] = 0
    after = write_scene(tmp_path / "after.tif", array)
    ended = geodl(
        "change", before, after, "-m", model, "-o", "c.tif", "--csv", "c.csv", "--quicklook", "c.png",
        "--confidence", "--progress", "json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    done = ended.events[-1]
    assert done["outputs"][-1] == "c.tif"
    assert {"c_confidence.tif", "c.csv", "c.png"} < set(done["outputs"])
    assert done["shift"] == {"rows": pytest.approx(0, abs=0.05), "cols": pytest.approx(0, abs=0.05)}
    for scene in (before, after):
        assert (
            geodl(
                "segment",
                scene,
                "-m",
                model,
                "-o",
                f"{scene.stem}_map.tif",
                "--confidence",
                "--quiet",
            ).code
            == 0
        )
    one, two, found = read_band("before_map.tif"), read_band("after_map.tif"), read_band("c.tif")
    nodata = (one == 255) | (two == 255)
    expected = np.where(one == two, one, 100 * one.astype(int) + two)  # classes 1 to 4
    assert (found == np.where(nodata, 65535, expected)).all()
    assert (one != two)[44:76, 64:116].mean() > 0.3
    rows = {(row["from"], row["to"]): row["pixels"] for row in done["transitions"]}
    assert sum(rows.values()) == (~nodata).sum()
    assert 0 < done["known_share"] == pytest.approx((~nodata).mean(), abs=1e-6)
    ended = geodl("change", "before_map.tif", "after_map.tif", "-o", "again.tif", "--quiet")
    assert ended.code == 0, ended.err
    assert (read_band("again.tif") == found).all()


@pytest.mark.slow
def test_a_shift_of_a_pixel_is_warned_of(geodl, textured, model, tmp_path):
    before = write_scene(tmp_path / "before.tif", textured[:, :, 1:])
    after = write_scene(tmp_path / "after.tif", textured[:, :, :-1])
    ended = geodl("change", before, after, "-m", model, "-o", "c.tif")
    assert ended.code == 0
    assert (
        "the second image lies 1.00 pixels off the first (+0.00 rows, +1.00 cols"
        in ended.err.replace("-0.00", "+0.00")
    )
    assert "shift between the images" in ended.out


@pytest.mark.slow
def test_a_grid_whole_pixels_apart_is_no_shift(geodl, textured, model, tmp_path):
    from rasterio.transform import from_origin

    before = write_scene(tmp_path / "before.tif", textured)
    place = from_origin(500_000 + 10, 5_000_000, 10, 10)
    after = write_scene(tmp_path / "after.tif", textured[:, :, 1:], transform=place)
    ended = geodl("change", before, after, "-m", model, "-o", "c.tif")
    assert ended.code == 0
    assert "pixels off the first" not in ended.err
    assert (read_band("c.tif")[:, 0] == 65535).all()


@pytest.mark.slow
def test_clouds_of_either_date_are_nodata(geodl, textured, tmp_path):
    names = ("forest", "water", "cloud", "cloud shadow")
    classes = [MapClass(i + 1, name, (i, 50 * i, 99)) for i, name in enumerate(names)]
    model = write_model(tmp_path / "m.safetensors", classes=classes)
    before = write_scene(tmp_path / "before.tif", textured)
    after = write_scene(tmp_path / "after.tif", textured[::-1].copy())
    ended = geodl("change", before, after, "-m", model, "-o", "c.tif", "--progress", "json")
    assert ended.code == 0, ended.err
    assert ended.events[-1]["hidden"] == ["cloud", "cloud shadow"]
    assert set(np.unique(read_band("c.tif"))) <= {1, 2, 102, 201, 255}
    assert (read_band("c.tif") == 255).any()


def test_a_quality_band_masks_either_date(geodl, textured, model, tmp_path):
    scenes = []
    for name, rows in (("before", slice(0, 30)), ("after", slice(90, 128))):
        quality = np.full((1, 128, 160), 4, np.uint16)
        quality[:, rows] = 9
        array = np.concatenate([textured[:1], quality, textured[1:]])
        bands = ("B02", "SCL", "B03", "B04")
        scenes.append(
            write_scene(
                tmp_path / f"{name}.tif", array, bands=bands, photometric="MINISBLACK", ALPHA="NO"
            )
        )
    ended = geodl("change", *scenes, "-m", model, "-o", "c.tif", "--mask", "SCL")
    assert ended.code == 0, ended.err
    band = read_band("c.tif")
    hidden = (band == np.iinfo(band.dtype).max).all(axis=1)
    assert np.flatnonzero(~hidden).tolist() == list(range(30, 90))


def test_other_grids_are_refused_before_any_work(refused, scene, model, tmp_path):
    from rasterio.transform import from_origin

    other = write_scene(
        tmp_path / "other.tif", noise(), transform=from_origin(500_000, 5_000_000, 11, 11)
    )
    told = refused("change", scene, other, "-m", model, "-o", "c.tif")
    assert "gdalwarp -r bilinear" in told


def test_scenes_without_a_model_are_refused(refused, scene):
    told = refused("change", scene, scene, "-o", "c.tif")
    assert "scene.tif" in told
    assert "it is a scene" in told
    assert "--model" in told


def test_options_of_scenes_are_refused_for_maps(refused, scene):
    told = refused("change", scene, scene, "-o", "c.tif", "--mask", "SCL", "--bands", "1,2,3")
    assert "--bands, --mask say how scenes are mapped" in told


def test_a_model_of_quantities_is_refused(refused, scene, tmp_path):
    from georaster_dl.models.package.values import Target

    target = Target(name="biomass", unit="t/ha", mean=0, std=1)
    model = write_model(tmp_path / "m.safetensors", n_classes=1, targets=(target,))
    assert "no classes that could change" in refused(
        "change", scene, scene, "-m", model, "-o", "c.tif"
    )


def test_a_band_of_one_date_only_is_warned_of(geodl, tmp_path):
    from tests.networks import S2_NAMES, save_optional

    model = save_optional(tmp_path / "m.safetensors")
    array = noise((64, 64), n_bands=len(S2_NAMES))
    before = write_scene(tmp_path / "before.tif", array, bands=S2_NAMES)
    after = write_scene(tmp_path / "after.tif", array[1:], bands=S2_NAMES[1:])
    ended = geodl("change", before, after, "-m", model, "-o", "c.tif")
    assert ended.code == 0, ended.err
    assert f"only one of the two dates has {S2_NAMES[0]}" in ended.err


@pytest.mark.slow
def test_warnings_say_of_which_date_they_are(geodl, textured, model, tmp_path):
    before = write_scene(tmp_path / "before.tif", textured)
    after = write_scene(tmp_path / "after.tif", (textured * 0.1).astype(np.uint16) + 1, scale=1e-2)
    ended = geodl("change", before, after, "-m", model, "-o", "c.tif", "--progress", "json")
    told = [event["message"] for event in ended.events if event["event"] == "warning"]
    assert any(message.startswith("after: ") for message in told), told
