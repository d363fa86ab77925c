"""``geodl unmix``: files, printed table, and errors in its own words."""

import pandas as pd
import pytest
import rasterio

from tests.unmixing.scenes import write_mixed, write_table


@pytest.fixture
def scene(tmp_path):
    return write_mixed(tmp_path / "cube.tif")


def test_the_curve_is_printed_and_the_files_are_beside_each_other(geodl, scene, tmp_path):
    ended = geodl("unmix", "cube.tif", "--error", "error.tif", "--save-model", "mixed.safetensors")
    assert ended.code == 0, ended.err
    table = [line.split() for line in ended.out.splitlines()]
    assert ["members", "RMSE", "of", "components", "taken"] in table
    assert [row[0] for row in table if row[-1:] == ["<"]] == ["3"]
    assert "HySime finds 3 directions of signal" in ended.out
    assert ended.out.splitlines()[-1] == "cube_fractions.tif"
    with rasterio.open(tmp_path / "cube_fractions.tif") as dataset:
        assert dataset.count == 3
    assert len(pd.read_csv(tmp_path / "cube_members.csv")) == 3
    for name in ("cube_members.png", "error.tif", "mixed.safetensors"):
        assert (tmp_path / name).stat().st_size > 1000


def test_the_last_event_holds_fractions_and_errors(geodl, scene):
    ended = geodl("unmix", "cube.tif", "-k", "auto", "--progress", "json")
    last = ended.events[-1]
    assert last["event"] == "done"
    assert sum(last["fractions"].values()) == pytest.approx(1, abs=0.001)
    assert last["rmse"] == last["rmse_fcls"] == pytest.approx(0.001, rel=0.25)
    assert list(last["rmse_by_members"])[:2] == ["2", "3"]


def test_members_of_a_library_are_named_in_the_output(geodl, scene, tmp_path):
    write_table(tmp_path / "library.csv", scene.members, kind=["ore", "soil", "grass"])
    ended = geodl(
        "unmix", "cube.tif", "--members", "library.csv", "--class-field", "kind", "-o", "map.tif"
    )
    assert ended.code == 0, ended.err
    assert "ore" in ended.out
    assert "means of classes of library" in ended.out


@pytest.mark.slow
def test_the_autoencoder_always_prints_least_squares_beside_itself(geodl, scene):
    ended = geodl("unmix", "cube.tif", "-k", 3, "--method", "autoencoder")
    assert "of least squares with the members it began with 0.001" in ended.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-k", "many"], "-k must be a number of members or auto"),
        (["-k", "1"], "-k is 1, but a mixture is of 2 members"),
        (
            ["-k", "3", "--members", "a.csv"],
            "-k members are searched in the scene, but --members gives them",
        ),
        (["-k", "3", "--bilinear"], "choose it with --method autoencoder"),
        (["-o", "map.png"], "-o makes a GeoTIFF"),
    ],
)
def test_errors_name_options(geodl, scene, arguments, message):
    ended = geodl("unmix", "cube.tif", *arguments)
    assert ended.code == 1
    assert message in ended.err
