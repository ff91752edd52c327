"""Fetches files from the Hugging Face hub, and says at once what to do where there is no internet.

The hub's own client asks again and again for 50 s; here the cache comes first, then a single question.
"""

from __future__ import annotations

from collections.abc import Sequence

from astrotl.errors import WeightsError, first_line

__all__ = ["fetch"]

_SECONDS = 5


def fetch(repository: str, names: Sequence[str]) -> str:
    """Give the path of the first of these files that a repository has: in the cache, or else downloaded.

    ``repository`` is ``"owner/name"``, or ``"owner/name@revision"``.
    """
    # The client is slow to import, and not needed for weights from a file.
    import huggingface_hub as hub
    from huggingface_hub.utils import EntryNotFoundError

    place, _, revision = repository.partition("@")
    for name in names:
        known = hub.try_to_load_from_cache(place, name, revision=revision or None)
        if isinstance(known, str):
            return known
    for name in names:
        try:
            hub.get_hf_file_metadata(hub.hf_hub_url(place, name, revision=revision or None), timeout=_SECONDS)
            return str(hub.hf_hub_download(place, name, revision=revision or None))
        except EntryNotFoundError:
            continue
        except Exception as error:
            raise WeightsError(_advice(repository, names, f"the hub gives none ({first_line(error)})")) from error
    raise WeightsError(_advice(repository, names, "the hub has no such file"))


def _advice(repository: str, names: Sequence[str], why: str) -> str:
    files = " or ".join(names)
    return (
        f"the weights of {repository} are not in the cache of this machine, and {why}. On a machine with internet "
        f"download {files} from https://huggingface.co/{repository.partition('@')[0]}, copy the file here, and name "
        f'it: weights="{names[0]}" in Python, --set weights={names[0]} on the command line'
    )
