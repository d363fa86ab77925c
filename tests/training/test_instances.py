"""Boundaries of polygons are learnt beside the classes, and written by who asks for them."""

from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import TrainingLabelOptions
from georaster_dl.io.labels.boundaries import REACH, STEPS, check_objects, nearness
from georaster_dl.io.labels.read import open_class_labels, read_legend
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.models.package.file import read_card
from georaster_dl.models.registry import create_model
from georaster_dl.models.zoo.heads.boundaries import giving_boundaries
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.run import polygons
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import segment
from georaster_dl.testing import write_model
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.loop.objective import Instances
from georaster_dl.training.settings.resolve import resolve_defaults, with_method
from georaster_dl.training.train import train

OPTIONS = TrainingLabelOptions(class_name="field", background="other", instances=True)


def fields(tmp_path, make_tif, side=96):
    """A scene of fields of 12 x 20 pixels that all touch, but for a stripe without any, and their polygons."""
    rng = np.random.default_rng(0)
    rows, cols = np.indices((side, side))
    number = rows // 12 * 5 + cols // 20
    image = np.where(number % 2, 3000, 1500) + rng.normal(0, 50, (3, side, side))
    image[:, :, 80:] = 600
    scene = make_tif(image.astype(np.uint16), "fields.tif", descriptions=("B02", "B03", "B04"))
    with rasterio.open(scene) as file:
        places = [
            shapely.box(*file.transform * (col, row + 12), *file.transform * (col + 20, row))
            for row in range(0, side, 12)
            for col in range(0, 80, 20)
        ]
        frame = geopandas.GeoDataFrame(geometry=places, crs=file.crs)
    frame.to_file(tmp_path / "fields.gpkg")
    return SceneWithLabels(str(scene), tmp_path / "fields.gpkg")


def test_nearness_falls_evenly_from_the_ends_of_objects():
    objects = np.zeros((3, 30), int)
    objects[:, 10:20] = 1
    objects[:, 20:] = 2
    falling = [round(STEPS * (1 - distance / REACH)) for distance in range(REACH)]
    row = nearness(objects)[1]
    assert row[9::-1].tolist() == [*falling, *[0] * (10 - REACH)]
    assert row[10:20].tolist() == [*falling, *[0] * (10 - 2 * REACH), *falling[::-1]]
    assert row[20:].tolist() == [*falling, *[0] * (10 - REACH)]
    assert not nearness(np.ones((4, 4), int)).any()


def test_windows_have_the_boundaries_of_the_whole_scene(tmp_path, make_tif):
    pair = fields(tmp_path, make_tif)
    geobox = open_scene(pair.scene).geobox
    legend = read_legend([pair.labels], OPTIONS)
    with open_class_labels(pair.labels, geobox, legend, OPTIONS) as labels:
        whole = labels.boundaries(slice(0, 96), slice(0, 96))
        assert whole[11, 5] == whole[12, 5] == whole[5, 79] == whole[5, 80] == STEPS
        assert whole[6, 10] == 0
        for rows, cols in ((slice(0, 12), slice(0, 96)), (slice(13, 40), slice(17, 61))):
            assert np.array_equal(labels.boundaries(rows, cols), whole[rows, cols])


def test_a_network_gives_boundaries_only_to_who_asks():
    image = torch.rand(1, 3, 32, 32)
    for options in ({"head": "boundaries"}, {"head": "boundaries", "member": "unet", "members": 2}):
        name = "ensemble" if "members" in options else "unet"
        several = {"spread": False} if "members" in options else {}
        network = create_model(
            name, in_bands=3, n_classes=2, encoder="tu-test_resnet", encoder_depth=2,
            decoder_channels=(16, 8), **options, **several,
        ).eval()  # fmt: skip
        with torch.no_grad():
            plain = network(image)
            with giving_boundaries(network):
                whole = network(image)
            assert plain.shape[1] == network(image).shape[1] == 2
            assert whole.shape[1] == 3
            assert torch.equal(whole[:, :2], plain)


def test_the_loss_is_that_of_classes_and_of_boundaries_where_there_are_labels():
    objective = Instances(torch.nn.CrossEntropyLoss(ignore_index=-1), ("a", "b"))
    output = torch.randn(1, 3, 4, 4)
    target = torch.zeros(1, 2, 4, 4, dtype=torch.int64)
    target[:, 1] = STEPS
    target[:, :, 2:] = -1
    classes = torch.nn.functional.cross_entropy(output[:, :2, :2], target[:, 0, :2])
    near = torch.nn.functional.softplus(-output[:, 2, :2]).mean()
    assert objective.loss(output, target).item() == pytest.approx((classes + near).item(), rel=1e-5)


@pytest.mark.slow
def test_fields_are_trained_and_their_boundaries_mapped(tmp_path, make_tif, settings):
    pair, model = fields(tmp_path, make_tif), tmp_path / "m.safetensors"
    config = settings.updated({"labels": vars(OPTIONS), "training.epochs": 2})
    train([pair], model, config)
    card = read_card(model)
    assert card.gives_boundaries
    assert card.outputs == 2
    assert card.configuration["labels.instances"] == "True"
    outputs = Outputs(tmp_path / "map.tif", boundaries=tmp_path / "b.tif")
    segment([pair.scene], model, outputs, SegmentOptions(device="cpu", float32=True))
    segment(
        [pair.scene], model, Outputs(tmp_path / "tiled.tif", boundaries=tmp_path / "t.tif"),
        SegmentOptions(device="cpu", float32=True, halo="exact", tile=64),
    )  # fmt: skip
    with rasterio.open(tmp_path / "b.tif") as file, rasterio.open(tmp_path / "t.tif") as tiled:
        found = file.read(1)
        assert found == pytest.approx(tiled.read(1), abs=1e-5)
    assert 0 <= found.min() < found.max() <= 1
    # The plane is of boundaries: greater on those of the polygons than far from all.
    assert found[11:85:12, :80].mean() > found[5:85:12, 88:].mean()
    separated = PolygonOptions(keep=("field",), split_touching=True)
    options = SegmentOptions(device="cpu", float32=True, polygon_options=separated)
    made = Outputs(tmp_path / "again.tif", polygons=tmp_path / "again.gpkg")
    segment([pair.scene], model, made, options)
    assert not list(tmp_path.glob("separating*"))
    polygons(
        outputs.map,
        tmp_path / "b.gpkg",
        replace(separated, boundaries=outputs.extras["boundaries"]),
    )
    one, other = (
        geopandas.read_file(tmp_path / f"{name}.gpkg", layer=name) for name in ("again", "b")
    )
    assert one.geometry.geom_equals(other.geometry).all()
    with pytest.raises(OptionError, match="one pass"):
        segment([pair.scene], model, outputs, SegmentOptions(predictor="tta", overwrite=True))


def test_boundaries_are_refused_of_a_model_that_has_not_learnt_them(tmp_path, make_tif):
    pair = fields(tmp_path, make_tif)
    outputs = Outputs(tmp_path / "map.tif", boundaries=tmp_path / "b.tif")
    with pytest.raises(OptionError, match="instances=True"):
        segment([pair.scene], write_model(tmp_path / "m.safetensors"), outputs)


def test_objects_are_polygons(tmp_path, make_tif):
    labels = make_tif(np.ones((8, 8), np.uint8), "labels.tif")
    with pytest.raises(OptionError, match=r"raster.*touching"):
        check_objects(labels, OPTIONS)
    points = geopandas.GeoDataFrame(geometry=shapely.points([[0, 0], [1, 1]]), crs=32633)
    points.to_file(tmp_path / "points.gpkg")
    with pytest.raises(OptionError, match=r"no polygons \(Point\)"):
        check_objects(tmp_path / "points.gpkg", OPTIONS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "regression"}, "task is regression"),
        ({"method": "rf"}, "method='rf'"),
        ({"method": "auto"}, "method='auto'"),
        ({"model.head": "bayesian"}, "head='bayesian'"),
        ({"patches.size": 1}, "patches.size is 1"),
    ],
)
def test_instances_are_refused_where_they_make_no_sense(settings, changes, words):
    config = settings.updated({"labels": vars(OPTIONS), **changes})
    with pytest.raises(OptionError, match=words):
        with_method(config)


def test_eroded_labels_have_no_boundaries():
    with pytest.raises(OptionError, match="erode=2"):
        TrainingLabelOptions(instances=True, erode=2)


def test_the_head_follows_from_the_labels(settings):
    config = settings.updated({"labels": vars(OPTIONS)})
    made = resolve_defaults(with_method(config))
    assert made.model.options["head"] == "boundaries"
    again = resolve_defaults(made.updated({"labels": {}}))
    assert again.model.options["head"] == "plain"
