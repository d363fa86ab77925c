"""Turns are drawn from above and as the sensor sees them."""

import numpy as np
from PIL import Image

from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.render.turns.page import write_turn_picture
from georaster_dl.render.turns.views import seen_from_above, seen_from_sensor


def test_from_above_x_is_right_y_is_up_and_the_highest_point_is_seen():
    xyz = np.array([[1.5, 0.5, 0.0], [1.5, 0.5, 2.0], [1.5, 0.5, 1.0], [-1.5, 1.5, 0], [9, 0, 0]])
    image = seen_from_above(xyz, reach_m=2, cell_m=1)
    assert image.shape == (4, 4)
    assert image[1, 3] == 1
    assert image[0, 0] == 3
    assert np.count_nonzero(image >= 0) == 2


def test_the_sensor_sees_left_on_the_left_the_upper_laser_above_and_the_nearest_point():
    ahead, left = [8.0, 0.0, 1.0], [0.0, 8.0, -1.0]
    xyz = np.array([ahead, left, [16.0, 0.0, 2.0], [-8.0, -0.01, -1.0]])
    image = seen_from_sensor(xyz, np.array([3, 7, 3, 7]), columns=8)
    assert image.shape == (2, 8)
    assert image[0, 4] == 0
    assert image[1, 2] == 1
    assert image[1, 7] == 3
    # Without numbers of lasers, rows are elevations.
    assert seen_from_sensor(xyz, None, columns=8)[0, 4] == 0


def test_a_picture_has_the_colours_of_the_classes(tmp_path):
    legend = Legend((MapClass(1, "road", (200, 0, 0)), MapClass(2, "tree", (0, 160, 0))))
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-40, 40, (20_000, 3))
    label = np.where(xyz[:, 0] > 0, 1, 2)
    for view in ("above", "sensor"):
        path = tmp_path / f"{view}.png"
        labels = {"Truth": label, "Map": np.full_like(label, 2)}
        write_turn_picture(
            path, xyz=xyz, fiber=None, labels=labels, legend=legend, view=view, title="a turn"
        )
        pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
        red, green = (np.count_nonzero((pixels == c.color).all(axis=1)) for c in legend.classes)
        assert 1000 < red < green
