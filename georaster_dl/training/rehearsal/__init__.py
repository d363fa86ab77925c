"""Continual learning: patches of earlier scenes, rehearsed beside new patches."""
