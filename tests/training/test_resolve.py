"""Defaults that follow from other settings."""

import pytest

from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import resolve_defaults


def dropout_of(begun=None, **fields):
    config = resolve_defaults(TrainConfig.of(fields), begun)
    assert resolve_defaults(config, config) == config  # as a resumed run sees it
    return config.model.options.get("decoder_dropout")


@pytest.mark.parametrize("name", ["unet", "spectral-unet", "plain_unet", "cnn1d", "ssftt"])
def test_new_trainings_have_dropout_in_the_decoder(name):
    assert dropout_of(model={"architecture": name}) == 0.1


def test_a_share_that_is_stated_stays():
    assert dropout_of(model={"options": {"decoder_dropout": 0.0}}) == 0
    assert dropout_of(model={"options": {"decoder_dropout": 0.3}}) == 0.3


def test_networks_with_dropout_of_their_own_keep_it():
    assert dropout_of(model={"architecture": "fpn"}) is None  # the registry's 0.2
    assert dropout_of(model={"architecture": "band_attention"}) is None
    assert dropout_of(model={"architecture": "segnet"}) is None


def test_an_autoencoder_has_none():
    assert dropout_of(task="autoencoder", model={"architecture": "unet"}) is None


def test_a_run_that_was_begun_on_blocks_goes_on_with_them():
    begun = TrainConfig.of({"split": {"kind": "blocks"}})
    assert resolve_defaults(TrainConfig(), begun).split.kind == "blocks"
    stated = TrainConfig.of({"split": {"kind": "scenes"}})
    assert resolve_defaults(stated, begun).split.kind == "scenes"
    assert resolve_defaults(TrainConfig(), TrainConfig()).split.kind == "auto"


def test_a_run_of_an_older_version_goes_on_without():
    begun = TrainConfig.of({"model": {"options": {"encoder_depth": 3}}})
    assert dropout_of(begun, model={"options": {"encoder_depth": 3}}) is None
