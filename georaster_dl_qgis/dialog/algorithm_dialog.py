"""The window of an algorithm, however it is opened."""

from __future__ import annotations

from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import QgsProcessingContext
from qgis.PyQt.QtWidgets import QComboBox

from georaster_dl_qgis.dialog.model_choice import ModelSuggestion
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers

__all__ = ["Window"]


class Window(AlgorithmDialog):
    """QGIS's window with the layers of the Layers panel filled in, and in which a cancelled run did not fail.

    Parameters
    ----------
    algorithm : a ``GeodlAlgorithm``.
    selected : the layers to open with.
    parent : widget that it belongs to.
    """

    def __init__(self, algorithm, selected: SelectedLayers, parent=None) -> None:
        super().__init__(algorithm, parent=parent)
        wrappers = self.mainWidget().wrappers
        context = QgsProcessingContext()
        for name, value in algorithm.opens_with(selected).items():
            wrappers[name].setParameterValue(value, context)
            if value is None and wrappers[name].parameterValue() is not None:
                # Where a layer must be given, QGIS chooses one.
                wrappers[name].wrappedWidget().findChild(QComboBox).setCurrentIndex(-1)
        for name in algorithm.NOT_OPTIONAL:
            shown = wrappers[name].wrappedLabel() or wrappers[name].label  # of QGIS, of Python
            shown.setText(algorithm.parameterDefinition(name).description())
        if algorithm.TASKS and "MODEL" in wrappers:
            self._suggestion = ModelSuggestion(self, wrappers)

    def createFeedback(self):
        """QGIS's feedback, which calls a run that was cancelled no failed one."""
        feedback = super().createFeedback()
        report = feedback.reportError

        def unless_cancelled(error: str, fatalError: bool = False) -> None:  # noqa: N803  QGIS's
            if not feedback.isCanceled():
                report(error, fatalError)

        feedback.reportError = unless_cancelled
        return feedback

    def finish(self, successful, result, context, feedback, in_place=False) -> None:
        """Load the results; of a cancelled run there are none."""
        if feedback.isCanceled():
            self.resetGui()
        else:
            super().finish(successful, result, context, feedback, in_place)
