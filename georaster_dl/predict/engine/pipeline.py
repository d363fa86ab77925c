"""Small helpers that let reading, predicting and writing overlap with bounded memory."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Generic, TypeVar

__all__ = ["BoundedWriter", "Prefetched", "in_order"]

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    call: Callable[[T], R],
    items: Iterable[T],
    *,
    threads: int,
    begin: Callable[[], None] = lambda: None,
) -> Generator[R, None, None]:
    """Results of a call for each item, in the order of the items, computed in threads.

    To be closed: then the calls that run are waited for, and the others dropped.

    Parameters
    ----------
    items : iterated over in the caller's thread; twice as many as threads are taken before their
        results are asked for.
    begin : called once in each thread; must not fail.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="network", initializer=begin)
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(call, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class Prefetched(Generic[T]):
    """Items of a generator that runs in a thread of its own, at once and at most ``depth`` ahead.

    An error in the thread is raised here after the items before it. ``close`` (also by leaving
    the ``with`` block early) tells the thread to stop and waits for it, so no file stays open.
    """

    def __init__(self, items: Generator[T, None, None], depth: int) -> None:
        self._items = items
        self._ahead: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(maxsize=depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def __enter__(self) -> Prefetched[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[T]:
        """Wait for the items, in order."""
        while (item := self._ahead.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]

    def close(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with closing(self._items):
                for item in self._items:
                    self._put((item,))
                    if self._stopped.is_set():
                        return
        except BaseException as error:  # noqa: BLE001  handed to the consumer, whatever it is
            self._put(error)
        self._put(None)

    def _put(self, item: tuple[T] | BaseException | None) -> None:
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._ahead.put(item, timeout=0.1)
                return


class BoundedWriter:
    """Runs calls in order in a thread of its own, at most ``depth`` waiting.

    The first error of a call is raised by the next ``submit`` or at the end of the block.
    """

    def __init__(self, depth: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._slots = threading.Semaphore(depth)
        self._pending: list[Future[None]] = []

    def __enter__(self) -> BoundedWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the calls, or after an error drop those that have not begun."""
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            self._raise_failed()

    def submit(self, call: Callable[[], None]) -> None:
        """Run the call after those submitted before it; waits while ``depth`` are waiting."""
        self._slots.acquire()
        self._raise_failed()
        future = self._pool.submit(call)
        future.add_done_callback(lambda _: self._slots.release())
        self._pending.append(future)

    def _raise_failed(self) -> None:
        for future in [f for f in self._pending if f.done()]:
            self._pending.remove(future)
            future.result()
