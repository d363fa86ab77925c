"""How fast and how long a network learns: learning rate, end of the training, average of the weights."""
