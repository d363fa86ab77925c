"""Algorithms of the Processing toolbox, one command of geodl each."""
