"""Models: the registry of architectures, the card, the package in one file, halo, cost, export."""
