"""Accuracy of mapped objects: matched one to one with a reference, scored, drawn and written as layers."""
