"""A trained model is exported, served by ``transformers serve``, and checked: the way of a user, on the loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.finished import finished
from tests.helpers.serving import serve
from unveil.evaluate import served
from unveil.export import model

pytest.importorskip("fastapi", reason="no server: pip install unveil[serving]")


def test_what_was_exported_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes that are words, since this server gives text only; it tells neither ids nor log-probabilities."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    run = finished(tmp_path / "run", "llava_clip")
    out = model.main(model.Config(run=run, for_="transformers", out=tmp_path / "exported"))
    how: dict[str, Any] = {"engine": "transformers", "server_model": out.name, "run": run, "concurrency": 1}
    with serve(out, tmp_path) as port:
        assert served.main(
            served.Config(url=f"http://127.0.0.1:{port}/v1", out=tmp_path / "served", resamples=100, **how)
        )
