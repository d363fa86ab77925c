"""The QGIS plugin seen from outside: put into a profile, packed for the repository.

Nothing here imports QGIS; the plugin itself is the folder ``georaster_dl_qgis``.
"""
