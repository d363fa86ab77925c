"""Overlap helpers: order, bounds, errors, and an early end."""

import threading
import time

import pytest

from georaster_dl.predict.pipeline import BoundedWriter, Prefetched


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
    assert closed.wait(5)
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
