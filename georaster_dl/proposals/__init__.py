"""Active learning: proposals of uncertain areas to label."""
