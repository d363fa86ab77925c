"""The network of the last run, kept for the next one."""

import os
import threading

import pytest
from torch import nn

from georaster_dl.predict.engine.network_cache import keep_networks, of_process
from tests.predict.test_run import SHAPE, _features, _same, _segment  # noqa: F401


@pytest.fixture
def on_a_thread():
    """Run something on a thread of its own: what is kept there ends with it."""

    def run(function):
        made = []
        thread = threading.Thread(target=lambda: made.append(function()))
        thread.start()
        thread.join()
        return made[0]

    return run


def test_the_last_network_is_kept_where_asked(on_a_thread):
    def two(key, other):
        return of_process.get(key, nn.Identity) is of_process.get(other, nn.Identity)

    assert not on_a_thread(lambda: two(1, 1))

    def kept(*keys):
        keep_networks()
        made = [of_process.get(key, nn.Identity) for key in keys]
        return made[0] is made[-1]

    assert on_a_thread(lambda: kept(1, 1))
    assert not on_a_thread(lambda: kept(1, 2))
    assert not on_a_thread(lambda: kept(1, 2, 1))  # only the last


@pytest.mark.parametrize("make", [_segment, _features])
def test_a_kept_network_makes_the_same(scene_and_model, tmp_path, make, on_a_thread, monkeypatch):
    loads = []
    from georaster_dl.predict.outputs import rasters

    load = rasters.load_narrowed
    monkeypatch.setattr(rasters, "load_narrowed", lambda *args: loads.append(args) or load(*args))

    def runs():
        keep_networks()
        made = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            made.append(make(scene_and_model, tmp_path / name).whole().files)
        return made

    one, two = on_a_thread(runs)
    assert len(loads) == 1
    assert all(_same(a, b) for a, b in zip(one, two, strict=True))


def test_a_changed_model_is_loaded_anew(scene_and_model, tmp_path, on_a_thread):
    from georaster_dl.predict.outputs.rasters import loader

    prepared = _segment(scene_and_model, tmp_path).prepared

    def networks():
        keep_networks()
        before = loader(prepared)()
        os.utime(prepared.model, ns=(1, 1))
        return before, loader(prepared)(), loader(prepared)()

    before, after, again = on_a_thread(networks)
    assert before is not after
    assert after is again
