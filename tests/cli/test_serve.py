"""``geodl serve``: a process that grows regions for another program."""

import json
import subprocess

import pytest

from georaster_dl.testing import noise, write_scene

from .conftest import start


@pytest.fixture
def process(tmp_path):
    """A real process that answers, and ends with its input."""
    write_scene(tmp_path / "scene.tif", noise())
    running = start("serve", cwd=tmp_path, stdin=subprocess.PIPE)
    assert json.loads(running.stdout.readline())["event"] == "ready"
    yield running
    running.stdin.close()
    assert running.wait(timeout=30) == 0
    running.stdout.close()
    assert "Traceback" not in running.stderr.read()
    running.stderr.close()


def ask(process, **request):
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


@pytest.mark.slow
def test_a_process_grows_regions_until_its_input_ends(process, model):
    seed = {"x": 500_705, "y": 4_999_305}
    early = ask(process, id=1, do="grow", clicks=[seed])
    assert (early["event"], early["id"]) == ("error", 1)
    assert "No scene is open" in early["message"]
    for given in ({}, {"model": str(model)}):
        opened = ask(process, id=2, do="open", scene="scene.tif", **given)
        assert opened["event"] == "opened", opened
        assert (opened["rows"], opened["cols"], opened["crs"]) == (150, 130, "EPSG:32631")
        grown = ask(process, id=3, do="grow", clicks=[seed], tolerance=0.5)
        assert grown["event"] == "grown", grown
        assert grown["area_m2"] == 100 * grown["pixels"]
        assert grown["geometry"]["type"] == "Polygon"
    again = ask(process, id="x", do="grow", clicks=[seed, seed | {"add": False}])
    assert again["id"] == "x"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fly\n", "A request is a JSON object in one line, but this came: b'fly"),
        ("[1]\n", "A request is a JSON object"),
        ('{"do": "fly"}\n', "A request to do 'fly' came"),
        ('{"do": "open"}\n', '"scene" is a text, but nothing came'),
        ('{"do": "open", "scene": "none.tif"}\n', "none.tif"),
        ('{"do": "open", "scene": "scene.tif", "bands": "B02"}\n', '"bands" is a list of names'),
        ('{"do": "open", "scene": "scene.tif", "model": "no"}\n', "no bundled model 'no'"),
        ('{"do": "open", "scene": "scene.tif", "bands": ["a"]}\n', "--bands"),
    ],
)
def test_a_wrong_request_says_why_and_ends_nothing(tmp_path, monkeypatch, line, said):
    from geodl_cli.terminal.hints import with_options

    from georaster_dl.growing.serving import serve

    write_scene(tmp_path / "scene.tif", noise())
    monkeypatch.chdir(tmp_path)
    answers = []
    serve([line, "\n", '{"do": "open", "scene": "scene.tif", "id": 7}'], answers.append, "cpu")
    assert [answer["event"] for answer in answers] == ["ready", "error", "opened"]
    assert said in with_options(answers[1]["message"])
    assert answers[2]["id"] == 7
