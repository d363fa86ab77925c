"""Labels that are probably wrong, found by confident learning."""
