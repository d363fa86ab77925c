"""Tables of a map per area: area and share of each class, or statistics of each quantity."""
