"""Access requests, the negotiations they are, and the agreements they end in.

States and steps follow the contract negotiation of the Dataspace Protocol 2025-1.
"""
