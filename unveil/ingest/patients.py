"""Whom file names may tell: a pattern to try where nothing says which patient an image shows."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence

#: Where the number of a patient mostly stands: before the first - or _ of a file's name, or as a folder's name.
PLACES = (r"([^/_-]*[0-9][^/_-]*)[_-][^/]*$", r"^([^/]*[0-9][^/]*)/")


def suggestion(files: Sequence[str]) -> str | None:
    """A sentence with a pattern for ``--patient-pattern`` by which paths would tell patients; None where none does.

    It has to find something in every path, the same in some of them, and nothing in more than half of them.
    """
    for pattern in PLACES:
        found = [match[1] for file in files if (match := re.search(pattern, file))]
        images = Counter(found)
        if len(found) == len(files) and 1 < max(images.values(), default=0) <= len(files) / 2:
            return (
                f"no image has a patient, and names look as if {len(images)} patients stood in them, such as "
                f"{found[0]} in {files[0]}: --patient-pattern {shlex.quote(pattern)} would take them"
            )
    return None
