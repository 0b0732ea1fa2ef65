"""The hub of published weights: reached or not, downloads, and what a name points to now.

A hub that cannot be reached is found out by one request with a short timeout, because a download's own
retries take minutes where packets are dropped.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import RefineError, first_line
from pipeline.refine.pins import Pin

TIMEOUT_S = 4.0                # of one request; name resolution has no timeout of its own, so the whole has one
PATIENCE_S = 6.0               # for name resolution, proxy and answer together
REMEMBER_S = 60.0              # an unreachable hub is not asked again at every model
COMMIT = re.compile(r"[0-9a-f]{40}")
NONCOMMERCIAL = re.compile(r"non-?commercial|(^|-)nc(-|$)|research")  # as licences of the hub spell it

_silent_until: dict[str, float] = {}
log = logging.getLogger(__name__)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids asking."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def why_unreachable() -> str:
    """"" where the hub answers, whatever it says; else one line on what happened. At most PATIENCE_S seconds."""
    from huggingface_hub import constants

    endpoint = constants.ENDPOINT
    if _silent_until.get(endpoint, 0.0) > time.monotonic():
        return "no answer a moment ago"
    answer: list[str] = []
    asking = threading.Thread(target=lambda: answer.append(_ask(endpoint)), daemon=True)
    asking.start()
    asking.join(PATIENCE_S)
    reason = answer[0] if answer else f"no answer in {PATIENCE_S:g} s"
    if reason:
        _silent_until[endpoint] = time.monotonic() + REMEMBER_S
    return reason


def snapshot(model: str, revision: str, files: Sequence[str], ignored: Sequence[str], local_files_only: bool) -> Path:
    """The folder of a hub model in the local cache, downloaded where it is not there yet.

    A hub that does not answer is no error while the cache holds the model.
    """
    offline = local_files_only or is_offline()
    reason = "" if offline else why_unreachable()
    if reason:
        found = _cached(model, revision, files, ignored)
        if found is None:
            raise RefineError("hub_unreachable", f"The hub cannot be reached for {model}: {reason}.", _OFFLINE_HINT)
        log.warning("the hub cannot be reached (%s); %s comes from the local cache", reason, model)
        return found
    if offline:
        found = _cached(model, revision, files, ignored)
        if found is None:
            raise RefineError("weights_unavailable", f"The weights of {model} are not on this machine, and the hub is "
                              "not to be asked.", f"Download them once where there is a network (`hf download {model}`)"
                              " and copy the cache, give a local folder, or unset HF_HUB_OFFLINE and "
                              "PACKSHOT_REFINER_LOCAL_FILES_ONLY.")
        return found
    return _downloaded(model, revision, files, ignored)


def resolve(model: str) -> Pin:
    """The commit a hub model's main branch points to now, and its licence as the model card says it."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    reason = "HF_HUB_OFFLINE is set" if is_offline() else why_unreachable()
    if reason:
        raise RefineError("hub_unreachable", f"The hub cannot be reached to pin {model}: {reason}.",
                          "Pin where there is a network and copy refiner-pins.yaml, or give local folders, "
                          "which their bytes pin. A proxy is read from HTTPS_PROXY, a mirror from HF_ENDPOINT.")
    try:
        info = HfApi().model_info(model, timeout=TIMEOUT_S)
    except (HfHubHTTPError, HFValidationError) as error:
        raise RefineError("model_missing", f"The hub knows no model {model}, or does not show it to you.",
                          "Check the id; for a gated model accept its terms and run `hf auth login`.") from error
    except (OSError, _client_error()) as error:
        raise RefineError("hub_unreachable", f"The hub broke off while asked for {model}.", "Try again.") from error
    licence = _licence(info)
    return Pin(revision=info.sha or "", licence=licence, commercial_use=not NONCOMMERCIAL.search(licence.lower()))


_OFFLINE_HINT = ("Give a local folder or an s3:// path, or copy a cache made where there is a network and set "
                 "HF_HUB_OFFLINE=1. A proxy is read from HTTPS_PROXY, a mirror from HF_ENDPOINT.")


def _ask(endpoint: str) -> str:
    from ssl import SSLError
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    try:
        urlopen(Request(endpoint, method="HEAD", headers={"User-Agent": "packshot"}), timeout=TIMEOUT_S).close()
    except HTTPError:
        return ""  # it answered
    except URLError as error:
        if isinstance(error.reason, SSLError):
            return ""  # somebody answered; whose certificates to trust is the client's to say
        return str(getattr(error.reason, "strerror", None) or error.reason).splitlines()[0]
    except (OSError, ValueError) as error:
        return first_line(error)
    return ""


def _cached(model: str, revision: str, files: Sequence[str], ignored: Sequence[str]) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision or None, allow_patterns=list(files),
                                      ignore_patterns=list(ignored), local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _downloaded(model: str, revision: str, files: Sequence[str], ignored: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(model, revision=revision or None, allow_patterns=list(files),
                                      ignore_patterns=list(ignored)))
    except (HfHubHTTPError, OSError, _client_error()) as error:
        raise RefineError(
            "weights_unavailable", f"The weights of {model} are not on this machine and could not be fetched.",
            "Check the id, its revision and your access to it (`hf auth login`), or download them once where there is "
            f"a network (`hf download {model}`), or give a local folder.") from error


def _client_error() -> type[Exception]:
    """What the hub's HTTP client raises where there is no answer; the client's name changes with versions."""
    from huggingface_hub.errors import HfHubHTTPError

    return HfHubHTTPError.__bases__[0]


def _licence(info: Any) -> str:
    card = info.card_data
    named = getattr(card, "license_name", None) or getattr(card, "license", None) if card is not None else None
    return str(named or next((tag.removeprefix("license:") for tag in info.tags or ()
                              if tag.startswith("license:")), ""))
