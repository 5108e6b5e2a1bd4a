"""An exported folder on a hub: only where somebody asks for it, and private unless told otherwise."""

from __future__ import annotations

from pathlib import Path

from unveil.core import console
from unveil.export.output import ExportError


def upload(folder: Path, repository: str, private: bool) -> None:
    """Uploads a folder; a repository that is not there is made, ``private`` or for all to see.

    Raises ``ExportError`` where the hub refuses or cannot be reached, and, if it is to be ``private``, where the
    repository is there and is not.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # httpx's or httpx2's, as the hub's own

    hub = HfApi()
    try:
        with console.progress(f"upload to {repository}", None):
            hub.create_repo(repository, private=private, exist_ok=True)
            if private and not hub.model_info(repository).private:
                raise ExportError(f"--push {repository}: all may see this repository: name another, or add --public")
            hub.upload_folder(repo_id=repository, folder_path=folder, commit_message="unveil export model")
    except (HTTPError, OSError) as error:
        why = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ExportError(
            f"--push {repository}: {why[:200]}: {folder} is whole; `hf auth login`, then the same command goes on"
        ) from error
    console.say(f"{repository} is uploaded{', private' if private else ''}")
