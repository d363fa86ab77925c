"""Plain files: text and JSON as users write them, layers of vector files, temporary files."""
