"""An extra output that fails costs nothing else: the map is there, one line says why, the status is 4."""

import json
from dataclasses import replace

import geopandas
import matplotlib.font_manager
import numpy as np
import pytest
import shapely

from georaster_dl.batches.job import SceneJob, attempt
from georaster_dl.core.events import Warned
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.run_record import is_recorded, read_record
from georaster_dl.predict.segment import segment
from georaster_dl.testing import noise, write_model, write_scene

SMALL = (90, 80)


@pytest.fixture
def no_fonts(monkeypatch):
    """Matplotlib as it is where its fonts were left out, as some packagers do."""
    manager = matplotlib.font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [])
    for cached in (manager._findfont_cached, matplotlib.font_manager._get_font):
        cached.cache_clear()
    yield
    for cached in (manager._findfont_cached, matplotlib.font_manager._get_font):
        cached.cache_clear()


@pytest.fixture
def full_disk(small_disk):
    """A folder on a disk that holds nothing more."""
    folder = small_disk(64)
    with pytest.raises(OSError, match="space"):
        (folder / "filled").write_bytes(bytes(2**20))
    return folder


@pytest.fixture
def small(tmp_path):
    return write_scene(tmp_path / "small.tif", noise(SMALL))


def warnings_of(ended):
    return [line for line in ended.err.splitlines() if line.startswith("geodl: warning: ")]


def assert_map_alone(ended, made, lost):
    assert ended.code == 4, ended
    assert made.is_file()
    assert not lost.exists()
    told = [line for line in warnings_of(ended) if f"{lost} was not made: " in line]
    assert len(told) == 1, ended.err
    assert str(lost) not in ended.out.splitlines()
    assert not [path for path in made.parent.iterdir() if path.name.startswith(".geodl")]


def test_a_picture_without_fonts(geodl, model, small, tmp_path, no_fonts):
    ended = geodl("segment", small, "-m", model, "-o", "map.tif", "--quicklook", tmp_path / "q.png")
    assert_map_alone(ended, tmp_path / "map.tif", tmp_path / "q.png")
    assert ended.out.splitlines()[-1] == "map.tif"


@pytest.mark.parametrize("option", ["--quicklook", "--polygons"])
def test_a_disk_that_is_full(geodl, model, small, tmp_path, full_disk, option):
    lost = full_disk / {"--quicklook": "q.png", "--polygons": "p.gpkg"}[option]
    ended = geodl("segment", small, "-m", model, "-o", "map.tif", option, lost)
    assert_map_alone(ended, tmp_path / "map.tif", lost)
    assert [path.name for path in full_disk.iterdir()] == ["filled"]


def test_a_disk_without_room_for_another_raster(geodl, small, tmp_path, full_disk):
    lost = full_disk / "d.tif"
    ended = geodl("cluster", small, "-k", 3, "-o", "clusters.tif", "--distance", lost)
    assert_map_alone(ended, tmp_path / "clusters.tif", lost)


def test_the_main_raster_has_the_first_room(geodl, model, small, small_disk):
    disk = small_disk(600)  # 512 x 512 bytes and overviews are 342 KiB: enough for one, not for two
    ended = geodl("segment", small, "-m", model, "-o", disk / "m.tif", "--confidence")
    assert_map_alone(ended, disk / "m.tif", disk / "m_confidence.tif")


def test_polygons_that_break(geodl, model, small, tmp_path, monkeypatch):
    def broken(path, out, **_):
        out.write_text("half of it")
        out.with_name(f"{out.name}-journal").write_text("of SQLite")
        raise shapely.errors.GEOSException("TopologyException: side location conflict")

    monkeypatch.setattr("georaster_dl.objects.run.write_polygons", broken)
    lost = tmp_path / "p.gpkg"
    lost.write_text("of an older map")
    ended = geodl(
        "segment", small, "-m", model, "-o", "map.tif", "--polygons", lost, "--overwrite",
        "--progress", "json",
    )  # fmt: skip
    assert ended.code == 4
    done = ended.events[-1]
    assert done["outputs"] == ["map.tif"]
    (failed,) = done["failed"]
    assert failed["output"] == str(lost)
    assert failed["reason"].startswith("GEOSException: TopologyException")
    assert sorted(path.name for path in tmp_path.glob("*p*")) == [
        "map.qml",
        "map.tif",
        "map.tif.aux.xml",
    ]


def test_a_style_that_fails(model, small, tmp_path, monkeypatch):
    def fail(*_args, **_more):
        raise MemoryError

    monkeypatch.setattr("georaster_dl.render.qml._save", fail)
    said = []
    outputs = Outputs(tmp_path / "map.tif", confidence=tmp_path / "c.tif")
    summary = segment(
        small,
        model,
        outputs,
        report=lambda event: said.append(event.message) if isinstance(event, Warned) else None,
    )
    assert summary.files == (tmp_path / "c.tif", tmp_path / "map.tif")
    assert [one.path.name for one in summary.failed] == ["c.qml", "map.qml"]
    assert said[-1] == f"{tmp_path / 'map.qml'} was not made: the memory did not suffice"
    assert all(path.is_file() for path in summary.files)


def test_ctrl_c_while_an_extra_is_made_cancels_all(geodl, model, small, tmp_path, monkeypatch):
    def interrupted(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr("georaster_dl.objects.run.write_polygons", interrupted)
    before = {path.name for path in tmp_path.iterdir()}
    ended = geodl("segment", small, "-m", model, "-o", "map.tif", "--polygons", "p.gpkg")
    assert ended.code == 130
    assert {path.name for path in tmp_path.iterdir()} == before


def test_quicklook_of_a_quantity_with_intervals(geodl, small, tmp_path):
    target = Target(name="v", mean=20, std=8, interval=Interval(level=0.9, factor=1, floor=2))
    model = write_model(tmp_path / "v.safetensors", n_classes=1, targets=(target,))
    ended = geodl("segment", small, "-m", model, "-o", "v.tif", "--quicklook", "v.png")
    assert (ended.code, ended.err) == (0, "")
    assert (tmp_path / "v.png").stat().st_size


def test_a_classifier_that_cannot_be_saved(geodl, small, tmp_path, full_disk):
    place = [shapely.box(500_300, 4_999_200 + d, 500_700, 4_999_350 + d) for d in (0, 350)]
    labels = geopandas.GeoDataFrame({"class": ["a", "b"]}, geometry=place, crs=32631)
    labels.to_file(tmp_path / "l.gpkg")
    lost = full_disk / "c.skops"
    ended = geodl(
        "classify", small, "l.gpkg", "-o", "c.tif", "--save", lost, "--split", "random",
        "--block", 4, "--buffer", 0,
    )  # fmt: skip
    assert_map_alone(ended, tmp_path / "c.tif", lost)


def test_a_catalogue_that_cannot_be_written(geodl, model, small, tmp_path, full_disk):
    assert geodl("segment", small, "-m", model, "-o", "map.tif").code == 0
    ended = geodl("mosaic", "map.tif", "-o", "m.tif", "--stac", full_disk / "stac")
    assert_map_alone(ended, tmp_path / "m.tif", full_disk / "stac" / "collection.json")
    assert not (full_disk / "stac").exists()


def test_scores_are_told_without_their_report(geodl, model, small, tmp_path, full_disk):
    assert geodl("segment", small, "-m", model, "-o", "map.tif").code == 0
    lost = full_disk / "r.html"
    ended = geodl("evaluate", "map.tif", "map.tif", "--html", lost, "--csv", "t.csv")
    assert_map_alone(ended, tmp_path / "t.csv", lost)
    assert "Overall accuracy 100" in ended.out


def test_spectra_are_scored_without_a_plot(geodl, tmp_path, no_fonts):
    (tmp_path / "p.csv").write_text(
        "fat,fat_predicted\n" + "\n".join(f"{i},{i + 0.1}" for i in range(9))
    )
    ended = geodl("spectra", "evaluate", "p.csv", "--target", "fat", "--plot", tmp_path / "p.png")
    assert ended.code == 4, ended.err
    assert "RMSEP" in ended.out
    assert len(warnings_of(ended)) == 1


@pytest.mark.usefixtures("no_fonts")
def test_training_goes_on_without_curves(tmp_path):
    from georaster_dl.training.loop.run_folder import RunFolder

    said = []
    folder = RunFolder(tmp_path / "m.safetensors", said.append)
    folder.path.mkdir()
    epoch = {"epoch": 0, "loss": 1.0, "val_loss": 1.0, "val_score": 0.5, "learning_rate": 1e-3}
    for _ in range(2):
        folder.write_history([epoch], "mean IoU")
    assert folder.log.is_file()
    assert [one.path for one in folder.extras.failed] == [folder.curves]
    assert len(said) == 1


def test_a_scene_of_a_batch_is_done_and_done_again(model, small, tmp_path, full_disk):
    record = tmp_path / "map.json"
    options = SegmentOptions(record=record, journal=tmp_path / "strips")
    outputs = Outputs(tmp_path / "map.tif", confidence=full_disk / "c.tif")
    job = SceneJob("small", (str(small),), model, outputs, options)
    outcome = attempt(job)
    assert outcome.error == ""
    assert any("c.tif was not made: " in line for line in outcome.warnings)
    assert [one["name"] for one in outcome.record["failed"]] == ["c.tif"]
    assert [file["name"] for file in read_record(record)["files"]] == ["map.tif"]
    # So the next run makes what is missing.
    assert not is_recorded(record, outcome.record["run"])
    (full_disk / "filled").unlink()
    again = replace(job, outputs=Outputs(tmp_path / "map.tif"))
    outcome = attempt(replace(again, options=replace(options, overwrite=True)))
    assert is_recorded(record, outcome.record["run"])


class WorkersHere:
    """Does the jobs of a batch in this process."""

    def __init__(self):
        self.jobs = []
        self.submit = self.jobs.append

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def next(self):
        return attempt(self.jobs.pop())


def test_a_batch_without_pictures(geodl, model, small, tmp_path, monkeypatch):
    monkeypatch.setattr("geodl_cli.commands.batch._pool", lambda *_: WorkersHere)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "quicklooks").write_text("a file, where a folder should be")
    ended = geodl("batch", small, "-m", model, "-d", "maps", "--progress", "json")
    assert ended.code == 4, ended.err
    assert {"small_landcover.tif", "batch.html", "batch.json"} <= {
        path.name for path in (tmp_path / "maps").iterdir()
    }
    done = ended.events[-1]
    assert done["scenes"]["done"] == 1
    assert [one["output"] for one in done["failed"]] == [str(tmp_path / "maps" / "quicklooks")]
    facts = json.loads((tmp_path / "maps" / "batch.json").read_text())
    assert np.isfinite(facts["seconds"])
