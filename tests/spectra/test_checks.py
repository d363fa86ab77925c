"""What is wrong with a table is said before it is learnt from, by the row of its file."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import no_report
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.scoring.split import Division
from georaster_dl.spectra.table.samples import SpectraTable, read_spectra
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.checks import check_table, sample_column
from georaster_dl.spectra.training.columns import TableOptions, learnable
from tests.spectra.made import chemistry

FAT = TableOptions(("fat",))


@pytest.fixture
def frame():
    spectra, values = chemistry(60, 12)
    bands = [f"{nm} nm" for nm in range(1000, 1240, 20)]
    return pd.DataFrame(2 + spectra, columns=bands).assign(fat=values[:, 0].round(4))


def said(frame, options=FAT, preprocessing="none"):
    table, told = read_spectra(frame), []
    check_table(
        table, learnable(table, options, told.append), options, Settings(preprocessing), told.append
    )
    return " ".join(event.message for event in told)


def test_nothing_is_said_of_a_sound_table(frame):
    assert said(frame, preprocessing="snv,savgol(5,2,1)") == ""


def test_a_spectrum_that_cannot_be_preprocessed_is_named_by_its_row(frame, tmp_path):
    bands = frame.columns[:-1]
    frame.loc[[7, 30], bands] = 1.0
    frame.loc[30, "fat"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_spectra(tmp_path / "t.csv")
    with pytest.raises(OptionError, match=r"t: snv cannot be applied to 1 spectrum \(row 9\)"):
        train_table(table, tmp_path / "m", "pls", FAT, Settings("snv"), no_report)
    with pytest.raises(OptionError, match=r"2 spectra \(spectrum 8, spectrum 31\)"):
        Preprocessing("snv").fit(table.spectra)


def test_an_absurd_value_is_named_and_spoils_no_package(frame, tmp_path):
    frame.loc[3, "fat"] = 1e15
    with pytest.raises(OptionError, match=r"'fat' .* is 1e\+15 in row 4, but values up to 1e\+09"):
        said(frame)
    frame.loc[3, "fat"] = 1e9
    assert "'fat' is 1e+09 in row 4, more than 100 interquartile ranges" in said(frame)
    path = tmp_path / "m.safetensors"
    settings = Settings(components=3)
    made = train_table(read_spectra(frame), path, "pls", FAT, settings, no_report)
    assert path.exists()
    assert all(abs(value) <= 1e12 for value in made.card.metrics.values())


def test_values_that_are_mostly_equal_are_not_absurd(frame):
    frame["fat"] = [0.0] * 50 + list(range(1, 11))
    assert said(frame) == ""


def test_repeated_spectra_are_counted(frame):
    message = said(pd.concat([frame, frame[:4]]))
    assert "4 spectra occur more than once (row 1, row 61)" in message
    assert "samples by `group_column=`" in message


def test_a_column_that_repeats_like_names_of_samples_is_suggested(frame, tmp_path):
    scans = pd.concat([frame, frame]).assign(
        id=[f"S{i}" for i in range(60)] * 2, year=[2023, 2024] * 60
    )
    assert "perhaps `group_column=id`" in said(scans)
    grouped = TableOptions(("fat",), division=Division(group_column="id"))
    assert said(scans, grouped) == ""
    bands = scans.columns[:12]
    scans[bands] *= np.linspace(0.99, 1.01, 120)[:, None]
    made = train_table(
        read_spectra(scans), tmp_path / "m.safetensors", "pls", FAT, Settings(), no_report
    )
    assert "column 'id' repeats as names of samples do" in made.card.limitations
    assert "`group_column=id`" in made.card.limitations
    alone = read_spectra(frame.assign(id=range(60), kind=["a", "b"] * 30))
    assert sample_column(alone, FAT) is None


def test_measured_values_are_no_classes(frame):
    with pytest.raises(OptionError, match=r"'fat' .* looks like measured values.*`targets=`"):
        said(frame, TableOptions(class_column="fat"))
    coded = frame.assign(kind=[1.5, 2.5, 3.0] * 20)
    assert said(coded, TableOptions(class_column="kind")) == ""


def test_the_share_that_tests_is_the_true_one(frame):
    from georaster_dl.spectra.scoring.split import split_rows

    table = read_spectra(frame)
    classes = np.array(["a"] * 58 + ["b"] * 2, object)
    split = split_rows(table, np.ones(60, bool), classes=classes)
    assert split.test.sum() == 30
    assert split.description == "30 of 60 spectra test, by chance"
    groups = SpectraTable(
        "t", table.wavelengths_nm, table.spectra, pd.DataFrame({"grp": np.repeat(range(10), 6)})
    )
    split = split_rows(groups, np.ones(60, bool), Division(group_column="grp"))
    assert split.description == "one fifth of the samples (grp) tests, by chance"
