"""Training and segmentation of sequences of a rotating LiDAR."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from georaster_dl.core.errors import BandMismatchError, OptionError, OutputError
from georaster_dl.lidar.sequences.options import SegmentOptions, SequenceTraining
from georaster_dl.lidar.sequences.parts import split_parts
from georaster_dl.lidar.sequences.readers import open_sequence
from georaster_dl.lidar.sequences.segment import segment_sequence
from georaster_dl.lidar.sequences.slices import slices_of, window_of
from georaster_dl.lidar.sequences.train import TrainedSequences, train_sequences
from georaster_dl.models.exchange.check import check_model
from georaster_dl.models.exchange.stac import stac_item
from georaster_dl.models.package.file import load_model, read_card

sys.path.insert(0, str(Path(__file__).parents[2] / "sample_tiles"))
from street import simulate_street

ROTATIONS, FIBERS, FIRINGS = 3, 8, 120


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("streets")
    for seed in range(3):
        simulate_street(
            folder / f"s{seed}", rotations=ROTATIONS, seed=seed, fibers=FIBERS, firings=FIRINGS
        )
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def trained(streets: list[Path], tmp_path_factory: pytest.TempPathFactory) -> TrainedSequences:
    model = tmp_path_factory.mktemp("model") / "helix.safetensors"
    return train_sequences(streets, model, SequenceTraining(epochs=1, device="cpu", r_max=40.0))


def test_slices_are_all_points_in_order_of_time(streets: list[Path]) -> None:
    sequence = open_sequence(streets[0])
    rotation = sequence[1]
    parts = slices_of(rotation, 5, sequence.period_s)
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, len(rotation))
    spans = [np.ptp(rotation.seconds[part]) for part in parts]
    assert max(spans) <= sequence.period_s / 5
    assert window_of(rotation, 0.2, 0.2, sequence.period_s) == parts[1]


def test_package_holds_sensor_grid_and_classes_of_the_training(trained: TrainedSequences) -> None:
    card, network = load_model(trained.model)
    assert (card.task, card.lidar.slices, card.lidar.layout) == ("lidar", 5, "helixnet")
    assert card.architecture.options["r_max"] == network.grid.r_max == 40.0
    assert {each.value for each in card.classes} <= set(range(1, 10))
    assert "mIoU, test" in card.metrics
    assert list(check_model(trained.model))[-1].endswith(f"{len(card.classes)} classes")
    with pytest.raises(BandMismatchError, match="rotating LiDAR"):
        stac_item(card, trained.model)


def test_a_value_is_written_for_each_point_of_each_file(
    trained: TrainedSequences, streets: list[Path], tmp_path: Path
) -> None:
    made = segment_sequence(streets[2], trained.model, tmp_path / "out")
    values = {each.value for each in read_card(trained.model).classes}
    sequence = open_sequence(streets[2])
    for rotation, source in zip(sequence, sequence.files, strict=True):
        written = np.fromfile(tmp_path / "out" / "labels" / source.name, "u1")
        assert len(written) == FIBERS * FIRINGS
        measured = np.zeros(len(written), bool)
        measured[rotation.index] = True
        assert (written[~measured] == 0).all()
        assert set(written[measured].tolist()) <= values
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["rotations"] == ROTATIONS
    assert sum(summary["points"].values()) == sum(len(rotation) for rotation in sequence)
    assert summary["latency_s"] == pytest.approx(
        sequence.period_s / 5 + summary["inference_s"], abs=2e-4
    )
    assert summary["mean_iou"] == pytest.approx(made.confusion.mean_iou, abs=1e-4)
    assert len((tmp_path / "out" / "latency.csv").read_text().splitlines()) == 1 + ROTATIONS


def test_labels_that_exist_stay_unless_asked(
    trained: TrainedSequences, streets: list[Path], tmp_path: Path
) -> None:
    segment_sequence(streets[0], trained.model, tmp_path, SegmentOptions(slices=1))
    with pytest.raises(OutputError, match="overwrite"):
        segment_sequence(streets[0], trained.model, tmp_path)
    with pytest.raises(OptionError, match="input"):
        segment_sequence(streets[0], trained.model, streets[0], SegmentOptions(overwrite=True))


@pytest.mark.slow
def test_an_interrupted_training_goes_on_where_it_ended(
    trained: TrainedSequences, streets: list[Path], tmp_path: Path
) -> None:
    settings = SequenceTraining(epochs=1, device="cpu", r_max=40.0)
    part = train_sequences(streets, tmp_path / "m.safetensors", settings)
    assert part.epochs == 1
    with pytest.raises(OutputError, match="exists"):
        train_sequences(streets, tmp_path / "m.safetensors", settings)
    longer = SequenceTraining(epochs=2, device="cpu", r_max=40.0, resume=True, overwrite=True)
    resumed = train_sequences(streets, tmp_path / "m.safetensors", longer)
    assert resumed.epochs == 2


def test_parts_are_whole_sequences_or_stretches_with_gaps(streets: list[Path]) -> None:
    sequences = [open_sequence(each) for each in streets]
    parts = split_parts(sequences, seed=0)
    runs = [*parts.training, *parts.validation, *parts.test]
    assert {id(run.rotations) for run in runs} == {id(each) for each in sequences}
    long = _Long(100)
    alone = split_parts([long], seed=0)
    (first,), (second,), (third,) = alone.training, alone.validation, alone.test
    assert first.first == 0
    assert second.first - first.stop == third.first - second.stop == 5
    assert third.stop == 100
    with pytest.raises(OptionError, match="3 sequences"):
        split_parts([_Long(10)], seed=0)


class _Long:
    period_s = 0.1

    def __init__(self, turns: int) -> None:
        self._turns = turns

    def __len__(self) -> int:
        return self._turns

    def __getitem__(self, number: int, /) -> None:
        raise AssertionError("a split reads no rotation")
