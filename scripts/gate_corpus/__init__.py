"""A corpus on which the privacy gate is measured: invented identifiers in sentences, reports and pictures.

Two halves of disjoint wording: rules are written with the *open* half at hand and measured on the *held* half. Whoever
writes rules reads ``open/`` only: names, places and sentences of the other half stand in ``held/``. Nobody in it
exists: names are combined at random from lists of common ones.

    python -m scripts.gate_corpus --out corpus

How the texts under ``open/`` and ``held/`` are written stands in ``templates``.
"""
