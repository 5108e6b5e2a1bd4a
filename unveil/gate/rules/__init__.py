"""Rules that find personal data in text: a file for each kind of data, all of them in ``identifiers``."""
