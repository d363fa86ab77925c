"""LiDAR: training on sequences of a rotating sensor, and classes of their points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from georaster_dl.api.keywords import options_of, path_of
from georaster_dl.api.model import Model, package_of
from georaster_dl.api.reporting import reporting
from georaster_dl.core.events import Report
from georaster_dl.lidar.sequences.options import SegmentOptions, SequenceTraining

if TYPE_CHECKING:
    from georaster_dl.lidar.sequences.segment import SegmentedSequence
    from georaster_dl.lidar.sequences.train import TrainedSequences

__all__ = ["LidarTrainKeywords", "segment_lidar", "train_lidar"]


class LidarTrainKeywords(TypedDict, total=False):
    """Keywords of a training on LiDAR sequences, by the names of the section ``[lidar]`` of a TOML file.

    Attributes
    ----------
    slices : of a turn, 1 to 36.
    r_max, z_low, z_high : ends of the grid of voxels in metres, in the sensor's frame.
    voxel_r, voxel_azimuth, voxel_z : size of a fine voxel in metres, degrees and metres.
    epochs : at most.
    minutes : after which the training ends; None for no limit.
    batch_size : slices of a step.
    learning_rate, weight_decay : of AdamW.
    patience : epochs without a better validation after which it ends.
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``.
    seed : of all random choices.
    """

    slices: int
    r_max: float
    z_low: float
    z_high: float
    voxel_r: float
    voxel_azimuth: float
    voxel_z: float
    epochs: int
    minutes: float | None
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    device: str
    seed: int


def train_lidar(
    sequences: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    resume: bool = False,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **settings: Unpack[LidarTrainKeywords],
) -> TrainedSequences:
    """Train Helix4D on labelled sequences of a rotating LiDAR; as ``geodl train --task lidar``.

    Parameters
    ----------
    sequences : folders of scans in the layout of HelixNet, KITTI or RELLIS-3D, or LAS files with GPS times. Of three or more,
        whole ones are kept for validation and test; else stretches of time.
    out : model package to make (.safetensors).
    resume : go on with an interrupted training.
    overwrite : replace the model where it exists.
    report, progress : as ``segment`` takes them.
    **settings : ``LidarTrainKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with sequences, settings or output.
    """
    from georaster_dl.lidar.sequences.train import train_sequences

    given = [sequences] if isinstance(sequences, str | Path) else sequences
    options = options_of(SequenceTraining, {**settings, "resume": resume, "overwrite": overwrite})
    with reporting(report, progress=progress) as take:
        return train_sequences([Path(each) for each in given], path_of("out", out), options, take)


def segment_lidar(
    sequence: str | Path,
    model: str | Path | Model,
    *,
    out: str | Path,
    slices: int | None = None,
    device: str = "auto",
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
) -> SegmentedSequence:
    """Classify the points of a rotating LiDAR slice by slice; as ``geodl lidar segment``.

    Parameters
    ----------
    sequence : as ``train_lidar`` takes one, without labels, too.
    model : package of ``train_lidar``, or loaded model.
    out : folder for the labels of each scan, latency.csv and summary.json.
    slices : of a turn; None takes those of the training, 1 waits for whole turns.
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``.
    overwrite : replace labels where they exist.
    report, progress : as ``segment`` takes them.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with sequence, model or output.
    """
    from georaster_dl.lidar.sequences.segment import segment_sequence

    options = SegmentOptions(slices, device, overwrite)
    source, folder = path_of("sequence", sequence), path_of("out", out)
    with reporting(report, progress=progress) as take:
        return segment_sequence(source, package_of(model), folder, options, take)
