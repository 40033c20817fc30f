"""Samples: what a provider lets be seen of a table before there is an agreement, a few rows behind masks or made-up ones.

A made-up row is made of the figures of the columns, never of a row; see `rules`.
"""
