"""What `make bench-extract` compares, each a program of its own: our extraction, plain `requests` loops, dlt."""
