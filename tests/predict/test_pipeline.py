"""Overlap helpers: order, bounds, errors, and an early end."""

import threading
import time
from contextlib import closing

import pytest

from georaster_dl.predict.engine.pipeline import BoundedWriter, Prefetched, in_order


def test_items_come_in_order_and_at_most_depth_ahead():
    made = []

    def items():
        for i in range(50):
            made.append(i)
            yield i

    seen = []
    with Prefetched(items(), 3) as stream:
        for item in stream:
            seen.append(item)
            assert len(made) <= len(seen) + 5
    assert seen == list(range(50))


def test_an_error_in_the_thread_is_raised_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("boom")

    with Prefetched(items(), 2) as prefetched:
        stream = iter(prefetched)
        assert next(stream) == 1
        with pytest.raises(ValueError, match="boom"):
            next(stream)


def test_an_early_end_closes_the_generator_and_ends_the_thread():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    with Prefetched(items(), 1) as stream:
        assert next(iter(stream)) == 0
    assert closed.wait(600)
    assert not [t for t in threading.enumerate() if t.name == "reader"]


def test_calls_run_in_order_and_block_when_too_many_wait():
    done = []
    with BoundedWriter(2) as writer:
        for i in range(20):
            writer.submit(lambda i=i: (time.sleep(0.001), done.append(i))[0])
    assert done == list(range(20))


def test_the_first_error_is_raised_and_later_calls_are_dropped():
    done = []

    def fail():
        raise OSError("full")

    def work():
        with BoundedWriter(1) as writer:
            writer.submit(fail)
            for i in range(100):
                writer.submit(lambda i=i: done.append(i))

    with pytest.raises(OSError, match="full"):
        work()
    assert len(done) < 100


def test_results_come_in_the_order_of_the_items_with_few_taken_ahead():
    taken, seen = [], []

    def items():
        for i in range(40):
            taken.append(i)
            yield i

    def call(i):
        time.sleep(0.002 * (i % 3))
        return 10 * i

    for result in in_order(call, items(), threads=3):
        seen.append(result)
        assert len(taken) <= len(seen) + 6
    assert seen == [10 * i for i in range(40)]


def test_calls_run_at_the_same_time_each_thread_begun_once():
    begun, together = [], threading.Barrier(3)
    results = in_order(
        lambda i: (together.wait(600), i)[1],
        range(6),
        threads=3,
        begin=lambda: begun.append(threading.get_ident()),
    )
    assert list(results) == list(range(6))
    assert len(begun) == len(set(begun)) == 3


def test_an_error_of_a_call_is_raised_in_its_place():
    results = in_order(lambda i: 1 // (5 - i), range(100), threads=2)
    assert [next(results) for _ in range(5)] == [0, 0, 0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not [t for t in threading.enumerate() if t.name.startswith("network")]


def test_closed_early_no_thread_is_left():
    with closing(in_order(lambda i: i, iter(range(1000)), threads=2)) as results:
        assert next(results) == 0
    assert not [t for t in threading.enumerate() if t.name.startswith("network")]
