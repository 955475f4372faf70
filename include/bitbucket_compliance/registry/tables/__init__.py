"""Tables that people hand in: CSV and Excel files, rows of a query, users of a directory, all read in one way."""
