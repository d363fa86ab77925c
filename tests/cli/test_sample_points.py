"""``geodl sample-points``: from a map to points to a verdict."""

import geopandas
import numpy as np
import pytest

from georaster_dl.testing import write_labels
from tests.maps import NAMES, noisy_pair


@pytest.fixture
def class_map(tmp_path):
    return write_labels(tmp_path / "map.tif", noisy_pair((100, 80))[0], names=NAMES)


def test_points_are_drawn_filled_in_and_evaluated(geodl, class_map, tmp_path):
    ended = geodl(
        "sample-points", class_map, "-n", 200, "-o", "points.gpkg", "--minimum-per-class", 20
    )
    assert ended.code == 0, ended.err
    assert ended.err == ""
    assert "200 points in all: points.gpkg" in ended.out
    assert f"geodl evaluate {class_map} points.gpkg --class-field class" in ended.out
    frame = geopandas.read_file(tmp_path / "points.gpkg", layer="points")
    assert len(frame) == 200
    frame["class"] = frame["map_class"].where(frame["id"] > 50)
    frame.to_file(tmp_path / "points.gpkg")
    ended = geodl("evaluate", class_map, "points.gpkg", "--class-field", "class")
    assert "150 points compared; 50 points without a label" in ended.out


def test_the_formula_asks_for_more_where_errors_are_expected(geodl, class_map):
    def drawn(accuracy):
        ended = geodl(
            "sample-points", class_map, "-o", "p.gpkg", "--overwrite", "--standard-error", 0.02,
            "--users-accuracy", accuracy,
        )  # fmt: skip
        assert ended.code == 0, ended.err
        return int(next(line for line in ended.out.splitlines() if "in all" in line).split()[0])

    assert drawn("0.8") == 400
    assert drawn("0.5") == 625
    assert 400 < drawn("0.8,water=0.5") < 625


def test_unfilled_points_are_refused_with_a_reason(geodl, class_map):
    assert geodl("sample-points", class_map, "-n", 150, "-o", "p.gpkg").code == 0
    ended = geodl("evaluate", class_map, "p.gpkg", "--class-field", "class")
    assert ended.code == 1
    assert "fill it in" in ended.err


class TestRefused:
    def test_an_output_that_exists_or_is_the_map(self, refused, class_map, tmp_path):
        (tmp_path / "p.gpkg").write_text("mine")
        assert "exists already" in refused("sample-points", class_map, "-o", "p.gpkg")
        assert "end it in .gpkg" in refused("sample-points", class_map, "-o", class_map)

    def test_too_few_points(self, refused, class_map):
        told = refused("sample-points", class_map, "-n", 60, "-o", "p.gpkg")
        assert "ask for 150 or more" in told

    @pytest.mark.parametrize("text", ["high", "water=", "water=high", "1.5", "watr=0.9"])
    def test_accuracies_that_are_none(self, refused, class_map, text):
        told = refused("sample-points", class_map, "-o", "p.gpkg", "--users-accuracy", text)
        assert "accurac" in told

    def test_a_standard_error_of_nothing(self, refused, class_map):
        told = refused("sample-points", class_map, "-o", "p.gpkg", "--standard-error", 0)
        assert "standard error" in told

    def test_a_missing_map(self, refused):
        assert "no.tif does not exist" in refused("sample-points", "no.tif", "-o", "p.gpkg")

    def test_a_map_of_numbers(self, refused, make_tif):
        path = make_tif(np.zeros((8, 8), np.float32))
        assert "holds numbers" in refused("sample-points", path, "-o", "p.gpkg")
