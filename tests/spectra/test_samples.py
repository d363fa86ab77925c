"""Tables from files as laboratories write them."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.table.samples import SpectraOptions, read_spectra

BANDS = list(range(1100, 1120, 2))
PROTEIN = ("protein", ["1.5", "2.5", "NA", "4", "5"])


@pytest.fixture
def values():
    return np.random.default_rng(0).random((5, 10)).round(4)


def lines(values, *, delimiter=",", comma=False, others=(PROTEIN,)):
    """A table's text: other columns, then the spectrum."""
    rows = [[name for name, _ in others] + [str(b) for b in BANDS]]
    rows += [
        [column[i] for _, column in others] + [repr(float(v)) for v in row]
        for i, row in enumerate(values)
    ]
    text = "\n".join(delimiter.join(row) for row in rows) + "\n"
    return text.replace(".", ",") if comma else text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize(
    ("delimiter", "comma"), [(",", False), (";", False), (";", True), ("\t", True), (" ", False)]
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_text(tmp_path, values, encoding, delimiter, comma, ending):
    place = ("séché", ["a", "b", "é", "d", "e"])
    text = lines(values, delimiter=delimiter, comma=comma, others=(place, PROTEIN))
    path = tmp_path / "t.txt"
    path.write_bytes(text.replace("\n", ending).encode(encoding))
    table = read_spectra(path)
    np.testing.assert_array_equal(table.spectra, values)
    np.testing.assert_array_equal(table.wavelengths_nm, BANDS)
    assert list(table.columns) == ["séché", "protein"]
    assert list(table.classes("séché")) == place[1]
    np.testing.assert_array_equal(table.target("protein"), [1.5, 2.5, np.nan, 4, 5])
    assert (table.name, len(table)) == ("t", 5)


def test_quotes_blank_lines_and_a_delimiter_at_the_end(tmp_path, values):
    text = lines(values, others=[("site, plot", ["x"] * 5)]).replace("site, plot", '"site, plot"')
    text = text.replace("x,", '"a, b",')
    first, *rest = text.splitlines()
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["", first + ",", "", *(row + "," for row in rest), "", ""]))
    table = read_spectra(path)
    np.testing.assert_array_equal(table.spectra, values)
    assert list(table.columns) == ["site, plot"]
    assert set(table.classes("site, plot")) == {"a, b"}


def test_names_of_rows_as_r_and_pandas_write_them(tmp_path, values):
    pd.DataFrame(values, columns=BANDS).to_csv(tmp_path / "X.csv")
    pd.DataFrame({"fat": range(5)}).to_csv(tmp_path / "Y.csv")
    table = read_spectra([tmp_path / "X.csv", tmp_path / "Y.csv"])
    assert list(table.columns) == ["fat"]
    np.testing.assert_array_equal(table.spectra, values)


def test_a_comma_in_a_name_is_no_decimal_comma(tmp_path, values):
    text = lines(values, delimiter=";", others=[("isomer", ["1,2", "1,3", "", "1,4", "1,2"])])
    (tmp_path / "t.csv").write_text(text)
    np.testing.assert_array_equal(read_spectra(tmp_path / "t.csv").spectra, values)


def test_binary_formats(tmp_path, values):
    frame = pd.DataFrame(values, columns=BANDS)
    frame.insert(3, "kind", ["a", None, "b", "b", "a"])
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    frame.rename(columns=str).to_parquet(tmp_path / "t.parquet")
    for name in ("t.xlsx", "t.parquet"):
        table = read_spectra(tmp_path / name)
        np.testing.assert_allclose(table.spectra, values, rtol=1e-15)
        assert list(table.classes("kind")) == ["a", None, "b", "b", "a"]


def test_excel_without_its_package(tmp_path, values, monkeypatch):
    pd.DataFrame(values, columns=BANDS).to_excel(tmp_path / "t.xlsx")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(OptionError, match="pip install openpyxl"):
        read_spectra(tmp_path / "t.xlsx")


def test_a_falling_axis_is_turned_with_its_spectra(tmp_path, values):
    pd.DataFrame(values, columns=BANDS[::-1]).to_csv(tmp_path / "t.csv", index=False)
    table = read_spectra(tmp_path / "t.csv")
    np.testing.assert_array_equal(table.wavelengths_nm, BANDS)
    np.testing.assert_array_equal(table.spectra, values[:, ::-1])
    assert any("turned round" in line for line in table.repairs)


def test_text_where_a_number_belongs(tmp_path, values):
    text = lines(values).replace(repr(float(values[2, 4])), "saturated")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(OptionError, match="text 'saturated' in row 4, column 1108"):
        read_spectra(tmp_path / "t.csv")


def test_rows_are_counted_as_editors_do(tmp_path, values):
    first, *rest = lines(values).splitlines()
    rest[3] = rest[3].replace(repr(float(values[3, 0])), "?")
    (tmp_path / "t.csv").write_text("\n".join(["", first, rest[0], "", *rest[1:]]))
    with pytest.raises(OptionError, match="text '.' in row 7, column 1100"):
        read_spectra(tmp_path / "t.csv")


def test_gaps_stop_or_are_left_out(tmp_path, values):
    values[[1, 3], [0, 5]] = np.nan
    path = tmp_path / "t.csv"
    path.write_text(lines(values).replace("nan", ""))
    with pytest.raises(OptionError, match=r"2 of 5 spectra \(row 3, row 5\).*`drop_missing=True`"):
        read_spectra(path)
    table = read_spectra(path, SpectraOptions(drop_missing=True))
    np.testing.assert_array_equal(table.spectra, values[[0, 2, 4]])
    np.testing.assert_array_equal(table.target("protein"), [1.5, np.nan, 5])
    assert "2 of 5 spectra left out because of gaps (row 3, row 5)" in table.repairs[-1]


def test_infinite_numbers_are_gaps(tmp_path, values):
    values[0, 0] = np.inf
    (tmp_path / "t.csv").write_text(lines(values))
    with pytest.raises(OptionError, match="1 of 5"):
        read_spectra(tmp_path / "t.csv")


def test_two_files_in_order(tmp_path, values):
    (tmp_path / "X.csv").write_text(lines(values, others=()))
    (tmp_path / "Y.csv").write_text("prot\n1,5\n2,5\n\n3,5\n4,5\n5,5\n")
    table = read_spectra([tmp_path / "X.csv", tmp_path / "Y.csv"])
    np.testing.assert_array_equal(table.target("prot"), [1.5, 2.5, 3.5, 4.5, 5.5])
    assert "in order" in table.repairs[-1]
    (tmp_path / "Y.csv").write_text("prot\n1\n2\n")
    with pytest.raises(OptionError, match=r"5 rows and Y.csv 2"):
        read_spectra([tmp_path / "X.csv", tmp_path / "Y.csv"])


def test_two_files_by_id(tmp_path, values):
    """Several scans of a sample share its value; a sample without one keeps its spectrum."""
    ids = ["7", "7", "9", "8", "10"]
    (tmp_path / "X.csv").write_text(lines(values, others=[("id", ids)]))
    (tmp_path / "Y.csv").write_text("id,fat\n10,1.0\n9,2.0\n7.0,3.0\n")
    files, options = [tmp_path / "X.csv", tmp_path / "Y.csv"], SpectraOptions(id_column="id")
    table = read_spectra(files, options)
    np.testing.assert_array_equal(table.target("fat"), [3, 3, 2, np.nan, 1])
    assert list(table.columns) == ["id", "fat"]
    assert "it lacks 1 of 5 rows" in table.repairs[-1]
    with pytest.raises(OptionError, match="repeats '7'; only the first"):
        read_spectra(files[::-1], options)
    with pytest.raises(OptionError, match="no single column 'ids'.*'id'"):
        read_spectra(files, SpectraOptions(id_column="ids"))
    (tmp_path / "Y.csv").write_text("id,fat\nA,1.0\nB,2.0\n")
    with pytest.raises(OptionError, match="No 'id' of X.csv is in Y.csv"):
        read_spectra(files, options)


def test_targets(tmp_path, values):
    others = [
        ("dm", ["1", "", "3", "4", "5"]),
        ("note", ["1", "few", "2", "3", "4"]),
        ("no", [""] * 5),
    ]
    (tmp_path / "t.csv").write_text(lines(values, others=others))
    table = read_spectra(tmp_path / "t.csv")
    np.testing.assert_array_equal(table.target("dm"), [1, np.nan, 3, 4, 5])
    assert list(table.classes("dm")) == ["1", None, "3", "4", "5"]
    with pytest.raises(OptionError, match="text 'few'.*row 3; 1 of 5"):
        table.target("note")
    with pytest.raises(OptionError, match="is empty"):
        table.target("no")
    with pytest.raises(OptionError, match="no column 'nota' .did you mean 'note'"):
        table.target("nota")
    with pytest.raises(OptionError, match="no column 'fat' .it has dm, note, no"):
        table.classes("fat")
    part = table.rows(np.array([3, 1]))
    assert part.where([0, 1]) == "row 5, row 3"
    np.testing.assert_array_equal(part.spectra, values[[3, 1]])
    np.testing.assert_array_equal(part.target("dm"), [4, np.nan])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("1100,1102\n", "no rows"),
        ("a,1100\n1,2,3\n", "3 cells in a row, but 2 in its header"),
        ('"X1100" "X1102" "X1104"\n"1" 0.1 0.2 0.3\n', "4 cells in a row, but 3 in its header"),
        ("a,b\n" + "1,2\n" * 260 + "1,2,3\n", "cannot be read"),
    ],
)
def test_unreadable_text(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(OptionError, match=message):
        read_spectra(tmp_path / "t.csv")


def test_repeated_columns(tmp_path, values):
    (tmp_path / "t.csv").write_text(lines(values, others=[("a", "12345"), ("a", "12345")]))
    with pytest.raises(OptionError, match="repeated in t.csv .a.; rename"):
        read_spectra(tmp_path / "t.csv")
    text = lines(values).replace("1118", "1116")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(OptionError, match="repeats columns .1116, 1116"):
        read_spectra(tmp_path / "t.csv")


def test_wrong_paths(tmp_path):
    with pytest.raises(OptionError, match="does not exist"):
        read_spectra(tmp_path / "t.csv")
    (tmp_path / "t.spc").write_bytes(b"\0")
    with pytest.raises(OptionError, match="no table of a known kind"):
        read_spectra(tmp_path / "t.spc")
    (tmp_path / "t.parquet").write_bytes(b"\0")
    with pytest.raises(OptionError, match="cannot be read"):
        read_spectra(tmp_path / "t.parquet")


WORDS = ["NA", "None", "nan", "", "null"]


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "t.parquet"])
def test_a_class_may_have_any_name(tmp_path, values, name):
    frame = pd.DataFrame(values, columns=list(map(str, BANDS)))
    frame.insert(0, "region", [word or None for word in WORDS])
    frame.insert(0, "code", ["007", "07", "7", "70", "N/A"])
    suffix = name.partition(".")[2]
    write = {"csv": frame.to_csv, "xlsx": frame.to_excel, "parquet": frame.to_parquet}[suffix]
    write(tmp_path / name, index=False)
    table = read_spectra(tmp_path / name)
    assert list(table.classes("region")) == ["NA", "None", "nan", None, "null"]
    assert list(table.classes("code")) == ["007", "07", "7", "70", "N/A"]
    assert table.words("region") == {"NA": 1, "None": 1, "nan": 1, "null": 1}


@pytest.mark.parametrize("comma", [False, True])
def test_words_for_missing_values(tmp_path, values, comma):
    others = [("fat", ["1.5", "NA", "n/a", "", "2.5"])]
    text = lines(values, delimiter=";", others=others, comma=comma)
    (tmp_path / "t.csv").write_text(text)
    table = read_spectra(tmp_path / "t.csv")
    np.testing.assert_array_equal(table.target("fat"), [1.5, np.nan, np.nan, np.nan, 2.5])
    assert table.words("fat") == {"NA": 1, "n/a": 1}
    number = repr(float(values[2, 3]))
    gap = text.replace(number.replace(".", ",") if comma else number, "NA", 1)
    (tmp_path / "t.csv").write_text(gap)
    table = read_spectra(tmp_path / "t.csv", SpectraOptions(drop_missing=True))
    np.testing.assert_array_equal(table.spectra, values[[0, 1, 3, 4]])


def test_numbered_rows_are_no_axis(tmp_path, values):
    long = np.tile(values, (40, 1))
    frame = pd.DataFrame(long, columns=BANDS)
    frame.insert(0, "sample", range(1000, 1200))
    frame.to_csv(tmp_path / "t.csv", index=False)
    np.testing.assert_array_equal(read_spectra(tmp_path / "t.csv").spectra, long)


def spectrum_files(folder, values, names):
    folder.mkdir()
    for name, row in zip(names, values, strict=True):
        points = "\n".join(f"{nm} {value}" for nm, value in zip(BANDS, row, strict=True))
        (folder / f"{name}.dpt").write_text(points + "\n")
    return folder


def test_files_are_ordered_by_the_numbers_in_their_names(tmp_path):
    values = np.random.default_rng(0).random((12, 10)).round(4)
    names = [f"sample {i}" for i in range(1, 13)]
    folder = spectrum_files(tmp_path / "dpt", values, names)
    (tmp_path / "y.csv").write_text("fat\n" + "\n".join(map(str, range(1, 13))) + "\n")
    table = read_spectra([folder, tmp_path / "y.csv"])
    assert list(table.classes("name")) == names
    np.testing.assert_array_equal(table.spectra, values)
    joined = next(line for line in table.repairs if "in order" in line)
    assert "(sample 1.dpt with row 2 to sample 12.dpt with row 13)" in joined
    files = list(folder.iterdir())
    assert list(read_spectra(sorted(files)).classes("name")) == names
    chosen = [folder / "sample 10.dpt", folder / "sample 2.dpt", folder / "sample 4.dpt"]
    assert list(read_spectra(chosen[::-1]).classes("name")) == ["sample 4", "sample 2", "sample 10"]


def test_names_in_another_order_stop_a_join_in_order(tmp_path, values):
    folder = spectrum_files(tmp_path / "dpt", values, "abcde")
    (tmp_path / "y.csv").write_text("Probe,fat\nb,2\na,1\nc,3\ne,5\nd,4\n")
    files = [folder, tmp_path / "y.csv"]
    with pytest.raises(OptionError, match=r"'name' of dpt, there 'Probe',.*`id_column=name`"):
        read_spectra(files)
    table = read_spectra(files, SpectraOptions(id_column="name"))
    np.testing.assert_array_equal(table.target("fat"), [1, 2, 3, 4, 5])
    assert "its column 'Probe' has the names of 'name'" in " ".join(table.repairs)
    (tmp_path / "y.csv").write_text("Probe,fat\na,1\nb,2\nc,3\nd,4\ne,5\n")
    np.testing.assert_array_equal(read_spectra(files).target("fat"), [1, 2, 3, 4, 5])


def test_ids_meet_without_the_endings_of_spectrometers_files(tmp_path, values):
    ids = [f"S{i}.asd" for i in range(5)]
    (tmp_path / "X.csv").write_text(lines(values, others=[("id", ids)]))
    (tmp_path / "Y.csv").write_text("id,fat\n" + "".join(f"S{i},{i}\n" for i in range(5)))
    files = [tmp_path / "X.csv", tmp_path / "Y.csv"]
    table = read_spectra(files, SpectraOptions(id_column="id"))
    np.testing.assert_array_equal(table.target("fat"), range(5))
    with pytest.raises(OptionError, match="no single column 'key'.*its columns are id"):
        read_spectra(files, SpectraOptions(id_column="key"))


def test_a_band_that_no_spectrum_has_is_named(tmp_path, values):
    values[:, [2, 3]] = np.nan
    (tmp_path / "t.csv").write_text(lines(values).replace("nan", ""))
    with pytest.raises(OptionError, match="columns '1104', '1106' of t.csv have no number"):
        read_spectra(tmp_path / "t.csv", SpectraOptions(drop_missing=True))
