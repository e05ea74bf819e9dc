"""A tokenizer that is there already: in a local folder, or on the Hugging Face hub."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import Field

from danlu.refusal import Refusal
from danlu.text.tokenizer import Tokenizer, TokenizerSource

FILES = ["tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "config.json", "*.model"]
PATIENCE = 5.0  # seconds that the hub may take to answer


class Pretrained(TokenizerSource):
    """The tokenizer of a folder or of a hub name; nothing is learnt."""

    path: str = Field(description="local folder, or a name on the hub such as google-bert/bert-base-chinese")

    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Load it; `texts` goes unused. A tokenizer without padding token pads with its end token.

        Raises `Refusal` for a folder without tokenizer, a name that is not cached while the hub cannot be
        reached, and a tokenizer that needs code from the folder.
        """
        from transformers import AutoTokenizer

        folder = _local_folder(self.path)
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refusal(
                f"{self.path}: no tokenizer could be read there ({_first_line(error)}); "
                "give a folder with tokenizer.json, such as save_pretrained writes"
            ) from error
        if not isinstance(tokenizer, Tokenizer):
            raise Refusal(
                f"{self.path}: this tokenizer ({type(tokenizer).__name__}) has no fast form with character offsets; "
                "give a folder with tokenizer.json"
            )
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        return tokenizer


def _local_folder(path: str) -> Path:
    """The folder itself, or where the hub's files are kept on this machine."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise Refusal(f"{path}: this is a file; give the folder that holds tokenizer.json")
    if path.startswith((".", "/", "~")) or path.count("/") > 1:
        raise Refusal(f"{path}: there is no such folder; give one with tokenizer.json, or a name on the hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(path, allow_patterns=FILES, local_files_only=True))
    except HFValidationError as error:
        raise Refusal(f"{path}: there is no such folder, and it is no name on the hub either") from error
    except LocalEntryNotFoundError:
        return _downloaded(path)


def _downloaded(name: str) -> Path:
    """Fetch the files, after one question that tells at once whether the hub answers; it retries for 48 s itself."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().model_info(name, timeout=PATIENCE)
        return Path(snapshot_download(name, allow_patterns=FILES))
    except HfHubHTTPError as error:
        raise Refusal(f"{name}: the hub does not give it ({_first_line(error)}); check the spelling") from error
    except Exception as error:  # of which library depends on the hub client's version: httpx, httpx2, OSError
        raise Refusal(
            f"{name}: there is no such folder, it was not downloaded before, and the hub cannot be reached "
            f"({_first_line(error)}); give a local folder, or connect to the network once"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
