"""Commands of ``geodl``, one module each."""
