"""Heads of networks, by the option ``head`` of the registry."""
