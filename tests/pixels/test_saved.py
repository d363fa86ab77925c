"""A saved classifier maps as before; what is damaged or hostile never runs."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import skops.io
from sklearn.tree._tree import Tree

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import ModelPackageError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.pixels.learn import saved
from georaster_dl.pixels.learn.classifier import Classifier, new_pipeline
from georaster_dl.pixels.learn.saved import load_classifier, save_classifier

CARD = "georaster_dl.json"


def pixels(n=200, n_classes=3):
    generator = np.random.default_rng(0)
    classes = np.arange(n) % n_classes
    return (classes[:, None] + generator.normal(0, 0.5, (n, 2))).astype(np.float32), classes


def classifier(method):
    pipeline = new_pipeline(method, 0)
    if method == "rf":
        pipeline[-1].set_params(n_estimators=3)
    colors = [(1, 2, 3), (4, 5, 6), (7, 8, 255)]
    legend = Legend(
        tuple(MapClass(10 * i, n, c) for i, n, c in zip((1, 2, 3), "abc", colors, strict=True))
    )
    bands = (Band("red", 665.0, 30.0), Band("feat_02"))
    return Classifier(method, bands, legend, True, "", pipeline.fit(*pixels()))


@pytest.mark.parametrize("method", ["svm", "rf"])
def test_what_is_loaded_maps_as_what_was_saved(tmp_path, method):
    made = replace(classifier(method), iou={"a": 0.1, "c": 1.0}, places=((3.5, 45.25),))
    save_classifier(tmp_path / "c.skops", made)
    found = load_classifier(tmp_path / "c.skops")
    assert (found.iou, found.places) == (made.iou, made.places)
    assert (found.bands, found.legend, found.physical) == (made.bands, made.legend, True)
    values = np.random.default_rng(1).normal(1, 1, (500, 2)).astype(np.float32)
    np.testing.assert_array_equal(found.predict(values), made.predict(values))
    assert set(found.predict(values).tolist()) == {10, 20, 30}


def broken(path):
    with pytest.raises(ModelPackageError) as caught:
        load_classifier(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_tree(made, change):
    """The forest with the nodes of its second tree changed."""
    grown = made.pipeline[-1].estimators_[1]
    state = grown.tree_.__getstate__()
    state["nodes"] = state["nodes"].copy()
    change(state["nodes"])
    grown.tree_ = Tree(2, np.array([3], np.intp), 1)
    grown.tree_.__setstate__(state)
    return made


def setting(field, value):
    def change(nodes):
        nodes[field][0] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        setting("left_child", 10**9),
        setting("right_child", -7),
        setting("left_child", 0),  # a circle
        setting("right_child", -1),
        setting("feature", 2),
        setting("feature", -2),
    ],
)
def test_a_tree_that_leads_astray_is_not_run(tmp_path, change):
    save_classifier(tmp_path / "c.skops", with_tree(classifier("rf"), change))
    assert "damaged, hostile" in broken(tmp_path / "c.skops")


def _tamper_machine(name, change):
    def tamper(made):
        machine = made.pipeline[-1]
        setattr(machine, name, change(getattr(machine, name)))

    return tamper


@pytest.mark.parametrize(
    "tamper",
    [
        _tamper_machine("_n_support", lambda n: n + 1000),
        _tamper_machine("_n_support", lambda n: n[:-1]),
        _tamper_machine("support_vectors_", lambda v: v[:, :1].copy()),
        _tamper_machine("_dual_coef_", lambda c: c[:, :-3].copy()),
        _tamper_machine("_intercept_", lambda o: o.astype(str)),
        _tamper_machine("classes_", lambda c: c + 1),
        _tamper_machine("kernel", lambda _: "linear"),
        _tamper_machine("_gamma", lambda _: float("nan")),
        _tamper_machine("n_features_in_", lambda n: n + 1),
        lambda made: setattr(made.pipeline[-1], "predict", np.exp),
        lambda made: delattr(made.pipeline[-1], "_dual_coef_"),
        lambda made: setattr(made.pipeline[0], "scale_", np.zeros(2)),
        lambda made: setattr(made.pipeline[0], "mean_", np.zeros(3)),
        lambda made: made.pipeline.steps.pop(0),
    ],
)
def test_a_machine_that_is_not_whole_is_not_run(tmp_path, tamper):
    made = classifier("svm")
    tamper(made)
    save_classifier(tmp_path / "c.skops", made)
    assert "damaged, hostile" in broken(tmp_path / "c.skops")


def rewritten(path, **entries):
    """The file with some of its entries changed by functions of their text, or left out."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    for name, change in entries.items():
        known = next(entry for entry in content if entry.startswith(name))
        content[known] = None if change is None else change(content[known].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in content.items():
            if text is not None:
                archive.writestr(name, text)
    return path


@pytest.fixture
def forest(tmp_path):
    save_classifier(tmp_path / "c.skops", classifier("rf"))
    return tmp_path / "c.skops"


def claiming(count):
    """Changes a schema so that every tree says that it has so many nodes."""

    def change(node):
        if isinstance(node, list):
            return [change(value) for value in node]
        if not isinstance(node, dict):
            return node
        return {
            key: {**value, "content": str(count)} if key == "node_count" else change(value)
            for key, value in node.items()
        }

    return lambda text: json.dumps(change(json.loads(text)))


@pytest.mark.parametrize("count", [0, -5])
def test_fewer_nodes_than_one_are_refused(forest, count):
    assert "nodes missing" in broken(rewritten(forest, schema=claiming(count)))


def test_more_nodes_than_there_are_are_not_read(forest):
    """scikit-learn itself puts that number right; should it stop to, the file is refused."""
    trees = load_classifier(rewritten(forest, schema=claiming(10**9))).pipeline[-1].estimators_
    assert max(grown.tree_.node_count for grown in trees) < 1000


def test_files_that_are_something_else(forest, tmp_path, make_tif):
    assert "does not exist" in broken(tmp_path / "none.skops")
    assert "cannot be read" in broken(tmp_path)
    assert "no classifier" in broken(make_tif(np.zeros((1, 4, 4), np.uint8)))
    whole = forest.read_bytes()
    forest.write_bytes(whole[: len(whole) // 2])
    assert "no classifier" in broken(forest)
    forest.write_bytes(b"")
    assert "no classifier" in broken(forest)
    forest.write_bytes(whole)
    assert "no classifier" in broken(rewritten(forest, georaster_dl=None))
    forest.write_bytes(whole)
    assert "no classifier" in broken(rewritten(forest, georaster_dl=lambda _: "{}"))
    forest.write_bytes(whole)
    assert "no classifier" in broken(rewritten(forest, schema=lambda text: text[:-9]))
    forest.write_bytes(whole)
    assert "no classifier" in broken(rewritten(forest, schema=None))


def test_a_card_of_other_classes_or_bands_does_not_fit(forest):
    def fewer(what):
        def change(text):
            card = json.loads(text)
            card[what] = card[what][:-1]
            return json.dumps(card)

        return change

    whole = forest.read_bytes()
    for what in ("bands", "classes"):
        forest.write_bytes(whole)
        assert "other" in broken(rewritten(forest, georaster_dl=fewer(what)))


def test_two_classes_of_one_value_are_refused(forest):
    change = {"georaster_dl": lambda text: text.replace('"value":20', '"value":10')}
    assert "distinct values" in broken(rewritten(forest, **change))


class Foreign:
    """Some object that no classifier needs."""


def test_foreign_objects_are_named_and_not_made(forest):
    made = classifier("rf")
    made.pipeline[-1].foreign = Foreign()
    save_classifier(forest, made)
    assert "test_saved.Foreign" in broken(forest)
    assert "not loaded" in broken(forest)


def test_another_scikit_learn_is_named(forest):
    def old(text):
        return json.dumps({**json.loads(text), "scikit_learn": "0.1"})

    warned = []
    load_classifier(forest, warned.append)
    assert warned == []
    load_classifier(rewritten(forest, georaster_dl=old), warned.append)
    assert "made with scikit-learn 0.1" in warned[0]
    said = broken(rewritten(forest, schema=lambda text: text.replace("TreeNode", "OldTreeNode")))
    assert "made with scikit-learn 0.1" in said


def test_a_file_that_unpacks_to_too_much_is_refused(forest, monkeypatch):
    monkeypatch.setattr(saved, "available_memory", lambda: 1000)
    assert "unpacks to" in broken(forest)


def test_skops_itself_reads_the_file(forest):
    pipeline = skops.io.load(forest, trusted=["sklearn.tree._tree.Tree"])
    assert pipeline.predict(pixels()[0]).shape == (200,)
