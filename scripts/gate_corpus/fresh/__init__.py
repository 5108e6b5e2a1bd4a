"""Texts and pictures that were made after rules and finder, by others who had seen neither: for measuring only.

``texts.jsonl`` holds texts with what in them identifies somebody, and clean ones; ``pictures`` draws pictures without
letters, and pictures with an invented person's data. Whoever writes rules looks at none of them.
"""
