"""Search of settings: what varies, what is kept, what the trials see."""

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import TrialEnded
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.search.results import draw_search, importances
from georaster_dl.training.search.space import Setting, Space, make_space
from georaster_dl.training.search.study import EndedTrial, Study
from georaster_dl.training.settings.config import TrainConfig, read_config
from georaster_dl.training.settings.resolve import resolve_defaults
from georaster_dl.training.train import train

optuna = pytest.importorskip("optuna")


def loaded(pair, settings, folder):
    with CacheFolder(folder / "model.safetensors") as cache:
        return load_training_data([pair], resolve_defaults(settings), cache, lambda _: None)


def rows(folder):
    with (folder / "search/trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_default_values_of_a_space_are_the_default_settings(pair, tmp_path):
    settings = TrainConfig.of({"split": {"block": 16, "buffer": 0}, "search": {"trials": 3}})
    data = loaded(pair, settings, tmp_path)
    space = make_space(settings, data)
    assert {"learning rate", "loss", "patch", "augmentation", "size", "dropout"} <= set(
        space.defaults
    )
    before, after = data.config.flat(), space.config(space.defaults).flat()
    assert {key for key in before | after if before.get(key) != after.get(key)} == {
        "search.trials",
        "training.devices",
        "training.learning_rate",  # stated, as the number that it was anyway
        "patches.size",
    }


def test_what_is_stated_does_not_vary(pair, settings, tmp_path):
    settings = settings.updated({"search.trials": 3, "augment.noise": 0.2})
    names = set(make_space(settings, loaded(pair, settings, tmp_path)).defaults)
    assert names == {"loss", "class weights"}
    settings = settings.updated({"loss.names": ("dice",), "loss.class_weights": True})
    with pytest.raises(OptionError, match="states everything that `search=` varies"):
        make_space(settings, loaded(pair, settings, tmp_path))


def test_every_value_of_a_space_makes_a_configuration(pair, tmp_path):
    settings = TrainConfig.of({"search": {"trials": 3}})
    space = make_space(settings, loaded(pair, settings, tmp_path))
    for setting in space.settings:
        for value in setting.values:
            space.config({**space.defaults, setting.name: value})


@pytest.mark.slow
def test_a_search_packages_its_best_trial_and_goes_on_as_if_uninterrupted(pair, settings, tmp_path):
    settings = settings.updated({"search.trials": 2, "training.epochs": 2})
    events = []
    trained = train([pair], tmp_path / "a.safetensors", settings, report=events.append)
    ended = [event for event in events if isinstance(event, TrialEnded)]
    assert [event.trial for event in ended] == [1, 2]
    table = rows(tmp_path / "a_run")
    best = max(
        (row for row in table if row["state"] == "finished"),
        key=lambda row: float(row["val_score"]),
    )
    assert int(best["trial"]) == ended[-1].best
    assert max(each["val_score"] for each in trained.history) == float(best["val_score"])
    assert f"trial {best['trial']} of 2" in trained.card.training["search"]
    found = read_config(tmp_path / "a_run/search/config.toml")
    assert found.flat() == trained.card.configuration
    assert (tmp_path / "a_run/search/search.png").read_bytes().startswith(b"\x89PNG")
    kept = list((tmp_path / "a_run/search").glob("trial_*/checkpoints/best.ckpt"))
    assert [path.parts[-3] for path in kept] == [f"trial_{int(best['trial']):03}"]

    class StopError(Exception):
        pass

    def stop(event):
        if isinstance(event, TrialEnded):
            raise StopError

    with pytest.raises(StopError):
        train([pair], tmp_path / "b.safetensors", settings, report=stop)
    train([pair], tmp_path / "b.safetensors", settings, resume=True)
    same = [
        [{key: row[key] for key in row if key != "seconds"} for row in rows(tmp_path / run)]
        for run in ("a_run", "b_run")
    ]
    assert same[0] == same[1]
    a, b = (
        load_model(tmp_path / name)[1].state_dict() for name in ("a.safetensors", "b.safetensors")
    )
    assert all((a[key] == b[key]).all() for key in a)


@pytest.mark.slow
def test_no_trial_reads_the_test_part(pair, settings, make_tif, tmp_path):
    """Another test scene, of which every pixel and label is changed, gives the same trials."""
    import rasterio

    with rasterio.open(pair.scene) as scene, rasterio.open(pair.labels) as labels:
        image, classes = scene.read(), labels.read(1)
    rng = np.random.default_rng(0)
    tests = []
    for name in "ab":
        other = make_tif(
            image, f"test_{name}.tif", nodata=0, descriptions=("B02", "B03", "B04"), scales=(1e-4,) * 3,
            offsets=(0.0,) * 3,
        )  # fmt: skip
        tests.append(
            SceneWithLabels(str(other), make_tif(classes, f"labels_{name}.tif", nodata=255), "test")
        )
        image, classes = (
            rng.permuted(image, axis=1),
            rng.permutation(classes.ravel()).reshape(classes.shape),
        )
    halves = [
        SceneWithLabels(pair.scene, pair.labels, "train"),
        SceneWithLabels(pair.scene, pair.labels, "validation"),
    ]
    settings = settings.updated(
        {"search.trials": 2, "training.epochs": 1, "split": {"kind": "column"}}
    )
    tables, cards = [], []
    for number, test in enumerate(tests):
        model = tmp_path / f"{number}.safetensors"
        train([*halves, test], model, settings)
        tables.append([row["val_score"] for row in rows(tmp_path / f"{number}_run")])
        cards.append(read_card(model))
    assert tables[0] == tables[1]
    assert cards[0].metrics != cards[1].metrics


def test_a_search_without_optuna_names_what_to_install(pair, settings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(OptionError, match=r"`search=2` needs Optuna.*\[search\]"):
        train([pair], tmp_path / "m.safetensors", settings.updated({"search.trials": 2}))
    assert not (tmp_path / "m_run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "autoencoder"}, "an autoencoder has none"),
        ({"model.ensemble": 2}, "settings of one network"),
        ({"training.devices": 2}, "trained on one device"),
    ],
)
def test_what_cannot_be_searched_is_refused_at_once(pair, settings, tmp_path, changes, message):
    with pytest.raises(OptionError, match=message):
        train([pair], tmp_path / "m.safetensors", settings.updated({"search.trials": 2, **changes}))
    assert not (tmp_path / "m_run").exists()


def test_a_study_tells_what_mattered_and_keeps_its_trials(tmp_path):
    """Of two settings, where the score follows from one alone."""
    space = Space(
        TrainConfig(),
        (
            Setting("rate", (1e-4, 1e-2), 1e-3, lambda _: {}, log=True),
            Setting("kind", ("a", "b"), "a", lambda _: {}),
        ),
    )
    study = Study(tmp_path / "journal.jsonl", space, epochs=10, seed=0)
    for number in range(1, 9):
        trial, values = study.next()
        score = float(-((np.log10(values["rate"]) + 3) ** 2))
        state = "failed" if number == 8 else "finished"
        study.end(trial, EndedTrial(number, state, values, score, 10, 1.0))
    shares = importances(study)
    assert shares["rate"] > 4 * shares["kind"]
    assert study.best().number == 1  # the defaults, which are the optimum here
    assert draw_search(study.ended, shares, "mean IoU").startswith(b"\x89PNG")
    alike = [replace(each, values=each.values | {"kind": "a"}) for each in study.ended]
    rates = [replace(each, values={"rate": each.values["rate"]}) for each in study.ended]
    one_panel = draw_search(rates, {"rate": shares["rate"]}, "mean IoU")
    assert draw_search(alike, shares, "mean IoU") == one_panel
    chosen = study.next()[1]  # and then it is interrupted
    again = Study(tmp_path / "journal.jsonl", space, epochs=10, seed=0)
    assert again.ended == study.ended
    assert again.next()[1] == chosen


def test_a_trial_far_behind_the_others_is_pruned(tmp_path):
    space = Space(TrainConfig(), (Setting("kind", ("a", "b"), "a", lambda _: {}),))
    study = Study(tmp_path / "journal.jsonl", space, epochs=5, seed=0)
    for number in range(1, 5):
        trial, values = study.next()
        trial.report(0.1 if number == 4 else 0.8, 2)
        assert trial.should_prune() == (number == 4)
        study.end(trial, EndedTrial(number, "finished", values, 0.8, 5, 1.0))
