"""The one way in which anything of a transparency log can be wrong."""


class TlogFault(ValueError):  # noqa: N818 — what was sent or read is at fault, not this program
    """What was read is malformed, over a limit, or does not prove what it should; the sentence says which."""
