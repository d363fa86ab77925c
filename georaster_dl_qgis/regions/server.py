"""The process ``geodl serve``, asked without waiting for its answers."""

from __future__ import annotations

import json
from typing import Any

from qgis.PyQt.QtCore import QCoreApplication, QObject, QProcess, QProcessEnvironment, pyqtSignal

from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.program.settings import child_environment, current_geodl, device

__all__ = ["RegionServer"]

_END_MS = 700  # in which it ends by itself, before it is killed
_LAST = 2000  # bytes of what it said for people


class RegionServer(QObject):
    """A ``geodl serve`` that is started with the first request and ends with QGIS.

    One request is under way at a time. Of those that wait, a region takes the place of another one: while a slider
    is moved, only its last place matters.

    Signals
    -------
    opened : answer to the opening of a scene.
    grown : answer with a region.
    failed : message for the user, of a request or of the process.
    working : whether an answer is awaited.
    """

    opened = pyqtSignal(dict)
    grown = pyqtSignal(dict)
    failed = pyqtSignal(str)
    working = pyqtSignal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._waiting: list[dict[str, Any]] = []
        self._asked: dict[str, Any] | None = None
        self._scene: tuple[str, str] | None = None
        self._count = 0
        self._said = ""
        QCoreApplication.instance().aboutToQuit.connect(self.stop)

    def grow(self, scene: str, model: str, clicks: list[dict[str, Any]], **how: Any) -> None:
        """Ask for a region; its scene is opened before unless it is open.

        Parameters
        ----------
        scene : its source for geodl.
        model : whose features are compared; empty compares spectra.
        clicks : in the CRS of the scene, with x, y and add.
        how : tolerance and window.
        """
        self.forget()
        if self._scene != (scene, model):
            self._scene = (scene, model)
            self._waiting.append({"do": "open", "scene": scene, "model": model or None})
        self._waiting.append({"do": "grow", "clicks": clicks, **how})
        self._next()

    def forget(self) -> None:
        """Drop the requests for regions; no signal brings their answers."""
        self._waiting = [request for request in self._waiting if request["do"] != "grow"]
        if self._asked is not None and self._asked["do"] == "grow":
            self._asked["dropped"] = True

    def has_open(self, scene: str, model: str) -> bool:
        """Whether a scene with a model was the last to be opened."""
        return self._scene == (scene, model)

    def process_id(self) -> int:
        """Number of the process; 0 where none runs."""
        return 0 if self._process is None else int(self._process.processId())

    def stop(self) -> None:
        """End the process; the next request starts a new process."""
        process, self._process = self._process, None
        self._waiting, self._asked, self._scene = [], None, None
        if process is None:
            return
        process.blockSignals(True)
        process.closeWriteChannel()
        if not process.waitForFinished(_END_MS):
            process.kill()
            process.waitForFinished(_END_MS)
        process.deleteLater()

    def _next(self) -> None:
        if self._asked is not None or not self._waiting:
            self.working.emit(self._asked is not None)
            return
        try:
            self._start()
        except GeodlError as error:
            self._fail(str(error))
            return
        self._asked = self._waiting.pop(0)
        self._count += 1
        self._asked["id"] = self._count
        self._process.write(json.dumps(self._asked).encode("utf-8") + b"\n")
        self.working.emit(True)

    def _start(self) -> None:
        """Start the process where none runs; an error of the start comes later, as a signal."""
        if self._process is not None:
            return
        environment = QProcessEnvironment()
        for name, value in child_environment().items():
            environment.insert(name, value)
        process = QProcess(self)
        process.setProcessEnvironment(environment)
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._listen)
        process.errorOccurred.connect(self._could_not)
        process.finished.connect(self._ended)
        self._process, self._said = process, ""
        process.start(str(current_geodl().path), ["serve", "--device", device()])

    def _read(self) -> None:
        while self._process is not None and self._process.canReadLine():
            line = bytes(self._process.readLine()).strip()
            try:
                answer = json.loads(line)
            except ValueError:
                continue
            if self._asked is not None and answer.get("id") == self._asked["id"]:
                self._take(answer)

    def _take(self, answer: dict[str, Any]) -> None:
        asked, self._asked = self._asked, None
        if answer["event"] == "error":
            if asked["do"] == "open":
                self._scene, self._waiting = None, []
            if not asked.get("dropped"):
                self.failed.emit(str(answer.get("message", "")))
        elif answer["event"] == "opened":
            self.opened.emit(answer)
        elif not asked.get("dropped"):
            self.grown.emit(answer)
        self._next()

    def _listen(self) -> None:
        text = bytes(self._process.readAllStandardError()).decode("utf-8", "replace")
        self._said = (self._said + text)[-_LAST:]

    def _could_not(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            program = self._process.program()
            self._drop()
            self._fail(
                f"{program} cannot be started; run 'Check or install geodl', or set its path in Settings > Options > "
                f"Processing > Providers > GeoRaster DL."
            )

    def _ended(self, _code: int, _status: Any) -> None:
        said = self._said.strip().splitlines()
        self._drop()
        last = f" It said: {said[-1]}" if said else ""
        hint = " An older geodl has no such command: update it by 'Check or install geodl'."
        self._fail(
            f"geodl serve ended; click again to start it.{last}{hint if 'No such command' in last else ''}"
        )

    def _drop(self) -> None:
        if self._process is not None:
            self._process.deleteLater()
        self._process = None

    def _fail(self, message: str) -> None:
        self._waiting, self._asked, self._scene = [], None, None
        self.working.emit(False)
        self.failed.emit(message)
