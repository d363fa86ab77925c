"""No fit learns from a simulated spectrum with a held-out parent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.events import Warned
from georaster_dl.spectra.compare import compare
from georaster_dl.spectra.descent import Descent, digests_of, library_digest
from georaster_dl.spectra.methods import tuning
from georaster_dl.spectra.network.networks import SpectraNetwork
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.simulate.gaussian import simulate_gaussian
from georaster_dl.spectra.simulate.mixtures import simulate_mixtures
from georaster_dl.spectra.table.samples import SpectraTable, read_spectra
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.columns import TableOptions

NM = np.linspace(1000, 1390, 16)
KINDS = TableOptions(class_column="kind")


def unrelated(n: int, seed: int = 0) -> SpectraTable:
    """Make spectra whose classes say nothing of them."""
    random = np.random.default_rng(seed)
    columns = pd.DataFrame({"kind": random.permutation(np.arange(n) % 2).astype(str) + "x"})
    return SpectraTable("unrelated", NM, 1 + random.random((n, len(NM))), columns)


def mixtures(table: SpectraTable, n: int) -> SpectraTable:
    return simulate_mixtures(table, n=n, seed=1, class_field="kind", within_classes=True).table()


def trained(tmp_path, table, added=(), method="pls", report=lambda event: None, **settings):
    return train_table(
        table, tmp_path / "m.safetensors", method, KINDS, Settings(**settings), report, added
    )


def in_one_table(table: SpectraTable, simulated: SpectraTable) -> SpectraTable:
    columns = pd.concat([table.columns.assign(synthetic=False), simulated.columns])
    return replace(
        table,
        spectra=np.concatenate([table.spectra, simulated.spectra]),
        columns=columns.reset_index(drop=True),
    )


def parents_by_spectrum(simulated: SpectraTable) -> dict[bytes, set[str]]:
    lines = [set(text.split()) for text in simulated.columns["parents"]]
    return {row.tobytes(): line for row, line in zip(simulated.spectra, lines, strict=True)}


@pytest.mark.parametrize("run", ["train", "compare"])
def test_no_fold_learns_from_mixtures_of_what_it_holds_out(tmp_path, monkeypatch, run):
    table = unrelated(40)
    simulated = mixtures(table, 80)
    parents = parents_by_spectrum(simulated)
    seen = []
    original = tuning._out_of_fold

    def spied(make, grid, folds, spectra, *rest):
        seen.extend((spectra[learnt], spectra[held]) for learnt, held in folds)
        return original(make, grid, folds, spectra, *rest)

    monkeypatch.setattr(tuning, "_out_of_fold", spied)
    if run == "train":
        result = trained(tmp_path, table, [simulated])
        tested = set(table.digests[result.split.test])
    else:
        both = in_one_table(table, simulated)
        compare(both, KINDS, ["pls"], Settings(), n_seeds=1, report=lambda event: None)
        tested = set()
    assert len(seen) >= 5
    for learnt, held in seen:
        kept = [parents[row.tobytes()] for row in learnt if row.tobytes() in parents]
        assert kept
        assert not set().union(*kept) & (set(digests_of(held)) | tested)


def test_no_network_learns_from_mixtures_of_what_chooses_its_epoch(tmp_path, monkeypatch):
    table = unrelated(40)
    simulated = mixtures(table, 80)
    parents = parents_by_spectrum(simulated)
    seen = []
    original = SpectraNetwork._learn

    def spied(network, spectra, *rest):
        seen.append(spectra)
        for learnt, held in zip(network.learnt_, network.parts_, strict=True):
            rows = (row.tobytes() for row in spectra[learnt])
            kept = [parents[row] for row in rows if row in parents]
            assert kept
            assert not set().union(*kept) & set(digests_of(spectra[held]))
            assert not any(row.tobytes() in parents for row in spectra[held])
        return original(network, spectra, *rest)

    monkeypatch.setattr(SpectraNetwork, "_learn", spied)
    trained(tmp_path, table, [simulated], "pls-net", members=2, epochs=1)
    assert len(seen) == 6


@pytest.mark.slow
def test_mixtures_teach_nothing_of_classes_that_say_nothing(tmp_path):
    table = unrelated(100)
    simulated = mixtures(table, 400)
    blind = replace(simulated, columns=simulated.columns.drop(columns="parents"))

    def score(*added: SpectraTable) -> float:
        return trained(tmp_path, table, added, "svm").kept.cross_validated.scores["kind"].macro_f1

    noise = 2 * 0.5 / np.sqrt(80)
    assert score(simulated) < max(score(), 0.5) + noise
    assert score(blind) > 0.5 + 2 * noise


def test_digests_are_of_spectra_as_they_were_read(tmp_path):
    frame = pd.DataFrame(unrelated(12).spectra, columns=[f"{nm} nm" for nm in NM])
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_spectra(tmp_path / "t.csv")
    narrow = table.within([(1050, 1350)])
    np.testing.assert_array_equal(narrow.rows(np.arange(3, 6)).digests, table.digests[3:6])
    assert library_digest(table.digests) == library_digest(table.digests[::-1])
    assert library_digest(table.digests) != library_digest(table.digests[1:])


def test_equal_spectra_are_held_out_alike():
    descent = Descent.of(np.array(["a", "b", "a"], object), ["a", "b z", None, "b a"])
    assert descent.free_of(np.array([2])).tolist() == [False, True, True, False]
    assert descent.free_of(np.array([False, True, False])).tolist() == [True, False, True, False]


def test_what_was_made_of_all_rows_is_said_to_flatter(tmp_path):
    table = unrelated(40)
    said: list[str] = []

    def take(event) -> None:
        said.extend([event.message] if isinstance(event, Warned) else [])

    def drawn(library: SpectraTable) -> SpectraTable:
        return simulate_gaussian(library, n=30, class_field="kind").table()

    card = trained(tmp_path, table, [drawn(table)], report=take).card
    assert any("made from all rows" in text for text in said)
    assert "the scores are too good" in card.limitations
    said.clear()
    trained(tmp_path, table, [drawn(unrelated(40, seed=5))], report=take)
    assert not any("made from all rows" in text for text in said)


def test_limits_of_outliers_are_of_measured_spectra_and_simulated_ones_are_counted(tmp_path):
    table = unrelated(40)
    result = trained(tmp_path, table, [mixtures(table, 80)])
    card = result.card
    assert card.domain.spectra == result.learnt.sum() == 32
    assert card.training["spectra"].startswith("32 learnt from and ")
    learnt = int(card.training["spectra"].split()[4])
    left = int(card.training["simulated"].split("; ")[1].split()[0])
    assert (learnt + left, 0 < learnt < 80) == (80, True)
