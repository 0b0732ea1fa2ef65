"""Whether weights may be used here at all: their licence, and in production, a commit that cannot move."""

from __future__ import annotations

from pipeline.errors import RefineError
from pipeline.refine import hub, weights
from pipeline.refine.settings import RefinerSettings, Weights


def admit(settings: RefinerSettings) -> None:
    """RefineError for weights whose licence or whose moving branch these settings do not accept."""
    for each in settings.weights:
        _require_licence(each, settings.allow_noncommercial)
        if settings.production:
            _require_commit(each)


def _require_licence(model: Weights, allowed: bool) -> None:
    if not model.commercial_use and not allowed:
        raise RefineError("weights_noncommercial", f"The licence of {model.model} ({model.licence or 'as stated'}) "
                          "forbids commercial use.", "Use other weights; where the licence permits what you do, set "
                          "PACKSHOT_REFINER_ALLOW_NONCOMMERCIAL=1.")


def _require_commit(model: Weights) -> None:
    if weights.is_on_hub(model.model) and not hub.COMMIT.fullmatch(model.revision):
        raise RefineError("weights_unpinned", f"{model.model} is not pinned to a commit, and this is production.",
                          "Run `packshot refine --pin` where there is a network and keep refiner-pins.yaml with the "
                          "catalogue; or set PACKSHOT_PRODUCTION=0 to try things out.")
