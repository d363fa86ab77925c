"""Two small helpers that let reading, predicting and writing overlap with bounded memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TypeVar

__all__ = ["BoundedWriter", "prefetched"]

T = TypeVar("T")


def prefetched(items: Generator[T, None, None], depth: int) -> Generator[T, None, None]:
    """Items of a generator that runs in a thread of its own, at most ``depth`` ahead.

    An error in the thread is raised here. When the caller stops early (``close`` or an error),
    the thread is told to stop and waited for, so no file stays open.
    """
    ahead: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: tuple[T] | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                ahead.put(item, timeout=0.1)
                return

    def run() -> None:
        try:
            with closing(items):
                for item in items:
                    put((item,))
                    if stopped.is_set():
                        return
        except BaseException as error:  # noqa: BLE001  handed to the consumer, whatever it is
            put(error)
        put(None)

    thread = threading.Thread(target=run, name="reader", daemon=True)
    thread.start()
    try:
        while (item := ahead.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        stopped.set()
        thread.join()


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
