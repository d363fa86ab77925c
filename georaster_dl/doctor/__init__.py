"""Checks of an installation, in one report.

Whatever could fail, hang or crash when it is imported is imported in a process of its own
(``probes.py``), so a broken part is a finding and never the end of the report.
"""
