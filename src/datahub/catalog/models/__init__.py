"""Tables of the catalogue, one module per concept; importing the package knows them all."""
