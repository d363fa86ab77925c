"""Parcels of stacks: their pixels, series and classes."""
