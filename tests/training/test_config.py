"""Settings: defaults, TOML and back, and errors that name the key."""

import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.training.settings.config import TrainConfig, read_config


def test_defaults_survive_toml(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text(TrainConfig().to_toml())
    assert read_config(path) == TrainConfig()


def test_everything_set_survives_toml(tmp_path):
    config = TrainConfig.of(
        {
            "task": "regression",
            "seed": 7,
            "labels": {"class_field": "height", "ignore": [0, -1], "classes": "classes.csv"},
            "scene": {"bands": ["B02", "B03"], "scale": 0.0001, "offset": -0.1},
            "split": {"kind": "column", "column": "part", "block": 64, "buffer": 0},
            "patches": {"size": 64, "sampling": "grid", "per_epoch": 40},
            "model": {
                "architecture": "fpn",
                "encoder": "resnet34",
                "options": {"encoder_depth": 4},
            },
            "start": {"weights": "imagenet", "freeze": "encoder", "unfreeze_every": 3},
            "loss": {"names": ["focal", "lovasz"], "weights": [0.5, 2]},
            "training": {"learning_rate": "find", "device": "cuda", "devices": 2},
        }
    )
    path = tmp_path / "train.toml"
    path.write_text(config.to_toml())
    assert read_config(path) == config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"split": {"blok": 3}},
            r"unknown key 'split.blok' \(did you mean 'block'\?\); known here: kind",
        ),
        ({"slpit": {}}, r"unknown key 'slpit' \(did you mean 'split'\?\)"),
        ({"training": {"epochs": 0}}, r"training.epochs = 0: .*greater than or equal to 1"),
        ({"split": {"validation": 0}}, r"split: validation \(0.0\) must be above 0"),
        ({"split": {"validation": 0.5, "test": 0.5}}, "leave a share for training"),
        (
            {"loss": {"names": ["dice"], "weights": [1, 2]}},
            r"weights \(2\) must be as many as names",
        ),
        ({"loss": {"names": ["hinge"]}}, "loss.names.0 = 'hinge'"),
        ({"augment": {"gain": float("nan")}}, "augment.gain"),
        ({"labels": {"width_m": 0}}, "labels: `width_m=` must be above 0, but got 0"),
        ({"labels": {"clases": "x"}}, r"unknown key 'labels.clases' \(did you mean 'classes'"),
    ],
)
def test_what_cannot_work_is_named(fields, message):
    with pytest.raises(OptionError, match=message):
        TrainConfig.of(fields, "train.toml")


def test_files_that_are_no_toml_are_named(tmp_path):
    path = tmp_path / "train.toml"
    with pytest.raises(OptionError, match="cannot be read .*check the path"):
        read_config(path)
    path.write_text("seed = ")
    with pytest.raises(OptionError, match="is not TOML"):
        read_config(path)


def test_devices_are_named_as_everywhere():
    for device in ("auto", "cpu", "cuda", "cuda:1"):
        assert TrainConfig().updated({"training.device": device}).training.device == device
    with pytest.raises(OptionError, match=r"training\.device = 'gpu'"):
        TrainConfig().updated({"training.device": "gpu"})


def test_options_change_single_settings():
    config = TrainConfig().updated({"split.kind": "random", "seed": 3})
    assert (config.split.kind, config.seed, config.split.test) == ("random", 3, 0.15)
    with pytest.raises(OptionError, match="split.kind = 'circles'"):
        TrainConfig().updated({"split.kind": "circles"})


def test_the_card_gets_every_setting_by_its_full_name():
    flat = TrainConfig().flat()
    assert flat["split.kind"] == "auto"
    assert flat["loss.names"] == "cross-entropy, dice"
    assert flat["model.options.encoder_depth"] == "3"
    assert all(isinstance(value, str) and len(key) <= 64 for key, value in flat.items())


def test_names_of_networks_with_hyphens():
    model = TrainConfig.of({"model": {"architecture": "conv-autoencoder"}}).model
    assert model.architecture == "conv_autoencoder"


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("corruption", {"gaussian": -0.1}),
        ("corruption", {"masked": 1.0}),
        ("corruption", {"stripe": 0.1}),
        ("loss", {"reconstruction": "l1"}),
    ],
)
def test_settings_of_autoencoders_that_cannot_work(section, values):
    with pytest.raises(OptionError, match=f"{section}.{next(iter(values))}"):
        TrainConfig.of({section: values})
