"""The database that all parts share: its tables by migration, its views and functions by file, its roles."""
