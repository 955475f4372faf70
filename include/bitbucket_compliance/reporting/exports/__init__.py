"""Exports: the published results of one run or of one instant as a file in a format that other tools read.

``snapshot`` reads them, ``formats`` writes them, ``export`` puts the two together and checks the file.
"""
