"""One module for each page of the navigation; each has a ``router``."""
