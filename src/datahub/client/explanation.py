"""Why a read is permitted or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from datahub.client import cards
from datahub.client.errors import Refused

PERMITTED = "ok"


@dataclass(frozen=True)
class Explanation:
    """Whether the caller may read now; `code` is stable, `text` is for people, `would_permit` names what would help."""

    code: str
    text: str
    would_permit: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, refused: Refused) -> Self:
        """Return what a refusal explains."""
        said = " ".join(each for each in (refused.detail or refused.title, refused.remedy) if each)
        return cls(refused.code, said, tuple(getattr(refused, "would_permit", ())))

    @property
    def is_permit(self) -> bool:
        """Tell whether it is permitted."""
        return self.code == PERMITTED

    def __bool__(self) -> bool:
        """Tell whether it is permitted."""
        return self.is_permit

    def __str__(self) -> str:
        """Say it in a sentence."""
        return self.text if self.is_permit else f"{self.code}: {self.text}"

    def _repr_html_(self) -> str:
        facts = {"would permit": "; ".join(str(each.get("change", each)) for each in self.would_permit)}
        return cards.card("Permitted" if self.is_permit else f"Denied: {self.code}", self.text, facts)


PERMIT = Explanation(PERMITTED, "You may read this now.")
