"""Tiny random models of every architecture, with the real configuration and processor classes of transformers.

For tests and benchmarks, here and of third parties. Nothing is downloaded, no GPU is needed::

    from unveil.testing.models import fresh, saved

    one = fresh("qwen3_vl")  # a model with random weights, its processor and its chat, ready to be trained
    folder = saved("gemma3", tmp_path)  # what `--model` takes

``models.ENTRIES`` lists them. It needs what a plain installation of the package has.
"""
