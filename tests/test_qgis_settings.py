"""QGIS's settings edited as bytes: one entry changes, nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.qgis.settings import read_entry, set_entry

# Written by QGIS 3.22 itself, keys and values as awkward as they get.
QGIS = (
    b"[PythonPlugins]\nZ_last=false\nother=true\n\n[app]\nSize=3\n\n[georaster_test]\n"
    b"bytes=@Variant(\\0\\0\\0\\x7f\\0\\0\\0\\xePyQt_PyObject\\0\\0\\0\\0\\x14\\x80)\n"
    b'list="a,b", "c;d", \\xe9\nodd%20%E9%20key%25="\\xfc;=,\\"q\\\\ 100%\\n2"\n\n'
    b"[qgis]\nsymbolsListGroupsIndex=0\n"
)


def test_entry_into_an_empty_file():
    assert set_entry(b"", "georaster_dl", "geodl", "/x") == b"[georaster_dl]\ngeodl=/x\n"


def test_entry_into_a_section_that_is_there():
    made = set_entry(QGIS, "PythonPlugins", "georaster_dl_qgis", "true")
    assert made == QGIS.replace(b"other=true\n", b"other=true\ngeoraster_dl_qgis=true\n")


def test_section_at_the_end():
    made = set_entry(QGIS.rstrip(), "georaster_dl", "geodl", "/x")
    assert made == QGIS + b"\n[georaster_dl]\ngeodl=/x\n"


def test_entry_replaced_and_set_twice_is_the_same():
    once = set_entry(QGIS, "app", "Size", "4")
    assert once == QGIS.replace(b"Size=3", b"Size=4")
    assert set_entry(once, "app", "Size", "4") == once
    assert set_entry(QGIS, "app", "size", "4").count(b"ize=") == 2  # keys keep their case


def test_every_copy_of_an_entry_is_replaced():
    """Qt merges sections of one name and takes the last entry."""
    content = b"[a]\nk=1\n[b]\nk=2\n[a]\nk=3\n"
    assert read_entry(content, "a", "k") == "3"
    assert set_entry(content, "a", "k", "9") == b"[a]\nk=9\n[b]\nk=2\n[a]\nk=9\n"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_line_ends_are_kept(newline):
    content = QGIS.replace(b"\n", newline)
    made = set_entry(content, "georaster_dl", "geodl", "/x")
    assert made == content + newline + b"[georaster_dl]" + newline + b"geodl=/x" + newline


def test_values_over_several_lines_are_whole():
    content = b'[a]\nlong="one\n[b]\nk=no"\ncut=x\\\n[b]\n; "comment\n[b]\nk=yes\n'
    assert read_entry(content, "b", "k") == "yes"
    made = set_entry(content, "a", "new", "1")
    assert made == content.replace(b'; "comment\n', b'; "comment\nnew=1\n')


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("/usr/bin/geodl", b"/usr/bin/geodl"),
        ("C:\\Program Files\\geodl.exe", b"C:\\\\Program Files\\\\geodl.exe"),
        ("/home/Zoë, 2/a", b'"/home/Zo\\xeb, 2/a"'),
        ("éa", b"\\xe9\\x61"),  # or the letter would belong to the number
        ("100% (x)", b"100% (x)"),
        ("@home", b"@@home"),
        (' a"b ', b'" a\\"b "'),
        ("😀", b"\\xd83d\\xde00"),
    ],
)
def test_values_are_escaped_as_qt_does(value, written):
    made = set_entry(b"", "s", "k", value)
    assert made == b"[s]\nk=" + written + b"\n"
    assert read_entry(made, "s", "k") == value


def test_values_of_qt_6_are_read():
    assert read_entry("[s]\nk=/home/Zoë/geodl\n".encode(), "s", "k") == "/home/Zoë/geodl"
    assert read_entry("\ufeff[s]\nk=1\n".encode(), "s", "k") == "1"
    assert read_entry("[s]\nk=Zoë\n".encode("latin-1"), "s", "k") == "Zoë"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from([b"", QGIS]))
def test_whatever_is_written_is_read(value, content):
    made = set_entry(content, "georaster_dl", "geodl", value)
    assert read_entry(made, "georaster_dl", "geodl") == value
    assert made.startswith(content)
    assert set_entry(made, "georaster_dl", "geodl", value) == made
