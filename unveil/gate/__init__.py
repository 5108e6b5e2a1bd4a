"""What may leave this machine: the addresses, the data sets, the texts and the pixels, and the record of what did."""


class GateError(ValueError):
    """Something that must not leave, or of which nobody can tell; the message says what, and what to do."""
