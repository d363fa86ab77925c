"""Sequences of rotating LiDARs are read as their layouts say, and wrong files are named."""

import importlib
import sys
from pathlib import Path

import laspy
import numpy as np
import pytest

from georaster_dl.core.errors import SceneError
from georaster_dl.lidar.sequences.readers import open_sequence

ROOT = Path(__file__).parents[2]
ROTATING = ROOT.parent / "shared" / "data" / "lidar_rotating"
FIBERS, FIRINGS, ROTATIONS = 16, 90, 3


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Write three rotations of sixteen lasers, and take them back as arrays of the file."""
    folder = ROOT / "sample_tiles"
    sys.path.insert(0, str(folder))
    try:
        made = importlib.import_module("street")
    finally:
        sys.path.remove(str(folder))
    path = tmp_path_factory.mktemp("sequences") / "street"
    made.simulate_street(path, rotations=ROTATIONS, seed=4, fibers=FIBERS, firings=FIRINGS)
    return path


def columns_of(path):
    return np.fromfile(path, "<f4").reshape(-1, 9)


def kitti_of(street, folder, order=slice(None)):
    """Write the street in KITTI's layout, with poses of a camera that looks along the street."""
    for name in ("velodyne", "labels"):
        (folder / name).mkdir(parents=True)
    for scan in sorted((street / "velodyne").iterdir()):
        points, label = columns_of(scan), np.fromfile(street / "labels" / scan.name, "u1")
        kept = np.flatnonzero(points[:, 3])
        kept = kept[np.argsort(points[kept, 7], kind="stable")][order]  # laser by laser
        points, label = points[kept], label[kept].astype("<u4")
        x, y = points[:, 3] * np.cos(points[:, 4]), points[:, 3] * np.sin(points[:, 4])
        xyzi = np.column_stack([x, y, points[:, 5], points[:, 6] / 255]).astype("<f4")
        xyzi.tofile(folder / "velodyne" / scan.name)
        (label | (7 << 16)).tofile(folder / "labels" / f"{scan.stem}.label")
    # x right, y down, z forward
    (folder / "calib.txt").write_bytes(
        b"P0: 1 0 0 0 0 1 0 0 0 0 1 0\r\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 0\r\n"
    )
    rows = [f"1 0 0 0 0 1 0 0 0 0 1 {0.8 * n:.1f}" for n in range(ROTATIONS)]
    (folder / "poses.txt").write_bytes(("\r\n".join(rows) + "\r\n\r\n").encode())
    return folder


def test_helixnet_gives_the_sensors_frame_in_firing_order_without_points_of_no_return(street):
    sequence = open_sequence(street)
    rotation = sequence[1]
    points = columns_of(sequence.files[1])
    assert (sequence.layout, len(sequence), sequence.labelled) == ("helixnet", ROTATIONS, True)
    assert sequence.classes[5] == "traffic sign"
    assert sequence.period_s == pytest.approx(0.1, rel=0.02)
    assert 0 < len(rotation) == np.count_nonzero(points[:, 3]) < rotation.source_points
    world = rotation.xyz @ rotation.pose[:3, :3].T + rotation.pose[:3, 3]
    moved = 8.0 * (rotation.seconds - 0.1)  # since the rotation began, whose pose it is
    np.testing.assert_allclose(world[:, 0] + moved, points[rotation.index, 0], atol=1e-3)
    np.testing.assert_allclose(world[:, 1:], points[rotation.index, 1:3], atol=1e-3)
    truth = np.fromfile(street / "labels" / "000001.bin", "u1")
    np.testing.assert_array_equal(rotation.in_source(rotation.label), truth)
    assert (rotation.label > 0).all()


def test_poses_of_helixnet_are_fitted_where_there_is_no_file_of_them(street, tmp_path):
    (tmp_path / "velodyne").symlink_to(street / "velodyne")
    sequence = open_sequence(tmp_path)
    assert not sequence.labelled
    assert "fitted" in sequence.remarks[0]
    given = open_sequence(street)
    for mine, theirs in zip(sequence, given, strict=True):
        assert mine.label is None
        np.testing.assert_allclose(mine.pose[:3, :3], np.eye(3), atol=0.02)
        # A fit is of the middle of the rotation, the file of its start.
        np.testing.assert_allclose(mine.pose[:3, 3] - theirs.pose[:3, 3], [0.4, 0, 0], atol=0.1)


def test_kitti_has_poses_of_the_lidar_and_classes_below_instances(street, tmp_path):
    sequence = open_sequence(kitti_of(street, tmp_path / "07"))
    rotation = sequence[2]
    assert (sequence.layout, sequence.name, len(sequence)) == ("kitti", "07", ROTATIONS)
    np.testing.assert_allclose(rotation.pose[:3, 3], [1.6, 0, 0], atol=1e-9)
    np.testing.assert_allclose(rotation.pose[:3, :3], np.eye(3), atol=1e-9)
    assert set(np.unique(rotation.label)) <= set(sequence.classes) <= set(range(1, 9))
    assert rotation.intensity.max() > 1
    assert rotation.fiber is None
    assert any("counter-clockwise from the rear" in remark for remark in sequence.remarks)
    azimuth = np.arctan2(rotation.xyz[:, 1], rotation.xyz[:, 0])
    np.testing.assert_allclose(
        rotation.seconds, 0.2 + 0.1 * (azimuth + np.pi) / (2 * np.pi), atol=1e-6
    )


def test_a_kitti_file_in_firing_order_keeps_it(street, tmp_path):
    rotation = open_sequence(street)[0]
    xyzi = np.column_stack([rotation.xyz, rotation.intensity]).astype("<f4")[::-1]  # clockwise
    xyzi.tofile(tmp_path / "scan.bin")
    read = open_sequence(tmp_path / "scan.bin")[0]
    np.testing.assert_array_equal(read.index, np.arange(len(rotation)))
    np.testing.assert_allclose(read.seconds, 0.1 - rotation.seconds[::-1], atol=0.003)


def test_laz_is_divided_where_the_azimuth_has_turned_once(street, tmp_path):
    rotations = list(open_sequence(street))
    las = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    las.header.scales, las.header.offsets = [0.001] * 3, [500_000, 4_000_000, 0]
    world = []
    for rotation in rotations:
        x = 500_000 + 8.0 * rotation.seconds
        world.append(rotation.xyz + np.column_stack([x, np.full_like(x, 4e6), np.full_like(x, 30)]))
    las.xyz = np.concatenate(world)
    las.gps_time = np.concatenate([rotation.seconds for rotation in rotations]) + 1000.0
    las.classification = np.concatenate([rotation.label for rotation in rotations])
    las.write(tmp_path / "drive.laz")
    with pytest.raises(SceneError, match="need trajectory.txt beside them"):
        open_sequence(tmp_path / "drive.laz")
    # Windows, with commas and a comment
    way = b"# s,x,y,z\r\n999,499992,4000000,30\r\n1001,500008,4000000,30\r\n"
    (tmp_path / "trajectory.txt").write_bytes(way)
    sequence = open_sequence(tmp_path / "drive.laz")
    assert [rotation.name for rotation in sequence] == [f"drive_{n:04d}" for n in range(3)]
    assert sequence.period_s == pytest.approx(0.1, rel=0.02)
    assert sequence.classes[6] == "building"
    for mine, theirs in zip(sequence, rotations, strict=True):
        # A laser that sees nothing ahead may begin the next turn with its first return.
        assert abs(len(mine) - len(theirs)) < FIBERS
        np.testing.assert_allclose(
            mine.xyz[100], theirs.xyz[mine.index[100] - mine.index[0]], atol=0.1
        )
    assert sum(len(rotation) for rotation in sequence) == sum(len(each) for each in rotations)


def write_number(scan, column, value, rows=slice(None)):
    points = columns_of(scan)
    points[rows, column] = value
    points.tofile(scan)


def write_poses(folder, change):
    path = folder / "poses.txt"
    path.write_text(change(path.read_text()))


HARM = {
    "cut": lambda _folder, scan, _label: scan.write_bytes(scan.read_bytes()[:-7]),
    "label": lambda _folder, _scan, label: label.write_bytes(label.read_bytes()[:-1]),
    "class": lambda _folder, _scan, label: label.write_bytes(b"\x4d" + label.read_bytes()[1:]),
    "nan": lambda _folder, scan, _label: write_number(scan, 2, np.nan, 5),
    "pose": lambda folder, _scan, _label: write_poses(folder, lambda t: t[: t.rindex("1 0 0 ")]),
    "words": lambda folder, _scan, _label: write_poses(folder, lambda t: f"one{t[1:]}"),
    "empty": lambda _folder, scan, _label: write_number(scan, 3, 0),
    "missing": lambda _folder, _scan, label: label.unlink(),
}


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("cut", "no whole number of points of 9 float32"),
        ("label", "bytes, but the 1440 points of its rotation need 1440"),
        ("class", "has the label 77"),
        ("nan", "1 points with NaN or infinite numbers, the first is point 5"),
        ("pose", "has 2 poses, but .* has 3 scans"),
        ("words", "poses.txt, line 1: could not convert"),
        ("empty", "no point with a return"),
        ("missing", "no labels of 1 of 3 scans, the first is 000001.bin"),
    ],
)
def test_damaged_helixnet_files_are_named_with_what_is_wrong(street, tmp_path, harm, said):
    for part in ("velodyne", "labels"):
        (tmp_path / part).mkdir()
        for source in (street / part).iterdir():
            (tmp_path / part / source.name).write_bytes(source.read_bytes())
    (tmp_path / "poses.txt").write_text((street / "poses.txt").read_text())
    HARM[harm](tmp_path, tmp_path / "velodyne/000001.bin", tmp_path / "labels/000001.bin")
    with pytest.raises(SceneError, match=said):
        list(open_sequence(tmp_path))


def test_what_is_no_sequence_is_refused_with_what_was_expected(street, tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "odd.bin").write_bytes(b"123")
    five = np.random.default_rng(0).normal(0, 20, (1000, 5)).astype("<f4")  # as nuScenes has them
    five.tofile(tmp_path / "five.bin")
    with pytest.raises(SceneError, match="does not exist"):
        open_sequence(tmp_path / "nothing")
    with pytest.raises(SceneError, match="is no file of rotations"):
        open_sequence(tmp_path / "notes.txt")
    with pytest.raises(SceneError, match="3 bytes, which is no whole number of points"):
        open_sequence(tmp_path / "odd.bin")
    with pytest.raises(SceneError, match="negative intensities"):
        open_sequence(tmp_path / "five.bin")
    with pytest.raises(SceneError, match="give one of these|holds no rotations"):
        open_sequence(street.parent)


@pytest.mark.realdata
@pytest.mark.skipif(not ROTATING.exists(), reason="no real scans here")
def test_a_real_ouster_rotation_is_read_in_its_firings_with_the_published_classes():
    sequence = open_sequence(ROTATING / "000104.bin")
    rotation = sequence[0]
    assert (sequence.layout, rotation.source_points) == ("ouster", 131_072)
    assert rotation.source_points - len(rotation) == 53_364
    assert sequence.classes[19] == "bush"
    firing = rotation.index // 64
    np.testing.assert_allclose(rotation.seconds, 0.1 * firing / 2048, atol=1e-9)
    # Lasers of one number look at one elevation.
    level = rotation.xyz[rotation.fiber == 32]
    up = np.arctan2(level[:, 2], np.hypot(level[:, 0], level[:, 1]))
    assert np.std(up) < 0.01


@pytest.mark.realdata
@pytest.mark.skipif(not ROTATING.exists(), reason="no real scans here")
def test_real_kitti_rotations_are_read_one_after_the_other():
    sequence = open_sequence(ROTATING / "kitti_00")
    assert [len(rotation) for rotation in sequence] == [124_668, 124_605, 124_478]
    assert not sequence.labelled
    assert sequence[-1].seconds[-1] == pytest.approx(0.3, abs=1e-4)
