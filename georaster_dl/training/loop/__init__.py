"""The training loop: network, loss, optimiser, checkpoints, log."""
