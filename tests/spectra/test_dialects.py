"""Tables as instruments and laboratories write them: each dialect is a file that its test makes."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.table.readers.jcamp import read_jcamp
from georaster_dl.spectra.table.samples import SpectraOptions, read_spectra

BANDS = list(range(1100, 1120, 2))


@pytest.fixture
def values():
    return np.random.default_rng(0).random((5, 10)).round(4)


def said(table):
    return " ".join(table.repairs)


# ----- wavelengths in rows


@pytest.mark.parametrize("header", ["Wavelength", "WL", "", "Wellenlänge"])
@pytest.mark.parametrize("samples", [["S1", "S2"], ["1", "2", *map(str, range(3, 21))]])
@pytest.mark.parametrize("axis", [range(1000, 1300, 10), np.arange(0.4, 2.5, 0.1).round(2)])
def test_a_table_on_its_side_is_turned(tmp_path, header, samples, axis):
    spectra = np.random.default_rng(0).random((len(samples), len(axis)))
    frame = pd.DataFrame(spectra.T, columns=samples)
    frame.insert(0, header, list(axis))
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_spectra(tmp_path / "t.csv")
    np.testing.assert_allclose(table.spectra, spectra)
    np.testing.assert_allclose(
        table.wavelengths_nm, np.array(axis) * (1 if axis[0] > 100 else 1000)
    )
    assert list(table.classes("name")) == samples
    assert "t.csv lies on its side" in said(table)


def test_a_table_on_its_side_with_wavelengths_for_samples(tmp_path):
    frame = pd.DataFrame(np.ones((30, 12)), columns=range(1001, 1013))
    frame.insert(0, "wavelength (nm)", range(400, 700, 10))
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_spectra(tmp_path / "t.csv")
    assert table.spectra.shape == (12, 30)
    assert list(table.classes("name")) == [str(n) for n in range(1001, 1013)]
    assert "names no unit" not in said(table)


def test_asd_viewspec_text_with_its_header_block(tmp_path):
    lines = [
        "Text conversion of header file C:\\spectra\\soil.001",
        "-------------------------------------------------------",
        "The instrument number was 18234/1",
        "New ASD spectrum file: Program version = 6.00 file version = 1.00",
        "VNIR integration time : 17",
        "",
        "Wavelength\tsoil.001\tsoil.002",
        *(f"{nm}\t{nm / 1e4:.4f}\t{nm / 2e4:.5f}" for nm in range(350, 2501)),
    ]
    (tmp_path / "soil.txt").write_text("\r\n".join(lines))
    table = read_spectra(tmp_path / "soil.txt")
    assert table.spectra.shape == (2, 2151)
    np.testing.assert_allclose(table.spectra[0], np.arange(350, 2501) / 1e4, atol=1e-4)
    assert list(table.classes("name")) == ["soil.001", "soil.002"]
    assert "the header was found in line 7; 5 lines above it" in said(table)


def test_values_above_the_spectra_of_a_table_on_its_side_are_columns(tmp_path, values):
    rows = [
        ["Sample", *"abcde"],
        ["Protein", "11,5", "12,5", "", "13,0", "9,25"],
        ["Variety", *"vwvwv"],
    ]
    rows += [
        [nm, *(f"{v}".replace(".", ",") for v in column)]
        for nm, column in zip(BANDS, values.T, strict=True)
    ]
    (tmp_path / "winisi.csv").write_text("\n".join(";".join(map(str, row)) for row in rows))
    table = read_spectra(tmp_path / "winisi.csv")
    np.testing.assert_array_equal(table.spectra, values)
    np.testing.assert_array_equal(table.target("Protein"), [11.5, 12.5, np.nan, 13, 9.25])
    assert list(table.classes("Variety")) == list("vwvwv")
    assert list(table.classes("Sample")) == list("abcde")
    assert table.decimal_comma


# ----- lines above the header


PREAMBLES = {
    "text": ["FOSS NIRSystems 6500", "Scanned 2024-05-01, by A. B.", ""],
    "pairs": ["Instrument;FOSS 6500", "Serial;0012345", "Date;01.05.2024"],
    "padded as a spreadsheet does": ["Instrument,FOSS" + "," * 9, "Scans,32" + "," * 9, "," * 10],
}


@pytest.mark.parametrize("preamble", PREAMBLES.values(), ids=list(PREAMBLES))
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_lines_above_the_header_are_passed_over(tmp_path, values, preamble, delimiter):
    table = [
        ["id", *map(str, BANDS)],
        *([f"S{i}", *map(repr, map(float, row))] for i, row in enumerate(values)),
    ]
    text = "\n".join([*preamble, *(delimiter.join(row) for row in table)])
    (tmp_path / "t.csv").write_text(text)
    read = read_spectra(tmp_path / "t.csv")
    np.testing.assert_array_equal(read.spectra, values)
    assert list(read.classes("id")) == ["S0", "S1", "S2", "S3", "S4"]
    assert f"the header was found in line {len(preamble) + 1}" in said(read)
    (tmp_path / "t.csv").write_text(text.replace(repr(float(values[2, 4])), "saturated"))
    with pytest.raises(OptionError, match=f"'saturated' in row {len(preamble) + 4}, column 1108"):
        read_spectra(tmp_path / "t.csv")


def test_lines_above_the_header_of_a_table_of_values(tmp_path, values):
    pd.DataFrame(values, columns=BANDS).to_csv(tmp_path / "X.csv", index=False)
    (tmp_path / "Y.csv").write_text(
        "Laboratory report\n\nsample,fat\na,1.5\nb,2.5\nc,3\nd,4\ne,5\n"
    )
    table = read_spectra([tmp_path / "X.csv", tmp_path / "Y.csv"])
    np.testing.assert_array_equal(table.target("fat"), [1.5, 2.5, 3, 4, 5])
    assert "Y.csv: the header was found in line 3" in said(table)


def test_a_row_that_is_too_long_makes_no_other_row_the_header(tmp_path):
    (tmp_path / "t.csv").write_text("id,kind,fat\na,x,1\nb,NA,y,2\nc,x,NA\nd,y,3\n")
    with pytest.raises(OptionError, match="4 cells in a row, but 3 in its header"):
        read_spectra(tmp_path / "t.csv")


# ----- headers of columns


@pytest.mark.parametrize(
    "form",
    [
        "W{}",
        "λ{}",
        "R_{}",
        "{}.0nm",
        "Absorbance ({} nm)",
        "Absorbance({})",
        "Abs [{} nm]",
        "log(1/R) {}",
        "{} (nm)",
        "R_{}_nm",
    ],
)
def test_headers_of_instruments(tmp_path, values, form):
    frame = pd.DataFrame(values, columns=[form.format(nm) for nm in BANDS])
    frame.insert(0, "protein", range(5))
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_spectra(tmp_path / "t.csv")
    np.testing.assert_array_equal(table.spectra, values)
    np.testing.assert_array_equal(table.wavelengths_nm, BANDS)
    assert ("names no unit" in said(table)) == ("nm" not in form)


# ----- workbooks


@pytest.fixture
def book(tmp_path, values):
    path = tmp_path / "grain.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"made by": ["A. B."], "on": ["2024"]}).to_excel(
            writer, sheet_name="Info", index=False
        )
        spectra = pd.DataFrame(values, columns=BANDS)
        spectra.insert(0, "id", list("abcde"))
        spectra.to_excel(writer, sheet_name="Spectra", index=False, startrow=3)
        writer.sheets["Spectra"]["A1"] = "FOSS NIRSystems 6500"
        pd.DataFrame({"id": list("edcba"), "fat": range(5)}).to_excel(
            writer, sheet_name="Values", index=False
        )
    return path


def test_a_sheet_by_name_with_lines_above_its_header(book, values):
    table = read_spectra(book, SpectraOptions(sheet=("Spectra",)))
    np.testing.assert_array_equal(table.spectra, values)
    assert "the header was found in line 4; 1 line above it ('FOSS NIRSystems 6500' first)" in said(
        table
    )


def test_sheets_are_joined_as_files_are(book, values):
    table = read_spectra(book, SpectraOptions(sheet=("Spectra", "Values"), id_column="id"))
    np.testing.assert_array_equal(table.spectra, values)
    np.testing.assert_array_equal(table.target("fat"), [4, 3, 2, 1, 0])


def test_sheets_that_are_not_named_are_listed(tmp_path, book, values):
    with pytest.raises(
        OptionError,
        match="0 columns of a spectrum.*sheet 'Info' was read, the first; Spectra, Values beside it.*`sheet=`",
    ):
        read_spectra(book)
    with pytest.raises(
        OptionError, match="no sheet 'spectra' .did you mean 'Spectra'.*Info, Spectra, Values"
    ):
        read_spectra(book, SpectraOptions(sheet=("spectra",)))
    with pd.ExcelWriter(tmp_path / "two.xlsx") as writer:
        pd.DataFrame(values, columns=BANDS).to_excel(writer, sheet_name="A", index=False)
        pd.DataFrame({"b": [1]}).to_excel(writer, sheet_name="B", index=False)
    assert "two.xlsx: sheet 'A' was read, the first; B beside it" in said(
        read_spectra(tmp_path / "two.xlsx")
    )
    pd.DataFrame(values, columns=BANDS).to_csv(tmp_path / "t.csv")
    with pytest.raises(OptionError, match="none of t.csv is a workbook"):
        read_spectra(tmp_path / "t.csv", SpectraOptions(sheet=("A",)))


# ----- values below a limit


@pytest.fixture
def censored(tmp_path, values):
    frame = pd.DataFrame(values, columns=BANDS)
    frame.insert(0, "cd", ["0.2", "<0.05", "< 0.1", "NA", "0.3"])
    frame.insert(0, "pb", ["1", "<LOD", "2", "3", "4"])
    frame.insert(0, "size", ["<2", ">2", "<2", ">2", ""])
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_values_below_a_limit_are_refused_by_default(censored):
    with pytest.raises(
        OptionError,
        match=r"'cd' of t has 2 values below a limit \('<0.05' first; of 5 rows\).*`below='half'`",
    ):
        read_spectra(censored).target("cd")


def test_values_below_a_limit_count_as_said(censored, tmp_path):
    dropped = read_spectra(censored, SpectraOptions(below="drop"))
    np.testing.assert_array_equal(dropped.target("cd"), [0.2, np.nan, np.nan, np.nan, 0.3])
    np.testing.assert_array_equal(dropped.target("pb"), [1, np.nan, 2, 3, 4])
    assert dropped.censored("cd") == (
        "2 values of 5 in 'cd' below a limit (such as <0.05) count as not known"
    )
    assert list(dropped.classes("size")) == ["<2", ">2", "<2", ">2", None]
    half = read_spectra(censored, SpectraOptions(below="half"))
    assert half.censored("size") is None
    np.testing.assert_array_equal(half.target("cd"), [0.2, 0.025, 0.05, np.nan, 0.3])
    with pytest.raises(OptionError, match="'<LOD', which states no limit"):
        half.target("pb")
    censored.write_text(censored.read_text().replace("<LOD", "<0.5"))
    half = read_spectra(censored, SpectraOptions(below="half"))
    np.testing.assert_array_equal(half.target("cd"), [0.2, 0.025, 0.05, np.nan, 0.3])
    np.testing.assert_array_equal(half.target("pb"), [1, 0.25, 2, 3, 4])


def test_values_below_a_limit_with_decimal_commas(censored):
    text = censored.read_text().replace(",", ";").replace(".", ",")
    censored.write_text(text.replace("<LOD", ""))
    half = read_spectra(censored, SpectraOptions(below="half"))
    np.testing.assert_array_equal(half.target("cd"), [0.2, 0.025, 0.05, np.nan, 0.3])


# ----- files of one spectrum


@pytest.mark.parametrize("form", ["{x:.5f},{y:.5f}", "{x:.5f}\t{y:.5f}", " {x:.5f}  {y:.5f}"])
def test_a_folder_of_opus_points(tmp_path, form):
    folder = tmp_path / "scans"
    folder.mkdir()
    numbers = np.linspace(9000, 4000, 12)
    for name in ("b", "a"):
        lines = (form.format(x=x, y=x / 1e4 + (name == "b")) for x in numbers)
        (folder / f"{name}.dpt").write_text("\r\n".join(lines) + "\r\n")
    (folder / "notes.doc").write_text("")
    (tmp_path / "values.csv").write_text("name,fat\nb,2\na,1\n")
    table = read_spectra([folder, tmp_path / "values.csv"], SpectraOptions(id_column="name"))
    assert list(table.classes("name")) == ["a", "b"]
    np.testing.assert_array_equal(table.target("fat"), [1, 2])
    np.testing.assert_allclose(table.wavelengths_nm, 1e7 / numbers, rtol=1e-8)
    np.testing.assert_allclose(table.spectra[1], numbers / 1e4 + 1, atol=1e-5)
    assert "scans: 2 files were put below one another" in said(table)
    files = read_spectra([folder / "a.dpt", folder / "b.dpt"])
    np.testing.assert_array_equal(files.spectra, table.spectra)


def test_opus_points_with_decimal_commas(tmp_path):
    (tmp_path / "a.dpt").write_text("".join(f"{x},5\t0,{x}\n" for x in range(5000, 4000, -100)))
    table = read_spectra(tmp_path / "a.dpt")
    np.testing.assert_allclose(table.wavelengths_nm, 1e7 / np.arange(5000.5, 4000.5, -100))
    np.testing.assert_allclose(table.spectra[0], np.arange(0.5, 0.405, -0.01))


def test_files_of_a_folder_that_do_not_fit_together(tmp_path):
    for name, first in (("a", 5000), ("b", 5001)):
        (tmp_path / f"{name}.dpt").write_text(
            "".join(f"{x}\t1\n" for x in range(first, 4000, -100))
        )
    with pytest.raises(OptionError, match="b.dpt has other columns than a.dpt"):
        read_spectra(tmp_path)
    (tmp_path / "b.dpt").write_text("Wavenumber\tAbsorbance\n5000\t1\n")
    with pytest.raises(OptionError, match="Line 1 of .*b.dpt is 'Wavenumber"):
        read_spectra(tmp_path)
    (tmp_path / "b.dpt").rename(tmp_path / "b.csv")
    with pytest.raises(OptionError, match="spectra of one kind .*but has .csv and .dpt"):
        read_spectra(tmp_path)


def test_a_folder_of_text_files_with_a_spectrum_each(tmp_path):
    for name, factor in (("leaf1", 1), ("leaf2", 2)):
        lines = [
            "SpectraSuite Data File",
            "Integration Time (usec): 100000",
            "Wavelength\tIntensity",
        ]
        lines += [f"{nm}\t{factor * nm / 1e4}" for nm in range(400, 900, 50)]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    table = read_spectra(tmp_path)
    assert list(table.classes("file")) == ["leaf1", "leaf2"]
    np.testing.assert_allclose(table.spectra[1], np.arange(400, 900, 50) / 5e3)


@pytest.mark.parametrize(
    ("name", "advice"),
    [("a.spc", "JCAMP-DX"), ("a.asd", "ViewSpec"), ("a.0", "OPUS"), ("a.xls", "xlsx")],
)
def test_kinds_that_are_not_read_are_refused_with_the_way_out(tmp_path, name, advice):
    (tmp_path / name).write_bytes(b"\0")
    with pytest.raises(OptionError, match=f"no table of a known kind; .*{advice}"):
        read_spectra(tmp_path / name)


# ----- JCAMP-DX

HEAD = """##TITLE= {title}
##JCAMP-DX= 4.24 $$ a comment
##DATA TYPE= INFRARED SPECTRUM
##XUNITS= {unit}
##YUNITS= ABSORBANCE
##FIRSTX= {first}
##LASTX= {last}
##NPOINTS= {n}
##XFACTOR= 1
##YFACTOR= {factor}
##{form}
{data}
##END=
"""
FORM = "XYDATA= (X++(Y..Y))"


def jcamp(
    path, data, *, n=10, form=FORM, first=400, last=409, unit="NANOMETERS", factor=1, title="oats"
):
    path.write_text(
        HEAD.format(
            title=title, unit=unit, first=first, last=last, n=n, factor=factor, form=form, data=data
        )
    )
    return path


# The forms of McDonald and Wilks (1988), in which the paper writes one series of numbers.
PUBLISHED = [1, 2, 3, 3, 2, 1, 0, -1, -2, -3]


@pytest.mark.parametrize(
    "data",
    [
        "400 1 2 3 3 2 1 0 -1 -2 -3",
        "400+1+2+3+3+2+1+0-1-2-3",
        "400ABCCBA@abc",
        "400A JJ%jjjjjj".replace(" ", ""),
        "400AJT%jX",
    ],
    ids=["AFFN", "PAC", "SQZ", "DIF", "DIFDUP"],
)
def test_the_published_series_in_all_forms(tmp_path, data):
    grid = read_jcamp(jcamp(tmp_path / "a.jdx", data))
    np.testing.assert_array_equal(grid.frame.iloc[0, 2:].astype(float), PUBLISHED)
    assert grid.headers == ["name", "title", *(f"{nm} nm" for nm in range(400, 410))]


def test_lines_of_differences_repeat_the_last_value_for_a_check(tmp_path):
    table = read_spectra(jcamp(tmp_path / "a.jdx", "400AJT\n403Cj%\n405B%jjjk", factor=0.5))
    np.testing.assert_array_equal(table.spectra[0], np.array([1, 2, 3, 2, 2, 2, 1, 0, -1, -3]) / 2)
    with pytest.raises(OptionError, match="'403Dj%' does not begin with the last value"):
        read_spectra(jcamp(tmp_path / "a.jdx", "400AJT\n403Dj%\n405B%jjjk"))


def test_exponents_and_points_in_pairs(tmp_path):
    pairs = "\n".join(f"{nm}, {nm / 1e3:.3E};" for nm in range(400, 410))
    table = read_spectra(jcamp(tmp_path / "a.jdx", pairs, form="XYPOINTS= (XY..XY)"))
    np.testing.assert_allclose(table.spectra[0], np.arange(400, 410) / 1e3)
    lines = "400 1.5E-01 2.5E-01 3E-01 4E-01 5E-01\n405 -6E-01 7E+00 8 9 10"
    table = read_spectra(jcamp(tmp_path / "a.jdx", lines))
    np.testing.assert_allclose(table.spectra[0], [0.15, 0.25, 0.3, 0.4, 0.5, -0.6, 7, 8, 9, 10])


def test_a_compound_file_and_a_folder_of_them(tmp_path):
    blocks = [
        jcamp(
            tmp_path / "x",
            f"9000 {i} 2 3 3 2 1 0 -1 -2 -3",
            first=9000,
            last=4500,
            unit="1/CM",
            title=f"s{i}",
        ).read_text()
        for i in (1, 2)
    ]
    text = (
        "##TITLE= all\n##JCAMP-DX= 5.01\n##DATA TYPE= LINK\n##BLOCKS= 2\n"
        + "".join(blocks)
        + "##END=\n"
    )
    folder = tmp_path / "f"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.jdx").write_text(text)
    table = read_spectra(folder)
    assert list(table.classes("name")) == ["a", "a", "b", "b"]
    assert list(table.classes("title")) == ["s1", "s2", "s1", "s2"]
    np.testing.assert_array_equal(table.spectra[:, 0], [1, 2, 1, 2])
    np.testing.assert_allclose(table.wavelengths_nm[[0, -1]], [1e7 / 9000, 1e7 / 4500])


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("400 1 2 3", {}, "NPOINTS states 10 values, but 3 were found"),
        ("400 1 2 3 a! 4", {}, "holds '!' among its numbers"),
        ("400 1 2", {"form": "XYDATA= (R++(A..D))"}, "the form"),
        ("400 1 2", {"form": "PEAK TABLE= (XY..XY)"}, "holds no spectrum"),
    ],
)
def test_jcamp_that_cannot_be_read(tmp_path, data, options, message):
    with pytest.raises(OptionError, match=message):
        read_spectra(jcamp(tmp_path / "a.jdx", data, **options))


def test_a_spectrum_with_a_gap_in_a_table_on_its_side_is_named_by_its_column(tmp_path):
    frame = pd.DataFrame(np.ones((30, 3)), columns=["S1", "S2", "S3"])
    frame.loc[4, "S2"] = np.nan
    frame.insert(0, "wavelength (nm)", range(400, 700, 10))
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(OptionError, match=r"gaps in 1 of 3 spectra \(column S2\)"):
        read_spectra(tmp_path / "t.csv")
