"""Maps with rejected pixels: scores of those that keep their class, and no areas of classes."""

import base64
import csv
import io
import json

import numpy as np
import pytest
import rasterio
from PIL import Image

from georaster_dl.core.errors import OptionError
from georaster_dl.evaluation.compare import evaluate
from georaster_dl.evaluation.inputs.points import sample_points
from georaster_dl.evaluation.report.html import render_report
from georaster_dl.evaluation.report.pictures import class_pictures
from georaster_dl.evaluation.report.table import csv_table
from georaster_dl.io.output.provenance import rejected_tags
from georaster_dl.mosaics.build import MosaicOptions, mosaic
from georaster_dl.testing import write_labels
from tests.maps import NAMES, NODATA, centre, noisy_pair, write_vector

UNCERTAIN = 15
TAGS = rejected_tags(UNCERTAIN, coverage=0.8, threshold=0.6)


def rejecting(path, mapped, tags=TAGS, **profile):
    """Write a map whose right third is uncertain."""
    mapped = mapped.copy()
    third = mapped[:, -mapped.shape[1] // 3 :]
    third[third != NODATA] = UNCERTAIN
    write_labels(path, mapped, names=NAMES | {UNCERTAIN: "uncertain"}, **profile)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(**tags)
        dataset.write_colormap(1, {UNCERTAIN: (140, 140, 140, 255)})
    return path


@pytest.fixture
def pair(tmp_path, make_tif):
    """The map, its pixels, and the truth by its path and its pixels."""
    mapped, truth = noisy_pair()
    path = rejecting(tmp_path / "map.tif", mapped)
    with rasterio.open(path) as dataset:
        mapped = dataset.read(1)
    return path, mapped, make_tif(truth, "truth.tif", nodata=NODATA), truth


def test_scores_are_of_the_pixels_that_keep_their_class(pair, make_map, make_tif):
    path, mapped, reference, truth = pair
    found = evaluate(path, reference)
    kept = (mapped != UNCERTAIN) & (mapped != NODATA)
    assert found.confusion.overall_accuracy == pytest.approx((mapped == truth)[kept].mean())
    assert found.confusion.names == ("water", "forest", "road")
    # The same as of a map that has nodata there, which is another thing.
    plain = evaluate(make_map(np.where(kept, mapped, NODATA), "plain.tif"), reference)
    assert np.array_equal(found.confusion.counts, plain.confusion.counts)
    assert found.coverage.rejected == (mapped == UNCERTAIN).sum() > 0
    assert found.coverage.unmapped == (mapped == NODATA).sum() > 0
    assert found.coverage.kept == kept.sum() / (mapped != NODATA).sum()
    assert found.rejected.name == "uncertain"
    assert (plain.coverage.rejected, plain.coverage.kept, plain.rejected) == (0, 1.0, None)


def test_areas_are_refused_and_everything_else_is_there(pair):
    found = evaluate(pair[0], pair[2])
    assert found.estimate is None
    facts = json.loads(json.dumps(found.to_dict()))
    assert facts["area_adjusted"] is None
    assert facts["rejected"] == found.coverage.rejected
    assert facts["coverage"] == found.coverage.kept
    assert any("without `reject=` for areas" in note for note in facts["notes"])
    assert "coverage 0.6" in repr(found)
    rows = list(csv.DictReader(io.StringIO(csv_table(found))))
    assert [row["name"] for row in rows] == list(NAMES.values())
    assert not any("area" in column for column in rows[0])
    page = render_report(found)
    assert "Area-adjusted" not in page
    shown = f"{100 * found.coverage.kept:.1f} %"
    shown = f'<dt>Coverage</dt><dd><div class="figure">{100 * found.coverage.kept:.1f} %</div>'
    assert shown in page
    assert ">uncertain</li>" in page


def test_uncertain_pixels_are_drawn_in_their_colour_and_are_no_errors(pair):
    found = evaluate(pair[0], pair[2])
    pictures = {each.title: each.source for each in class_pictures(found)}
    drawn = {
        title: np.array(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).convert("RGB"))
        for title, source in pictures.items()
    }  # fmt: skip
    row, col = 50, 45
    assert pair[1][row, col] == UNCERTAIN
    size = drawn["Map"].shape[0] // pair[1].shape[0]
    assert drawn["Map"][row * size, col * size].tolist() == [140, 140, 140]
    errors = drawn["Errors"][15 * size :, -10 * size :]
    grey = np.ptp(errors.astype(int), axis=2) < 12
    assert grey.all()  # hatched, as where nothing was compared


def test_a_point_on_an_uncertain_pixel_is_not_compared(pair, tmp_path):
    path, mapped, _, truth = pair
    places = [(row, col) for row in range(16, 60, 4) for col in range(14, 50, 4)]
    fields = {"class": [NAMES[int(truth[place])] for place in places]}
    points = write_vector(tmp_path / "p.gpkg", [centre(*place) for place in places], fields)
    found = evaluate(path, points)
    kept = [place for place in places if mapped[place] in NAMES]
    assert found.coverage.compared == len(kept) < len(places)
    assert found.coverage.rejected == len(places) - len(kept)
    assert found.estimate is None
    assert len(class_pictures(found)) == 3


def test_a_reference_class_of_that_name_is_another_class(pair, tmp_path):
    reference = write_labels(
        tmp_path / "named.tif", pair[3], names={1: "water", 10: "uncertain", 14: "road"}
    )
    found = evaluate(pair[0], reference)
    assert found.matching.reference_only == ("uncertain",)
    assert found.confusion.producers[-1] == 0


def test_a_map_of_uncertain_pixels_alone_and_labels_on_such_alone(tmp_path, pair, make_tif):
    nothing = np.full((20, 20), UNCERTAIN, np.uint8)
    path = rejecting(tmp_path / "nothing.tif", nothing)
    with pytest.raises(OptionError, match=r"All pixels of .*nothing.tif are rejected.*`reject=`"):
        evaluate(path, pair[2])
    there = make_tif(np.where(pair[1] == UNCERTAIN, pair[3], NODATA), "there.tif", nodata=NODATA)
    with pytest.raises(OptionError, match=r"1,020 on its uncertain pixels and none elsewhere"):
        evaluate(pair[0], there)


def test_points_are_not_drawn_of_it(pair, tmp_path):
    with pytest.raises(OptionError, match=r"'uncertain'.*without `reject=`"):
        sample_points(pair[0], tmp_path / "points.gpkg")
    assert not (tmp_path / "points.gpkg").exists()


@pytest.mark.parametrize("suffix", [".tif", ".vrt"])
def test_a_mosaic_is_one_too(tmp_path, make_tif, suffix):
    mapped, truth = noisy_pair()
    maps = [
        rejecting(
            tmp_path / f"{name}.tif",
            mapped,
            rejected_tags(UNCERTAIN, coverage=share, threshold=0.5),
        )
        for name, share in (("one", 0.8), ("other", 0.9))
    ]
    out = tmp_path / f"all{suffix}"
    mosaic(maps, out)
    found = evaluate(out, make_tif(truth, "truth.tif", nodata=NODATA))
    assert found.rejected.value == UNCERTAIN
    assert found.coverage.rejected > 0
    with rasterio.open(out) as dataset:
        assert dataset.tags()["GEORASTER_DL_REJECTED"] == (
            "value=15 coverage=0.8 threshold=0.5, value=15 coverage=0.9 threshold=0.5"
        )


def test_a_mosaic_with_a_map_of_other_classes_is_refused(tmp_path):
    mapped, _ = noisy_pair()
    one = rejecting(tmp_path / "one.tif", mapped)
    other = write_labels(tmp_path / "other.tif", mapped, names=NAMES)
    with pytest.raises(OptionError, match=r"only .*one.tif has 'uncertain'"):
        mosaic([one, other], tmp_path / "all.tif")


def test_uncertain_pixels_are_filled_from_the_next_map(tmp_path):
    mapped, _ = noisy_pair()
    one = rejecting(tmp_path / "one.tif", mapped)
    other = rejecting(tmp_path / "other.tif", np.fliplr(mapped))
    with rasterio.open(other, "r+") as dataset:
        dataset.write(np.fliplr(dataset.read(1)), 1)  # its uncertain pixels are on the other side
    mosaic([one, other], tmp_path / "all.tif", MosaicOptions(fill_class=("uncertain",)))
    with rasterio.open(tmp_path / "all.tif") as dataset:
        made = dataset.read(1)
    assert UNCERTAIN not in made
    right = made[:, -mapped.shape[1] // 3 :]
    assert np.array_equal(right, mapped[:, -mapped.shape[1] // 3 :])
