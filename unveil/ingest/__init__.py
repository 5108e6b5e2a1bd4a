"""From the files of a hospital or a challenge to ``records.jsonl``: one reader per format."""
