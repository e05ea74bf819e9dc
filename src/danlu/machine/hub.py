"""Files that lie in a local folder, in one GGUF file, or on the Hugging Face hub; what is local touches no network."""

from pathlib import Path
from typing import Literal

from danlu.machine.gguf import is_gguf, unpacked
from danlu.machine.located import at_home
from danlu.refusal import Refusal

PATIENCE = 5.0  # seconds that the hub may take to answer; its own client retries for 48 s


def local_folder(
    path: str, patterns: list[str], sort: Literal["model", "dataset"] = "model", revision: str | None = None
) -> Path:
    """The folder itself, one made of a GGUF file, or where the files of a hub name that match `patterns` are kept.

    Raises:
        Refusal: there is no such folder or file, and the name is not cached and cannot be fetched now.
    """
    folder = at_home(path)
    if folder.is_dir():
        return folder
    if sort == "model" and is_gguf(folder):
        return unpacked(folder)
    if folder.exists():
        raise Refusal(f"{path}: this is a file; give the folder that holds it")
    if path.startswith((".", "/", "~")) or path.count("/") > 1:
        raise Refusal(f"{path}: there is no such folder; give the path of one, or a name on the hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(path, repo_type=sort, revision=revision, allow_patterns=patterns, local_files_only=True)
        )
    except HFValidationError as error:
        raise Refusal(f"{path}: there is no such folder, and it is no name on the hub either") from error
    except LocalEntryNotFoundError:
        return _downloaded(path, patterns, sort, revision)


def _downloaded(name: str, patterns: list[str], sort: str, revision: str | None) -> Path:
    """Fetch the files, after one question that tells at once whether the hub answers; it retries for 48 s itself."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().repo_info(name, repo_type=sort, revision=revision, timeout=PATIENCE)
        return Path(snapshot_download(name, repo_type=sort, revision=revision, allow_patterns=patterns))
    except HfHubHTTPError as error:
        raise Refusal(f"{name}: the hub does not give it ({first_line(error)}); check the spelling") from error
    except Exception as error:  # of which library depends on the hub client's version: httpx, httpx2, OSError
        raise Refusal(
            f"{name}: there is no such folder, it was not downloaded before, and the hub cannot be reached "
            f"({first_line(error)}); give a local folder, or connect to the network once"
        ) from error


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its type."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
