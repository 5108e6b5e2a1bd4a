"""An exported folder on a hub: only where somebody asks for it, and private unless told otherwise."""

from __future__ import annotations

from pathlib import Path

from unveil.core import console
from unveil.export.output import ExportError


def upload(folder: Path, repository: str, private: bool) -> None:
    """Uploads a folder; a repository that is not there is made. Raises ``ExportError`` where the hub refuses."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    hub = HfApi()
    try:
        with console.progress(f"upload to {repository}", None):
            hub.create_repo(repository, private=private, exist_ok=True)
            hub.upload_folder(repo_id=repository, folder_path=folder, commit_message="unveil export model")
    except (HfHubHTTPError, OSError) as error:
        why = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ExportError(
            f"--push {repository}: {why[:200]}: {folder} is whole; `hf auth login`, then the same command goes on"
        ) from error
    console.say(f"{repository} is uploaded{', private if it was made now' if private else ''}")
