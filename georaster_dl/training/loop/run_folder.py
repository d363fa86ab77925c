"""Folder of a training run beside the model: configuration, split, checkpoints, log, curves."""

from __future__ import annotations

import copy
import csv
import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.errors import OptionError, OutputError
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.io.files.temporary import refuse_link
from georaster_dl.io.output.staging import Extras
from georaster_dl.io.vectors.split_map import write_split_map
from georaster_dl.training.data.split import Split
from georaster_dl.training.loop.curves import write_curves
from georaster_dl.training.rehearsal.reservoir import REHEARSAL
from georaster_dl.training.settings.config import TrainConfig, read_config

__all__ = [
    "RunFolder",
    "best_checkpoint",
    "finished_epoch",
    "read_checkpoint",
    "unusable_checkpoint",
]

# What Lightning and the learner need of a checkpoint.
_FIELDS: dict[str, type] = {
    "epoch": int,
    "global_step": int,
    "pytorch-lightning_version": str,
    "state_dict": dict,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "history": list,
}


class RunFolder:
    """The folder ``MODEL_run`` beside the model ``MODEL.safetensors``.

    Checkpoints, log and curves of an ensemble lie in folders of its members, ``member_1`` and so on.

    Attributes
    ----------
    path : the folder.
    config, split, log, curves, comparison : files in it.
    search, journal : folder of the trials of a search, and the file that lists them.
    rehearsal : patches for the runs that go on from an autoencoder's.
    best, last : checkpoints, of the best validation score and of the last finished epoch.
    extras : files that could not be written; a run without settings or checkpoints is an error.

    Parameters
    ----------
    model : package that the run makes.
    warn : called with one line for every other file that cannot be written.
    """

    def __init__(self, model: Path, warn: Callable[[str], None] = lambda _message: None) -> None:
        self.extras = Extras(warn)
        self._lie_at(model.with_name(f"{model.stem}_run"))

    def _lie_at(self, path: Path) -> None:
        self.path = path
        self.config = self.path / "config.toml"
        self.split = self.path / "split.gpkg"
        self.log = self.path / "log.csv"
        self.curves = self.path / "curves.png"
        self.comparison = self.path / "comparison.csv"
        self.rehearsal = self.path / REHEARSAL
        self.best = best_checkpoint(self.path)
        self.checkpoints = self.best.parent
        self.last = self.checkpoints / "last.ckpt"
        self.tensorboard = self.path / "tensorboard"
        self.search = self.path / "search"
        self.journal = self.search / "journal.jsonl"

    def parts(self, config: TrainConfig) -> list[RunFolder]:
        """List the folders of the networks: itself for a single one, else the members' folders in it."""
        count = config.model.ensemble
        return [self] if count == 1 else [self._member(i) for i in range(1, count + 1)]

    def _member(self, number: int) -> RunFolder:
        return self._inner(self.path / f"member_{number}")

    def trial(self, number: int) -> RunFolder:
        """Folder of a trial of a search."""
        return self._inner(self.search / f"trial_{number:03}")

    def _inner(self, path: Path) -> RunFolder:
        inner = copy.copy(self)
        inner._lie_at(path)
        return inner

    @property
    def begun(self) -> bool:
        """Whether the training of this folder's network has begun."""
        return self.checkpoints.exists()

    def make(self) -> None:
        """Create the folder of the checkpoints, where it is not there.

        Raises
        ------
        OutputError
            When it cannot be made.
        """
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"The folder {self.path} cannot be made ({error.strerror}); check the path of the model."
            ) from error

    @property
    def settings(self) -> TrainConfig | None:
        """Settings of the run that is there; None where there is none."""
        return read_config(self.config) if self.config.exists() else None

    @property
    def resume_hint(self) -> str:
        """Sentence for errors of a run that can be resumed; empty before the first epoch has ended."""
        hint = " The finished epochs are kept: go on with `resume=True`."
        return hint if self.last.exists() else ""

    def check_free(self, *, overwrite: bool) -> None:
        """Check that a new run may begin here.

        Raises
        ------
        OutputError
            When an earlier run is there and must not be replaced, or a link.
        """
        self._check_no_link()
        if self.path.exists() and not (overwrite and self.config.exists()):
            raise OutputError(
                f"{self.path} exists from an earlier run; continue it with `resume=True`, replace it with "
                f"`overwrite=True`, or give the model another name."
            )

    def _check_no_link(self) -> None:
        """Refuse folders that are links: a run writes and removes files in its own folder only."""
        try:
            for folder in (self.path, self.checkpoints, self.tensorboard):
                refuse_link(folder)
        except OSError as error:
            raise explain_os_error(error, folder) from error

    def begin(
        self,
        config: TrainConfig,
        split: Split,
        *,
        overwrite: bool,
    ) -> None:
        """Create the folder of a new run, with its settings and the map of its split.

        Raises
        ------
        OutputError
            When an earlier run is there and must not be replaced, or the folder cannot be made; it
            is not left half made.
        """
        self.check_free(overwrite=overwrite)
        if self.path.exists():
            shutil.rmtree(self.path)
        try:
            (self.trial(1) if config.search.trials else self.parts(config)[0]).make()
            write_atomically(self.config, config.to_toml().encode())
            with self.extras.making(self.split):
                write_split_map(self.split, split.placed_masks())
        except OutputError:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    def resume(self, config: TrainConfig) -> None:
        """Check that the run that is there can be continued with these settings.

        Raises
        ------
        OptionError
            When there is no such run, no epoch of it was finished, its settings were others, or its
            checkpoint is damaged or of another program.
        """
        self._check_no_link()
        parts = self.parts(config)
        for part in parts:
            part._check_no_link()
        if not self.path.exists():
            raise OptionError(
                f"`resume=True` goes on with a run that was broken off, but there is none at {self.path}; give the "
                f"name of that run's model, or leave `resume=True` out to begin one."
            )
        what, begun = (
            ("trial", self.journal) if config.search.trials else ("checkpoint", parts[0].last)
        )
        if not begun.exists():
            raise OptionError(
                f"`resume=True` finds no {what} at {begun}; no epoch was finished: start anew "
                f"(`overwrite=True`)."
            )
        before, now = read_config(self.config).flat(), config.flat()
        changed = sorted(key for key in before | now if before.get(key) != now.get(key))
        if changed:
            key = changed[0]
            raise OptionError(
                f"`resume=True` continues a run with the settings it began with, but {key} was "
                f"{before.get(key, 'unset')!r} and is {now.get(key, 'unset')!r} now; use "
                f"`config={str(self.config)!r}`, or start anew with `overwrite=True`."
            )

        for part in parts:
            if part.last.exists():
                finished_epoch(part.last)

    def write_history(self, history: Sequence[Mapping[str, float]], score: str) -> None:
        """Write the figures of all epochs so far as CSV, and draw them.

        Parameters
        ----------
        history, score : as ``write_curves`` takes them.
        """
        with self.extras.making(self.log):
            text = io.StringIO()
            writer = csv.DictWriter(text, list(history[0]))
            writer.writeheader()
            writer.writerows(history)
            write_atomically(self.log, text.getvalue().encode())
        with self.extras.making(self.curves):
            write_curves(self.curves, history, score=score)


def best_checkpoint(folder: Path) -> Path:
    """Path of the checkpoint of the best epoch in the folder of a run of one network."""
    return folder / "checkpoints" / "best.ckpt"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of a run without running code of the file, which may be hostile.

    Raises
    ------
    OptionError
        When it is damaged, holds anything but numbers and texts, or is of another program.
    """
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file, torch raises many kinds
        raise unusable_checkpoint(
            path, "is damaged, or holds more than numbers and texts"
        ) from error
    if not isinstance(content, dict) or not content.keys() >= _FIELDS.keys():
        raise unusable_checkpoint(path, "is of another program")
    wrong = next((key for key, kind in _FIELDS.items() if not isinstance(content[key], kind)), None)
    if wrong is not None:
        raise unusable_checkpoint(path, f"holds no {wrong} of a run")
    return content


def finished_epoch(checkpoint: Path) -> int:
    """Read the number of a checkpoint's last epoch, from 0; raises as ``read_checkpoint``."""
    return int(read_checkpoint(checkpoint)["epoch"])


def unusable_checkpoint(path: Path, reason: str) -> OptionError:
    """Make the error of a checkpoint that cannot be resumed."""
    return OptionError(f"The checkpoint {path} {reason}; start anew with `overwrite=True`.")
