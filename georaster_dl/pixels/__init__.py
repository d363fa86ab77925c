"""What is learnt from the values of single pixels, without a network."""
