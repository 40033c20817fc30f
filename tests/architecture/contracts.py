"""A kind of import-linter contract that knows slices before they are built."""

from typing import Any

from grimp import ImportGraph
from importlinter import ContractCheck
from importlinter.contracts.layers import LayersContract


class SliceLayersContract(LayersContract):
    """`layers`, but a container that does not exist yet is passed over instead of being a fault."""

    type_name = "slice_layers"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Check the containers that exist."""
        containers: Any = self.containers  # declared as a field, but holds the field's value
        vars(self)["containers"] = [each for each in containers if each.expression in graph.modules]
        return super().check(graph, verbose)
