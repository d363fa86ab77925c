"""Steps of a training: columns, candidates, their choice, texts of the card."""
