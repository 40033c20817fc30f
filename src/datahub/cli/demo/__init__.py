"""`datahub demo`: a made-up region shares data, and every step is a real HTTP call shown with its answer."""

from datahub.cli.demo.command import demo

__all__ = ["demo"]
