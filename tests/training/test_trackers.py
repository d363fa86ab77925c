"""Trackers of experiments, each by its real package, writing into the run folder."""

import os
import sqlite3
import sys
from contextlib import closing

import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import EpochEnded, TrainingProgressed, Warned
from georaster_dl.training.loop.run_folder import RunFolder
from georaster_dl.training.result.trackers import tracking
from georaster_dl.training.settings.checks import check_trackers
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import train

METRICS = {"mIoU, test": 0.5, "IoU grass (dry), test": 0.25}


def tracked(folder, report=lambda _event: None, **training):
    """Track ten batches, an epoch and the figures of a test."""
    config = TrainConfig.of({"training": training})
    run = RunFolder(folder / "model.safetensors")
    run.make()
    with tracking(config, run, report, name="model") as take:
        take(TrainingProgressed(done=10, total=20, seconds_left=1.0, loss=0.7))
        take(
            EpochEnded(
                epoch=0.0, loss=0.6, val_loss=0.5, val_score=0.4, learning_rate=1e-3, epochs=2, score="mean IoU",
                seconds_left=0.0,
            )
        )  # fmt: skip
        take.result(METRICS)
    return run.path


@pytest.mark.slow
def test_tensorboard_has_epochs_and_test_figures(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = tracked(tmp_path, tracker="tensorboard")
    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    scalars = {tag: read.Scalars(tag)[-1].value for tag in read.Tags()["scalars"]}
    assert scalars["val_score"] == pytest.approx(0.4)
    assert scalars["batch_loss"] == pytest.approx(0.7)
    assert scalars["mIoU test"] == 0.5


@pytest.mark.slow
def test_mlflow_has_settings_epochs_and_test_figures(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = tracked(tmp_path, tracker="mlflow")
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    [run] = client.search_runs([client.get_experiment_by_name("georaster_dl").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["training.epochs"] == "100"
    assert run.data.metrics["val_score"] == 0.4
    assert run.data.metrics["IoU grass dry test"] == 0.25
    assert [path.name for path in tmp_path.iterdir()] == ["model_run"]


@pytest.mark.slow  # it starts a process of its own
def test_wandb_writes_files_alone_where_it_is_offline(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for _ in range(2):  # one run does not go on as the next
        folder = tracked(tmp_path, tracker="wandb")
    wandb.teardown()  # its process writes what it still holds
    runs = list((folder / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(runs) == 2
    assert b"val_score" in runs[0].read_bytes()
    assert b"grass dry" in runs[0].read_bytes()


def test_without_a_tracker_nothing_is_made_or_imported(tmp_path):
    before = set(sys.modules)
    folder = tracked(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["checkpoints"]
    assert not {"mlflow", "wandb"} & (set(sys.modules) - before)
    assert "MLFLOW_DISABLE_TELEMETRY" not in os.environ


@pytest.mark.slow
def test_a_tracker_that_fails_costs_a_warning(tmp_path, monkeypatch):
    """The database of MLflow is lost in the middle of a run."""
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    events = []

    def report(event):
        events.append(event)
        if isinstance(event, TrainingProgressed):
            (tmp_path / "model_run/mlflow.db").write_bytes(b"lost")

    tracked(tmp_path, report, tracker="mlflow")
    [warning] = [event for event in events if isinstance(event, Warned)]
    assert warning.message.startswith("mlflow takes no figures any more: ")


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(OptionError, match=rf"not installed; pip install .*\[{name}\]"):
        check_trackers(TrainConfig.of({"training": {"tracker": name}}))


@pytest.mark.slow
def test_a_training_logs_to_two_trackers_at_once(pair, settings, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    settings = settings.updated(
        {"training.epochs": 1, "training.tensorboard": True, "training.tracker": "mlflow"}
    )
    train([pair], tmp_path / "model.safetensors", settings)
    assert list((tmp_path / "model_run/tensorboard").glob("events*"))
    with closing(sqlite3.connect(tmp_path / "model_run/mlflow.db")) as database:
        names = {name for [name] in database.execute("select key from latest_metrics")}
    assert {"val_score", "mIoU test"} <= names  # of less than ten batches no loss
