"""Functions of the public interface do what the commands do, with keywords of the same names."""

import json

import numpy as np
import pytest
import rasterio

import georaster_dl as gdl
from georaster_dl.testing import checkered, noise, write_labels, write_model, write_scene

pytestmark = pytest.mark.filterwarnings("ignore::georaster_dl.GeoRasterWarning")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("functions")
    classes, image = checkered()
    write_scene(folder / "scene.tif", image)
    write_labels(
        folder / "labels.tif", (classes + 1).astype("uint8"), names={1: "a", 2: "b", 3: "c"}
    )
    write_model(folder / "model.safetensors")
    return folder


def pixels(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_segment_makes_the_commands_files(home, tmp_path, geodl):
    made = gdl.segment(
        str(home / "scene.tif"),
        str(home / "model.safetensors"),
        out=str(tmp_path / "python.tif"),
        uncertainty=True,
        confidence=str(tmp_path / "sure.tif"),
        quicklook=False,
        record=str(tmp_path / "python.json"),
    )
    geodl(
        "segment",
        home / "scene.tif",
        "-m",
        home / "model.safetensors",
        "-o",
        "cli.tif",
        "--uncertainty",
    )
    np.testing.assert_array_equal(pixels(tmp_path / "python.tif"), pixels(tmp_path / "cli.tif"))
    np.testing.assert_array_equal(
        pixels(tmp_path / "python_uncertainty.tif"), pixels(tmp_path / "cli_uncertainty.tif")
    )
    assert made.files[-1] == tmp_path / "python.tif"
    assert (tmp_path / "sure.tif").is_file()
    assert not (tmp_path / "python_quicklook.png").exists()
    assert json.loads((tmp_path / "python.json").read_text())["files"]


def test_a_bundled_model_is_named(tmp_path, home):
    with pytest.raises(gdl.BandMismatchError, match="the model needs 9 bands"):
        gdl.segment(home / "scene.tif", "landcover-sample", out=tmp_path / "map.tif")


@pytest.mark.parametrize(
    ("function", "more"),
    [
        (gdl.segment, {}),
        (gdl.features, {}),
        (gdl.denoise, {}),
        (gdl.cluster, {}),
        (gdl.classify, {}),
    ],
)
def test_unknown_keywords_name_the_nearest(home, tmp_path, function, more):
    models = () if function in (gdl.cluster, gdl.classify) else (home / "model.safetensors",)
    with pytest.raises(gdl.OptionError, match="did you mean 'bands'"):
        function(home / "scene.tif", *models, out=tmp_path / "out.tif", band="B02", **more)
    assert not list(tmp_path.iterdir())


def test_bands_are_a_list_or_a_text(home):
    listed = gdl.open_scene(home / "scene.tif", bands=["B04", "B02"])
    text = gdl.open_scene(home / "scene.tif", bands="B04,B02")
    assert listed == text
    assert [band.name for band in text.bands] == ["B04", "B02"]


def test_cluster_takes_arrays(home, tmp_path):
    made = gdl.cluster(pixels(home / "scene.tif"), out=tmp_path / "clusters.tif", k=3)
    from_file = gdl.cluster(home / "scene.tif", out=tmp_path / "file.tif", k=3)
    assert made.counts == from_file.counts
    np.testing.assert_array_equal(pixels(made.files[-1]), pixels(from_file.files[-1]))


@pytest.mark.slow
def test_classify_learns_saves_and_applies(home, tmp_path):
    made = gdl.classify(
        home / "scene.tif",
        home / "labels.tif",
        out=tmp_path / "map.tif",
        method="rf",
        save=tmp_path / "classes.skops",
        block=32,
    )
    assert made.accuracy.confusion.mean_iou > 0.9
    assert "mIoU" in repr(made)
    applied = gdl.classify(
        home / "scene.tif", out=tmp_path / "again.tif", classifier=tmp_path / "classes.skops"
    )
    np.testing.assert_array_equal(pixels(made.files[-1]), pixels(applied.files[-1]))
    with pytest.raises(gdl.OptionError, match="labels="):
        gdl.classify(home / "scene.tif", out=tmp_path / "none.tif")


def test_evaluate_compares_and_shows(home, tmp_path):
    evaluation = gdl.evaluate(
        home / "labels.tif", home / "labels.tif", html=tmp_path / "report.html"
    )
    assert evaluation.confusion.overall_accuracy == 1
    assert "overall accuracy 1.000" in repr(evaluation)
    assert "<td>b</td>" in evaluation._repr_html_()
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(gdl.OutputError, match="overwrite=True"):
        gdl.evaluate(home / "labels.tif", home / "labels.tif", html=tmp_path / "report.html")


def test_a_misspelt_keyword_of_the_reference_is_refused(home):
    with pytest.raises(gdl.OptionError, match="did you mean 'class_field'"):
        gdl.evaluate(home / "labels.tif", home / "labels.tif", class_fields="class")


def test_mosaic_joins_maps(home, tmp_path):
    for name in ("a", "b"):
        gdl.segment(home / "scene.tif", home / "model.safetensors", out=tmp_path / f"{name}.tif")
    made = gdl.mosaic([tmp_path / "a.tif", str(tmp_path / "b.tif")], out=str(tmp_path / "m.vrt"))
    assert made.files == (tmp_path / "m.vrt",)
    np.testing.assert_array_equal(pixels(tmp_path / "m.vrt"), pixels(tmp_path / "a.tif"))
    assert "data:image/png" in made._repr_html_()


@pytest.mark.slow
def test_batch_makes_maps_and_reports(home, tmp_path):
    result = gdl.batch(
        [home / "scene.tif"], home / "model.safetensors", folder=tmp_path, extras=["confidence"]
    )
    assert result.count("done") == 1
    assert "1 done" in repr(result)
    assert (tmp_path / "scene_landcover_confidence.tif").is_file()
    again = gdl.batch(
        home / "scene.tif", home / "model.safetensors", folder=tmp_path, extras=["confidence"]
    )
    assert again.count("skipped") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"extras": ["probability"]}, "no output 'probability'"),
        ({"extras": ["confidence"], "features": True}, "`extras=` are of maps"),
        ({"features": True, "model": None}, "needs a model"),
        ({"record": "x.json"}, "leave `record=` out"),
    ],
)
def test_a_batch_refuses_what_does_not_go_together(home, tmp_path, options, said):
    options = {"model": home / "model.safetensors", **options}
    with pytest.raises(gdl.OptionError, match=said):
        gdl.batch(home / "scene.tif", folder=tmp_path / "maps", **options)


@pytest.mark.slow
@pytest.mark.parametrize("given", ["paths", "table", "csv"])
def test_train_takes_paths_a_table_or_a_list(home, tmp_path, given):
    import pandas as pd

    table = pd.DataFrame({"scene": [home / "scene.tif"], "label": [home / "labels.tif"]})
    table.to_csv(tmp_path / "list.csv", index=False)
    scenes = {
        "paths": (home / "scene.tif", home / "labels.tif"),
        "table": (table,),
        "csv": (tmp_path / "list.csv",),
    }[given]
    trained = gdl.train(
        *scenes,
        out=tmp_path / "model.safetensors",
        epochs=1,
        architecture="spectral_unet",
        method="network",
        block=32,
    )
    assert trained.model == tmp_path / "model.safetensors"
    assert repr(trained).startswith(f"<Trained {trained.model}: ")
    model = gdl.load_model(trained.model)
    assert model.predict(home / "scene.tif").legend.names == ["a", "b", "c"]


def test_train_refuses_scenes_without_labels(home, tmp_path):
    import pandas as pd

    with pytest.raises(gdl.OptionError, match=r"`labels=` is missing"):
        gdl.train(home / "scene.tif", out=tmp_path / "m.safetensors")
    with pytest.raises(gdl.OptionError, match="needs at least one row and scene and label"):
        gdl.train(pd.DataFrame({"scene": ["a.tif"]}), out=tmp_path / "m.safetensors")
    with pytest.raises(gdl.OptionError, match="did you mean 'epochs'"):
        gdl.train(home / "scene.tif", home / "labels.tif", out=tmp_path / "m.safetensors", epoch=3)


def test_summaries_are_short_and_show_a_picture(home, tmp_path):
    made = gdl.segment(home / "scene.tif", home / "model.safetensors", out=tmp_path / "map.tif")
    assert repr(made).startswith(f"<Summary {tmp_path / 'map.tif'}: test-model 1, ")
    assert len(repr(made)) < 400
    assert "data:image/png" in made._repr_html_()
    (tmp_path / "map.tif").unlink()
    assert made._repr_html_() is None


def test_models_tell_what_they_are(home):
    model = gdl.load_model("s2-landcover")
    assert repr(model).startswith("<Model s2-landcover 2.1: 9 classes of ")
    assert "limitations" in model._repr_html_() or not model.card.limitations
    with pytest.raises(gdl.UnknownModelError, match="s2-landcover"):
        gdl.load_model("s2-landcove")


def test_noise_is_no_scene_of_the_bundled_model(tmp_path):
    with pytest.raises(gdl.BandMismatchError):
        gdl.load_model("s2-landcover").predict(noise((64, 64)), bands=["B04", "B03", "B02"])
