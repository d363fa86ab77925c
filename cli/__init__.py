"""The command ``geodl``: thin commands over the library; installed as ``geodl_cli``."""
