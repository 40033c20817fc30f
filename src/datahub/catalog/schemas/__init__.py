"""REST messages of the catalogue, one module per concept."""
