"""Speed and memory against TRL, measured side by side: ``python -m bench.dpo``, ``python -m bench.sft``."""
