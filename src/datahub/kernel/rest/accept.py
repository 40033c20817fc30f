"""Proactive negotiation: which of the media types on offer suits the caller best (RFC 9110 §12.5.1)."""

from collections.abc import Sequence

from datahub.kernel.rest.problems import NotAcceptable


def choose(accept: str | None, offered: Sequence[str]) -> str:
    """Return the offered media type the caller likes best; the earlier offer wins a tie, and no header means any.

    Parameters other than `q` do not narrow a media range here. Raises NotAcceptable, naming what is on offer.
    """
    ranges = _ranges(accept) if accept and accept.strip() else [("*/*", 1.0)]
    best, best_weight = "", 0.0
    for media_type in offered:
        weight = _weight(media_type, ranges)
        if weight > best_weight:
            best, best_weight = media_type, weight
    if not best:
        raise NotAcceptable(
            "None of the media types asked for can be given here.",
            remedy=f"Ask for one of {', '.join(offered)}.",
            available=list(offered),
        )
    return best


def _ranges(accept: str) -> list[tuple[str, float]]:
    found = []
    for part in accept.split(","):
        media_range, *parameters = (each.strip().lower() for each in part.split(";"))
        weights = [p.partition("=")[2].strip() for p in parameters if p.partition("=")[0].strip() == "q"]
        found.append((media_range, _quality(weights[0]) if weights else 1.0))
    return found


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0


def _weight(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Return the weight of the most specific range that covers the type; 0 means not acceptable."""
    kind = media_type.partition("/")[0]
    for covering in (media_type, f"{kind}/*", "*/*"):
        weights = [weight for media_range, weight in ranges if media_range == covering]
        if weights:
            return max(weights)
    return 0.0
