"""Maps and references, matched block by block."""
