import pytest

from georaster_dl.core.errors import ModelPackageError
from georaster_dl.models.exchange.check import check_model
from georaster_dl.models.package.file import network_of, save_model

SHALLOW = {
    "name": "unet",
    "encoder": "tu-test_resnet",
    "options": {"encoder_depth": 2, "decoder_channels": [8, 8]},
}


def _saved(tmp_path, card):
    path = tmp_path / "toy.safetensors"
    save_model(path, card, network_of(card))
    return path


@pytest.mark.slow
def test_true_and_false_claims_about_the_halo(tmp_path, make_card):
    true = make_card(architecture=SHALLOW, stride=4, halo={"default": 16, "exact": 64})
    lines = list(check_model(_saved(tmp_path, true)))
    assert len(lines) == 4
    assert "exact halo of 64" in lines[-1]
    false = make_card(architecture=SHALLOW, stride=4, halo={"default": 4, "exact": 4})
    with pytest.raises(ModelPackageError, match="claims that a halo of 4 is exact"):
        list(check_model(_saved(tmp_path, false)))


@pytest.mark.slow
def test_wrong_stride(tmp_path, make_card):
    card = make_card(architecture=SHALLOW, stride=2, halo={"default": 16})
    with pytest.raises(ModelPackageError, match="says stride 2, but the network down-samples by 4"):
        list(check_model(_saved(tmp_path, card)))
