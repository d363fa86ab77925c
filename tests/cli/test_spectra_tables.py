"""Tables in and out of ``geodl spectra``: sheets, values below a limit, decimal commas, workbooks."""

import numpy as np
import openpyxl
import pandas as pd
import pytest

from tests.spectra.made import chemistry

BANDS = 24
QUICK = ("--members", 1, "--epochs", 2)


@pytest.fixture
def frame():
    spectra, values = chemistry(80, BANDS)
    frame = pd.DataFrame(spectra, columns=[f"{1000 + 20 * i} nm" for i in range(BANDS)])
    frame.insert(0, "sample", [f"S{i}" for i in range(80)])
    return frame.assign(fat=values[:, 0])


@pytest.fixture
def model(geodl, frame, tmp_path):
    frame.to_csv(tmp_path / "fat.csv", index=False)
    done = geodl("spectra", "train", "fat.csv", "--target", "fat", "-o", "m.safetensors", *QUICK)
    assert done.code == 0, done.err
    return tmp_path / "m.safetensors"


def test_a_table_with_decimal_commas_gives_one_with_decimal_commas(geodl, model, frame, tmp_path):
    frame.to_csv(tmp_path / "comma.csv", index=False, sep=";", decimal=",")
    for name in ("comma", "fat"):
        done = geodl("spectra", "predict", f"{name}.csv", "-m", model, "-o", f"{name}_p.csv")
        assert done.code == 0, done.err
        assert ("decimal commas" in done.err) == (name == "comma")
    with_commas = pd.read_csv(tmp_path / "comma_p.csv", sep=";", decimal=",")
    pd.testing.assert_frame_equal(with_commas, pd.read_csv(tmp_path / "fat_p.csv"))
    scores = [
        geodl("spectra", "evaluate", f"{name}_p.csv", "--target", "fat").out
        for name in ("comma", "fat")
    ]
    assert scores[0] == scores[1] != ""


def test_a_workbook_of_predictions_is_read_back(geodl, model, frame, tmp_path):
    frame.assign(note="=1+1").to_csv(tmp_path / "new.csv", index=False)
    for suffix in ("csv", "xlsx"):
        assert geodl("spectra", "predict", "new.csv", "-m", model, "-o", f"p.{suffix}").code == 0
    pd.testing.assert_frame_equal(
        pd.read_excel(tmp_path / "p.xlsx"), pd.read_csv(tmp_path / "p.csv")
    )
    sheet = openpyxl.load_workbook(tmp_path / "p.xlsx").active
    assert not any(cell.data_type == "f" for row in sheet.rows for cell in row)
    scores = [
        geodl("spectra", "evaluate", f"p.{s}", "--target", "fat").out for s in ("csv", "xlsx")
    ]
    assert scores[0] == scores[1] != ""


def test_sheets_of_one_workbook(geodl, refused, model, frame, tmp_path):
    with pd.ExcelWriter(tmp_path / "book.xlsx") as writer:
        frame[["sample", "fat"]].iloc[::-1].to_excel(writer, sheet_name="Values", index=False)
        frame.drop(columns="fat").to_excel(writer, sheet_name="Spectra", index=False)
    said = refused("spectra", "evaluate", "book.xlsx", "-m", model)
    assert "sheet 'Values' was read, the first; Spectra beside it can be named with --sheet" in said
    sheets = ("--sheet", "Spectra", "--sheet", "Values", "--id-column", "sample")
    of_book = geodl("spectra", "evaluate", "book.xlsx", "-m", model, *sheets)
    assert of_book.code == 0, of_book.err
    assert of_book.out == geodl("spectra", "evaluate", "fat.csv", "-m", model).out


def test_values_below_a_limit(geodl, refused, model, frame, tmp_path):
    predicted = geodl("spectra", "predict", "fat.csv", "-m", model, "-o", "p.csv")
    assert predicted.code == 0
    table = pd.read_csv(tmp_path / "p.csv")
    limit = np.sort(table["fat"].to_numpy())[10]
    censored = table["fat"].map(lambda v: "<0.4" if v < limit else f"{v}")
    table.assign(fat=censored).to_csv(tmp_path / "c.csv", index=False)
    said = refused("spectra", "evaluate", "c.csv", "--target", "fat")
    assert "has 10 values below a limit" in said
    assert "--below half" in said
    dropped = geodl("spectra", "evaluate", "c.csv", "--target", "fat", "--below", "drop")
    assert "10 values of 80 in 'fat' below a limit (such as <0.4) count as not known" in dropped.err
    assert "n 70" in dropped.out
    half = geodl("spectra", "evaluate", "c.csv", "--target", "fat", "--below", "half")
    assert "n 80" in half.out
