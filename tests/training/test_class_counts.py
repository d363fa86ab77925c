"""What of the labels adds nothing to a training is said; when nothing is left, why."""

import geopandas
import numpy as np
import pytest
from shapely.geometry import box

from georaster_dl.core.errors import OptionError
from georaster_dl.training.data.cache import CachedScene, CacheFolder
from georaster_dl.training.data.class_counts import check_class_counts
from georaster_dl.training.data.labelled_scenes import open_labelled_scenes
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig

X, Y = 500_000, 5_000_000  # the scene's upper left corner; its pixels are 10 m wide


@pytest.fixture
def told(make_tif, tmp_path):
    """Warnings that labels give, as polygons (left, top, side in metres) with classes."""

    def tell(squares, classes, **labels):
        scene = make_tif(np.ones((2, 40, 40), np.uint8))
        shapes = [
            box(X + left, Y - top - side, X + left + side, Y - top) for left, top, side in squares
        ]
        frame = geopandas.GeoDataFrame({"class": classes}, geometry=shapes, crs=32631)
        frame.to_file(tmp_path / "labels.gpkg")
        config = TrainConfig.of({"labels": labels})
        ground = open_labelled_scenes(
            [SceneWithLabels(str(scene), tmp_path / "labels.gpkg")], config
        )[0]
        warnings = []
        with CacheFolder(tmp_path / "model.safetensors") as folder:
            check_class_counts([CachedScene.fill(ground, folder, 0, reach=0)], warnings.append)
        return warnings

    return tell


TINY = [(16, 16, 3), (36, 36, 3)]
WIDE = [(100, 100, 90), (200, 200, 90)]


def test_features_below_a_pixel(told):
    with pytest.raises(
        OptionError, match=r"all 2 features .* smaller than a pixel.*`all_touched=True`"
    ):
        told(TINY, ["a", "b"])
    assert told(TINY, ["a", "b"], all_touched=True) == []


def test_some_features_below_a_pixel(told):
    (warning,) = told([*TINY, *WIDE], ["a", "b", "a", "b"])
    assert warning.startswith("2 of 4 features of labels.gpkg cover no pixel's centre")
    assert "`all_touched=True`" in warning
    assert told(WIDE, ["a", "b"]) == []


def test_what_erosion_leaves_out_is_said_and_what_it_leaves_nothing_of(told):
    # Squares of 9 x 9 pixels keep 7 x 7; that of 2 x 2 nothing.
    said = told([*WIDE, (10, 10, 20)], ["a", "b", "b"], erode=1)
    assert said[0].startswith("`erode=1` leaves out 68 of 166 labelled pixels (41 %)")
    assert said[1].startswith("1 of 3 features are so small that `erode=1` leaves nothing")
    with pytest.raises(OptionError, match="`erode=5` leaves no label: all 162 labelled pixels"):
        told(WIDE, ["a", "b"], erode=5)


def test_codes_that_become_names_are_said(told):
    (warning,) = told(WIDE, [3301010101, 3302000000])
    assert "3301010101, 3302000000" in warning
    assert "numbered 1 to 2" in warning
