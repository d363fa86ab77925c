"""Maps of fractions against bands, fields of features, and the shares of finer classes."""

import json

import geopandas
import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from shapely.geometry import box
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import FractionOptions
from georaster_dl.evaluation.compare import EvaluateOptions, evaluate
from georaster_dl.evaluation.fractions import match_fractions
from georaster_dl.evaluation.metrics.bootstrap import block_draws
from georaster_dl.evaluation.metrics.fractions import (
    FractionScores,
    error_sums,
    fraction_intervals,
)
from georaster_dl.evaluation.report.html import render_report
from georaster_dl.evaluation.report.table import csv_table
from georaster_dl.io.output.provenance import fractions_tags
from georaster_dl.io.output.writer import RasterSpec, RasterWriter
from georaster_dl.testing import write_labels, write_raster
from tests.maps import LEFT, SIZE, TOP, centre, write_vector

NAMES = ("tree", "grass", "soil")
SHAPE = (60, 50)
WHOLE = tuple(slice(0, side) for side in SHAPE)


def _fractions(seed):
    return np.random.default_rng(seed).dirichlet([0.7, 1, 0.5], SHAPE).transpose(2, 0, 1)


TRUE = _fractions(0)
MAPPED = 0.8 * TRUE + 0.2 * _fractions(1)
STORED = np.round(MAPPED * 250) / 250
GAP = np.zeros(SHAPE, bool)
GAP[:15, :12] = True


@pytest.fixture
def mapped(tmp_path):
    """A map as ``segment`` writes it, a corner of it nodata."""
    stored = np.round(MAPPED * 250).astype(np.uint8)
    stored[:, GAP] = 255
    return _written(tmp_path / "map.tif", stored, NAMES)


def _written(path, stored, names):
    geobox = GeoBox(SHAPE, from_origin(LEFT, TOP, SIZE, SIZE), "EPSG:32631")
    spec = RasterSpec(names, "uint8", 255, "average", scale=0.004, tags=fractions_tags(3))
    with RasterWriter(path, geobox, spec=spec) as writer:
        writer.write(*WHOLE, stored)
    return path


def _reference(path, fractions=TRUE, names=NAMES, **profile):
    return write_raster(path, fractions.astype("float32"), bands=names, nodata=np.nan, **profile)


def compared(mapped, reference, *named, block=None, **options):
    labels = FractionOptions(fraction_fields=named, **options)
    return evaluate(mapped, reference, EvaluateOptions(labels, block))


def check_scores(evaluation, mapped, true):
    """Compare with scikit-learn's figures of the pairs (fractions, pairs)."""
    s = evaluation.scores
    for i, (ours, theirs) in enumerate(zip(mapped, true, strict=True)):
        assert s.mae[i] == pytest.approx(mean_absolute_error(theirs, ours), abs=1e-6)
        assert s.rmse[i] == pytest.approx(root_mean_squared_error(theirs, ours), abs=1e-6)
        assert s.r2[i] == pytest.approx(r2_score(theirs, ours), abs=1e-5)
        assert s.bias[i] == pytest.approx((ours - theirs).mean(), abs=1e-6)
        assert s.sd[i] == pytest.approx(theirs.std(), abs=1e-6)


def test_bands_are_matched_by_name_whatever_their_order(mapped, tmp_path):
    order = [2, 0, 1]
    truth = _reference(tmp_path / "t.tif", TRUE[order], [NAMES[i].title() for i in order])
    found = evaluate(mapped, truth)
    assert found.names == NAMES
    check_scores(found, STORED[:, ~GAP], TRUE[:, ~GAP])
    assert (found.coverage.compared, found.coverage.unmapped) == ((~GAP).sum(), GAP.sum())
    assert found.warnings == found.notes == ()
    assert found.pairs.sum(axis=(1, 2)).tolist() == [(~GAP).sum()] * 3


def test_intervals_are_of_blocks(mapped, tmp_path):
    found = compared(mapped, _reference(tmp_path / "t.tif"), block=10)
    ends = found.intervals
    assert (ends.blocks, ends.replicates) == (29, 1000)  # one of 30 is all nodata
    for of_score, score in (
        (ends.mae, found.scores.mae),
        (ends.rmse, found.scores.rmse),
        (ends.r2, found.scores.r2),
        (ends.bias, found.scores.bias),
    ):
        assert (of_score[0] < score).all()
        assert (score < of_score[1]).all()
    few = compared(mapped, tmp_path / "t.tif", block=50)
    assert np.isnan(few.intervals.mae).all()
    assert "too few for intervals; choose smaller ones with `block=`" in few.notes[0]


def test_an_interval_is_the_spread_of_the_scores_of_drawn_blocks():
    generator = np.random.default_rng(3)
    pairs = generator.random((2, 12, 40))  # mapped and true of 12 blocks
    blocks = error_sums(pairs[0], pairs[1]).sum(axis=-1).T[:, :, None]
    ends = fraction_intervals(blocks, seed=5)
    drawn = [
        np.abs(np.repeat(pairs[0], times, axis=0) - np.repeat(pairs[1], times, axis=0)).mean()
        for times in block_draws(12, 1000, 5).astype(int)
    ]
    np.testing.assert_allclose(ends.mae[:, 0], np.percentile(drawn, [2.5, 97.5]))


def test_a_constant_reference_has_no_r2():
    sums = error_sums(np.array([0.1, 0.4]), np.array([0.3, 0.3])).sum(axis=-1)[:, None]
    scores = FractionScores(sums)
    assert np.isnan(scores.r2[0])
    assert scores.mae[0] == pytest.approx(0.15)


def _points(path, fields, rows, cols):
    return write_vector(path, [centre(r, c) for r, c in zip(rows, cols, strict=True)], fields)


@pytest.mark.parametrize("scale", [1, 100])
def test_points_of_measured_fractions(mapped, tmp_path, scale):
    generator = np.random.default_rng(4)
    rows, cols = generator.integers(20, 60, 50), generator.integers(0, 50, 50)
    measured = TRUE[:, rows, cols]
    fields = dict(zip(("soil", "tree", "grass"), scale * measured[[2, 0, 1]], strict=True))
    fields["soil"] = np.where(np.arange(50) == 7, np.nan, fields["soil"])
    points = _points(tmp_path / "p.gpkg", fields, rows, cols)
    found = compared(mapped, points, "tree", "grass", "soil")
    known = np.arange(50) != 7
    check_scores(found, STORED[:, rows, cols][:, known], measured[:, known])
    assert (found.kind, found.coverage.unlabelled) == ("points", 1)
    assert len(found.warnings) == (scale == 100)  # percents are an assumption
    assert np.isfinite(found.intervals.mae).all()


def test_points_of_a_single_cover(mapped, tmp_path):
    rows, cols = np.arange(20, 40), np.arange(20)
    points = _points(tmp_path / "p.gpkg", {"Grass": TRUE[1, rows, cols]}, rows, cols)
    found = compared(mapped, points, "Grass")
    assert found.names == ("grass",)
    check_scores(found, STORED[[1]][:, rows, cols], TRUE[[1]][:, rows, cols])
    assert "not compared: tree, soil" in found.notes[0]
    other = _points(tmp_path / "q.gpkg", {"cover": TRUE[1, rows, cols]}, rows, cols)
    with pytest.raises(OptionError, match=r"3 fractions \(tree, grass, soil\) but the reference 1"):
        compared(mapped, other, "cover")


def test_polygons_give_their_fractions_to_their_pixels(mapped, tmp_path):
    place = box(LEFT + 200, TOP - 500, LEFT + 300, TOP - 300)  # rows 30 to 50, cols 20 to 30
    fields = {"tree": [0.2], "grass": [0.5], "soil": [0.3]}
    found = compared(mapped, write_vector(tmp_path / "p.gpkg", [place], fields), *NAMES)
    pixels = STORED[:, 30:50, 20:30].reshape(3, -1)
    assert found.coverage.compared == 200
    assert found.scores.mean.tolist() == pytest.approx([0.2, 0.5, 0.3])
    np.testing.assert_allclose(found.scores.bias, pixels.mean(axis=1) - [0.2, 0.5, 0.3], atol=1e-6)


def test_classes_finer_than_the_map_are_compared_by_their_shares(mapped, tmp_path):
    fine = np.random.default_rng(6).integers(0, 3, (SHAPE[0] * 4, SHAPE[1] * 4)).astype(np.uint8)
    truth = write_labels(
        tmp_path / "t.tif",
        fine,
        names=dict(enumerate(NAMES)),
        transform=from_origin(LEFT, TOP, SIZE / 4, SIZE / 4),
    )
    shares = np.stack([fine == i for i in range(3)]).reshape(3, SHAPE[0], 4, SHAPE[1], 4)
    check_scores(evaluate(mapped, truth), STORED[:, ~GAP], shares.mean(axis=(2, 4))[:, ~GAP])


def test_fractions_of_other_names_are_compared_in_their_order_with_a_warning(mapped, tmp_path):
    truth = _reference(tmp_path / "t.tif", names=("a", "b", "c"))
    found = evaluate(mapped, truth)
    assert "so they are compared in their order" in found.warnings[0]
    check_scores(found, STORED[:, ~GAP], TRUE[:, ~GAP])


def test_matching():
    assert match_fractions(("a", "b", "c"), ("C", "d", "A")) == ([(0, 2), (2, 0)], None)
    assert match_fractions(("veg", "other"), ("cover",))[0] == [(0, 0)]
    with pytest.raises(OptionError, match=r"2 fractions \(a, b\) but the reference 3"):
        match_fractions(("a", "b"), ("x", "y", "z"))


def test_bands_that_do_not_say_so_are_fractions_where_fields_are_named(tmp_path):
    foreign = _reference(tmp_path / "map.tif", MAPPED)
    truth = _reference(tmp_path / "t.tif")
    with pytest.raises(OptionError, match="has 3 bands, but a map has one: .* `fraction_fields=`"):
        evaluate(foreign, truth)
    found = compared(foreign, truth, *NAMES)
    check_scores(found, MAPPED.reshape(3, -1), TRUE.reshape(3, -1))
    percent = _reference(tmp_path / "percent.tif", 100 * MAPPED)
    with pytest.raises(OptionError, match=r"holds values from .* but fractions are 0 to 1"):
        compared(percent, truth, *NAMES)


def test_no_common_ground(mapped, tmp_path):
    elsewhere = np.full_like(TRUE, np.nan)
    elsewhere[:, GAP] = TRUE[:, GAP]
    with pytest.raises(OptionError, match="180 labels on nodata of the map"):
        evaluate(mapped, _reference(tmp_path / "t.tif", elsewhere))


@pytest.mark.parametrize("kind", ["raster", "points", "single"])
def test_report(mapped, tmp_path, kind):
    rows, cols = np.arange(20, 50), np.arange(30)
    points = _points(
        tmp_path / "p.gpkg", dict(zip(NAMES, TRUE[:, rows, cols], strict=True)), rows, cols
    )
    if kind == "raster":
        found = evaluate(mapped, _reference(tmp_path / "t.tif"))
    else:
        found = compared(mapped, points, *(NAMES if kind == "points" else NAMES[:1]))
    scene = write_raster(tmp_path / "scene.tif", np.random.default_rng(0).random((3, *SHAPE)))
    page = render_report(found, image=scene)
    titles = {"Scene", "Map", "Mapped over measured"}
    titles |= {"Reference", "Mean absolute error"} if kind == "raster" else {"Reference points"}
    assert all(f"<b>{title}</b>" in page for title in titles)
    for row in found.rows():
        assert all(f">{figure}</" in page for figure in row)
    assert ("Mean MAE" in page) == (kind != "single")
    lines = csv_table(found).splitlines()
    assert lines[0].startswith("name,reference_mean,reference_sd,mae,mae_95_low,mae_95_high,rmse")
    assert len(lines) == 1 + len(found.names)


def test_command(geodl, mapped, tmp_path):
    truth = _reference(tmp_path / "t.tif")
    ended = geodl("evaluate", mapped, truth, "--html", "r.html", "--csv", "r.csv")
    assert ended.code == 0
    found = evaluate(mapped, truth)
    assert f"Mean MAE {found.scores.mae.mean():.3f}" in ended.out
    assert "predicting the reference's means would have mean RMSE" in ended.out
    figures = json.loads(geodl("evaluate", mapped, truth, "--json").out)
    assert figures["task"] == "fractions"
    assert [one["name"] for one in figures["fractions"]] == list(NAMES)
    assert figures["fractions"][1]["r2"] == pytest.approx(found.scores.r2[1])
    frame = geopandas.GeoDataFrame(
        {"tree": TRUE[0, 30, :5]}, geometry=[centre(30, c) for c in range(5)], crs="EPSG:32631"
    )
    frame.to_file("p.gpkg")
    said = geodl("evaluate", mapped, "p.gpkg", "--fraction-fields", "tree", "--block", "1").out
    assert "5 points compared" in said
    assert "note: On the map but not in the reference, so not compared: grass, soil." in said
