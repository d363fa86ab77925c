"""Staging: outputs appear complete or not at all."""

import errno
import os
from pathlib import Path

import pytest

from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.errors import OutputError, SceneError
from georaster_dl.io.output.staging import Staging


def hidden(folder):
    return [p.name for p in folder.iterdir() if p.name.startswith(".geodl")]


def test_outputs_and_sidecars_arrive_under_their_names(tmp_path):
    (tmp_path / "a").mkdir()
    tif, png = tmp_path / "map.tif", tmp_path / "a" / "look.png"
    with Staging(tif, png, overwrite=False) as stage:
        assert stage.path(tif).name == "map.tif"
        assert stage.path(tif).parent != stage.path(png).parent
        assert stage.path(tif).parent.parent == tmp_path
        for name in ("map.tif", "map.tif.aux.xml", "map.qml"):
            stage.path(tif).with_name(name).write_text(name)
        stage.path(png).write_text("png")
        assert not tif.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a",
        "map.qml",
        "map.tif",
        "map.tif.aux.xml",
    ]
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["look.png"]


def test_outputs_are_moved_after_their_sidecars(tmp_path, monkeypatch):
    order = []
    replace = type(tmp_path).replace
    monkeypatch.setattr(
        type(tmp_path), "replace", lambda s, t: (order.append(t.name), replace(s, t))[1]
    )
    tif = tmp_path / "a.tif"
    with Staging(tif, overwrite=False) as stage:
        for name in ("a.tif", "a.tif.aux.xml", "a.qml"):
            stage.path(tif).with_name(name).write_text("")
    assert order[-1] == "a.tif"
    assert len(order) == 3


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit, SceneError])
def test_any_exception_leaves_everything_as_it_was(tmp_path, stop):
    tif = tmp_path / "map.tif"
    tif.write_text("old")
    tif.with_suffix(".qml").write_text("old style")

    def run():
        with Staging(tif, overwrite=True) as stage:
            stage.path(tif).write_text("new")
            raise stop

    with pytest.raises(stop):
        run()
    assert tif.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.qml", "map.tif"]


def test_stale_sidecars_of_an_overwritten_output_go(tmp_path):
    tif = tmp_path / "map.tif"
    stale = ["map.tif.ovr", "map.tif.msk", "map.tif.aux.xml", "map.qml"]
    for name in ["map.tif", *stale, "other.qml"]:
        (tmp_path / name).write_text("old")
    with Staging(tif, overwrite=True) as stage:
        stage.path(tif).write_text("new")
        stage.path(tif).with_suffix(".qml").write_text("new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.qml", "map.tif", "other.qml"]
    assert tif.with_suffix(".qml").read_text() == "new"


def test_the_style_of_an_input_of_the_same_stem_is_left_alone(tmp_path):
    scene, tif = tmp_path / "map.jp2", tmp_path / "map.tif"
    for path in (scene, tif, tmp_path / "map.qml"):
        path.write_text("old")
    with Staging(tif, overwrite=True, protect=[scene]) as stage:
        stage.path(tif).write_text("new")
        stage.path(tif).with_suffix(".qml").write_text("new")
    assert (tmp_path / "map.qml").read_text() == "old"


def test_a_map_named_after_its_model_is_styled(tmp_path):
    model, tif = tmp_path / "protein.safetensors", tmp_path / "protein.tif"
    model.write_text("weights")
    with Staging(tif, overwrite=False, protect=[model]) as stage:
        stage.path(tif).write_text("new")
        stage.path(tif).with_suffix(".qml").write_text("new")
    assert (tmp_path / "protein.qml").read_text() == "new"


def refusal(*outputs, **options):
    with pytest.raises(OutputError) as caught, Staging(*outputs, **{"overwrite": False, **options}):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_existing_output_is_refused(tmp_path):
    (tmp_path / "map.tif").write_text("old")
    assert "exists already" in refusal(tmp_path / "map.tif")
    assert hidden(tmp_path) == []


def test_an_input_is_never_an_output(tmp_path, monkeypatch):
    scene = tmp_path / "scene.tif"
    scene.write_text("pixels")
    (tmp_path / "link.tif").symlink_to(scene)
    (tmp_path / "hard.tif").hardlink_to(scene)
    monkeypatch.chdir(tmp_path)
    for output in (
        scene,
        tmp_path / "x" / ".." / "scene.tif",
        tmp_path / "link.tif",
        tmp_path / "hard.tif",
    ):
        (tmp_path / "x").mkdir(exist_ok=True)
        assert "also an input" in refusal(output, overwrite=True, protect=["scene.tif"])
    assert "also an input" in refusal(scene, overwrite=True, protect=[str(scene)])
    with Staging(tmp_path / "ok.tif", overwrite=True, protect=["https://a/b.tif", scene]) as stage:
        stage.path(tmp_path / "ok.tif").write_text("")


@pytest.mark.parametrize(
    "address",
    ["s3://b/a.tif", "gs://b/a.tif", "https://x/a.tif", "/vsis3/b/a.tif", "file:///a.tif"],
)
def test_an_address_is_no_output(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "upload the file afterwards" in refusal(Path(address))
    assert list(tmp_path.iterdir()) == []


def test_two_equal_outputs_are_refused(tmp_path):
    assert "Two outputs" in refusal(tmp_path / "a.tif", tmp_path / "." / "a.tif")


def test_a_folder_as_output_is_refused(tmp_path):
    assert "is a folder" in refusal(tmp_path, overwrite=True)


def test_missing_folder_is_refused_and_earlier_folders_are_cleaned(tmp_path):
    assert "does not exist" in refusal(tmp_path / "a.tif", tmp_path / "no" / "a.tif")
    assert hidden(tmp_path) == []


def test_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def fail(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("georaster_dl.io.files.temporary.tempfile.mkdtemp", fail)
    assert "not writable (Permission denied)" in refusal(tmp_path / "a.tif")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(tmp_path):
    (tmp_path / "ro").mkdir(mode=0o500)
    assert "not writable" in refusal(tmp_path / "ro" / "a.tif")


def test_output_never_written(tmp_path):
    assert "was not written" in refusal(tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == []


def test_unknown_output_is_named(tmp_path):
    with (
        pytest.raises(OutputError, match="not one of the staged"),
        Staging(tmp_path / "a", overwrite=False) as stage,
    ):
        stage.path(tmp_path / "b")


def test_full_disk_becomes_one_line(tmp_path):
    with (
        pytest.raises(OutputError, match=r"no space left.*MiB free"),
        Staging(tmp_path / "a", overwrite=False),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_other_os_errors_name_the_reason(tmp_path):
    assert "Permission denied" in str(
        explain_os_error(PermissionError(13, "Permission denied"), tmp_path)
    )


def test_a_failing_move_is_an_output_error(tmp_path, monkeypatch):
    def fail(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "replace", fail)
    with (
        pytest.raises(OutputError, match="Permission denied"),
        Staging(tmp_path / "a", overwrite=False) as stage,
    ):
        stage.path(tmp_path / "a").write_text("")
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("name", ["M\udcfcnster.tif", f"{'x' * 246}.tif", f"{'ü' * 124}.tif"])
def test_names_that_cannot_be_written_are_refused_before_any_work(tmp_path, name):
    assert "not UTF-8" in (said := refusal(tmp_path / name)) or "name too long" in said
    assert hidden(tmp_path) == []
    assert refusal(tmp_path / "folder\udcfc" / "a.tif")


def test_the_longest_name_has_room_for_its_sidecars(tmp_path):
    tif = tmp_path / f"{'x' * 243}.tif"
    with Staging(tif, overwrite=False) as stage:
        for ending in ("", ".aux.xml", ".msk.ovr"):
            stage.path(tif).with_name(f"{tif.name}{ending}").touch()
    assert len(list(tmp_path.iterdir())) == 3


def test_names_that_differ_in_case_alone(tmp_path, monkeypatch):
    outputs = tmp_path / "Map.tif", tmp_path / "map.tif"
    with Staging(*outputs, overwrite=False) as stage:
        for output in outputs:
            stage.path(output).touch()
    exists = Path.exists  # of a file system where upper and lower case are the same
    monkeypatch.setattr(
        Path, "exists", lambda path: exists(path) or exists(path.with_name(path.name.lower()))
    )
    assert "are one file here" in refusal(*outputs, overwrite=True)
    assert hidden(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="no limit on the size of files")
def test_an_extra_that_fills_the_disk_is_given_up_alone(tmp_path):
    import resource
    import signal

    (tmp_path / "extra").mkdir()
    main, extra = tmp_path / "map.tif", tmp_path / "extra" / "map.png"
    extra.write_text("of an older map")
    said = []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with Staging(main, extras=[extra], overwrite=True, warn=said.append) as stage:
            stage.path(main).write_text("map")
            with stage.making(extra) as path:
                path.write_bytes(bytes(2000))
            assert list(stage.path(extra).parent.iterdir()) == []  # its room is free again
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert main.read_text() == "map"
    assert list(extra.parent.iterdir()) == []  # nothing that an older map was drawn as
    assert stage.made([extra, main]) == [main]
    assert [one.path for one in stage.failed] == [extra]
    assert "no space left" in stage.failed[0].reason
    assert said == [f"{extra} was not made: {stage.failed[0].reason}"]


def test_an_extra_that_cannot_be_moved_into_place(tmp_path, monkeypatch):
    main, extra = tmp_path / "map.tif", tmp_path / "map.png"
    replace = type(tmp_path).replace

    def open_in_a_viewer(source, target):
        if target.name == "map.png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return replace(source, target)

    monkeypatch.setattr(type(tmp_path), "replace", open_in_a_viewer)
    with Staging(main, extras=[extra], overwrite=False) as stage:
        for path in (main, extra):
            stage.path(path).write_text("")
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]
    assert [one.path for one in stage.failed] == [extra]


def test_parts_of_an_extra_go_with_it(tmp_path):
    main, *extras = (tmp_path / name for name in ("map.tif", "item.json", "collection.json"))
    with Staging(main, extras=extras, overwrite=False) as stage:
        stage.path(main).write_text("")
        with stage.making(extras[1], extras[0]):
            stage.path(extras[0]).write_text("")
            raise ValueError("no date")
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]
    assert [str(one) for one in stage.failed] == [f"{extras[1]} was not made: ValueError: no date"]


def test_extras_are_refused_before_any_work_as_outputs_are(tmp_path):
    (tmp_path / "q.png").write_text("old")
    assert "exists already" in refusal(tmp_path / "a.tif", extras=[tmp_path / "q.png"])
    assert "does not exist" in refusal(tmp_path / "a.tif", extras=[tmp_path / "no" / "q.png"])
