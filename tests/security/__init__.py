"""Attacks, through the surface that an attacker would use: each of them must fail."""
