"""A run's folder may come from anybody: no code of it runs, and nothing is written through its links."""

import os
import sys

import pytest
import torch
from geodl_cli.main import _run

from georaster_dl.core.errors import OptionError, OutputError
from georaster_dl.training.loop.run_folder import RunFolder, read_checkpoint
from georaster_dl.training.loop.trainer import AtomicCheckpoints
from georaster_dl.training.settings.config import TrainConfig

WHOLE = {
    "epoch": 1, "global_step": 8, "pytorch-lightning_version": "2.6.0", "state_dict": {}, "loops": {},
    "callbacks": {}, "optimizer_states": [], "lr_schedulers": [], "history": [{"epoch": 0.0}],
}  # fmt: skip


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_what_is_saved_is_read(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpoints().save_checkpoint(WHOLE | {"state_dict": {"w": torch.ones(2)}}, path)
    read = AtomicCheckpoints().load_checkpoint(path, weights_only=False)
    assert read["history"] == [{"epoch": 0.0}]
    assert torch.equal(read["state_dict"]["w"], torch.ones(2))


def test_no_code_of_a_checkpoint_runs(tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save(WHOLE | {"x": Evil(tmp_path / "pwned")}, path)
    for read in (read_checkpoint, AtomicCheckpoints().load_checkpoint):
        with pytest.raises(OptionError, match="more than numbers and texts") as caught:
            read(path)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 1000, b"PK\x03\x04" + b"\0" * 100, [1], {}, WHOLE | {"epoch": "1"}, WHOLE | {"loops": 7}],
)  # fmt: skip
def test_a_damaged_or_foreign_checkpoint_is_one_line(tmp_path, content):
    path = tmp_path / "last.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(OptionError, match="start anew with `overwrite=True`") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("link", ["m_run", "m_run/checkpoints", "m_run/tensorboard"])
def test_a_folder_that_leads_elsewhere_is_refused(tmp_path, link):
    victim = tmp_path / "victim"
    (victim / "checkpoints").mkdir(parents=True)
    (victim / "config.toml").touch()
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(victim)
    folder = RunFolder(tmp_path / "m.safetensors")
    for act in (
        lambda: folder.begin(TrainConfig(), {}, overwrite=True),
        lambda: folder.resume(TrainConfig()),
    ):
        with pytest.raises(OutputError, match="it is a link"):
            act()
    assert sorted(path.name for path in victim.iterdir()) == ["checkpoints", "config.toml"]


@pytest.mark.slow
def test_a_checkpoint_of_another_run_is_one_line(tmp_path, monkeypatch, capsys):
    from tests.cli.test_train import TRAIN, settings, write_ground

    monkeypatch.chdir(tmp_path)
    write_ground(tmp_path)
    settings(tmp_path / "tiny.toml", training={"epochs": 2})
    arguments = [str(argument) for argument in TRAIN]
    assert _run([*arguments, "--quiet"]) == 0
    (tmp_path / "m.safetensors").unlink()
    torch.save(WHOLE, tmp_path / "m_run/checkpoints/last.ckpt")
    capsys.readouterr()
    assert _run([*arguments, "--quiet", "--resume"]) == 1
    said = capsys.readouterr().err
    assert "is of another run; start anew" in said
    assert said.count("\n") == 1
