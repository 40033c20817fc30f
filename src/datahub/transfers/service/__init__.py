"""The verbs of transfers: weigh an attempt, authorise a read, check a token's details, record how a delivery ended."""
