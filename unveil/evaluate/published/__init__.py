"""Scorings as other code publishes them, fault by fault, so that a figure of a paper can be told from one of ours.

Each module is named after the code whose figures it gives, and says in its docstrings what is wrong with them. They are
written anew from what that code was seen to do (docs/explanation/metrics.md, "As published"). None of them decides
whether an answer of ours is right.
"""
