"""Exports: the published results of one run or of one instant as a file in a format that other tools read."""
