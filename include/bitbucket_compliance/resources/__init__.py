"""What is read of Bitbucket: one definition a resource, for extract, stage, explain, console and docs alike.

A new resource is one row of ``catalogue.py`` and one file of ``pipeline/stage``.
"""
