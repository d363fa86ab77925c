"""The report of a batch: table, HTML page, pictures."""
