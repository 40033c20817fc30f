"""Datasets with their DCAT metadata, their immutable versions, and the offers on them.

W3C DCAT 3; open metadata, closed data: everybody may search, only who is entitled may fetch.
"""
