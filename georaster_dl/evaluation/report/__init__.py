"""Reports of an evaluation: text, tables, pictures, HTML."""
