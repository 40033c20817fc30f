"""What may happen to a dataset, who may do it, and how it is found. Pure: no database, no clock.

States follow the life of a catalogued resource (W3C DCAT 3 §6.4, `adms:status`).
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from datahub.catalog.errors.datasets import (
    DatasetChangeNotAllowed,
    DatasetMoveNotPossible,
    DatasetNotDraft,
    DatasetWithdrawn,
    InvalidDataset,
    NothingToPublish,
)
from datahub.catalog.models import Dataset, DatasetKind, DatasetState, TagField
from datahub.kernel.context import Actor
from datahub.kernel.errors import Fault
from datahub.participants import Role

S = DatasetState
# (state, move) → state
MOVES: Mapping[tuple[S, str], S] = {
    (S.DRAFT, "publish"): S.PUBLISHED,
    (S.PUBLISHED, "deprecate"): S.DEPRECATED,
    (S.DEPRECATED, "restore"): S.PUBLISHED,
    (S.PUBLISHED, "withdraw"): S.WITHDRAWN,
    (S.DEPRECATED, "withdraw"): S.WITHDRAWN,
}
# Moves that an administrator of the exchange may make on anybody's dataset: it may take down, never put up.
EXCHANGE_MOVES = frozenset({"withdraw"})
PUBLISHING_ROLES = (Role.PUBLISHER, Role.ADMIN)

# A folded value can be longer than what was written (ﬃ → ffi); an index entry must not be (PostgreSQL: 2704 bytes).
MAX_TAG = 400
MAX_TITLE_SORT = 300
MAX_WORDS = 20


def may_see(actor: Actor, dataset: Dataset) -> bool:
    """Tell whether the actor may see a dataset's description: everybody may, but drafts are their owner's."""
    is_own = actor.participant_id == dataset.provider_id
    return dataset.state != S.DRAFT or is_own or actor.oversees(Role.ADMIN, Role.AUDITOR)


def is_open_metadata(dataset: Dataset) -> bool:
    """Tell whether everybody may see the description, so that caches may keep it."""
    return dataset.state != S.DRAFT


def may_change(actor: Actor, provider_id: str) -> bool:
    """Tell whether the actor publishes for this organisation."""
    return actor.participant_id == provider_id and actor.has_role(*PUBLISHING_ROLES)


def must_publish_for(actor: Actor, provider_id: str | None) -> str:
    """Return the organisation the actor publishes for. Raises DatasetChangeNotAllowed."""
    if provider_id is None or not may_change(actor, provider_id):
        raise DatasetChangeNotAllowed(
            "Only a publisher or an administrator of the dataset's own organisation may do this.",
            remedy="Ask for a token of a client with the role publisher.",
        )
    return provider_id


def must_read_history(actor: Actor, provider_id: str) -> None:
    """Let pass the dataset's own organisation and the exchange's overseers. Raises DatasetChangeNotAllowed."""
    if actor.participant_id != provider_id and not actor.oversees(Role.ADMIN, Role.AUDITOR):
        raise DatasetChangeNotAllowed("Only the dataset's own organisation reads who moved it, and why.")


def must_be_open(dataset: Dataset) -> None:
    """Let pass a dataset that can still change and give data. Raises DatasetWithdrawn."""
    if dataset.state == S.WITHDRAWN:
        raise DatasetWithdrawn("This dataset was withdrawn.", state=S.WITHDRAWN.value)


def must_be_draft(dataset: Dataset) -> None:
    """Let pass a draft. Raises DatasetNotDraft."""
    if dataset.state != S.DRAFT:
        raise DatasetNotDraft(
            "What was published stays on record.", remedy="Withdraw it instead.", state=str(dataset.state)
        )


def decide_move(actor: Actor, dataset: Dataset, move: str) -> DatasetState:
    """Return the state after a move.

    Raises DatasetChangeNotAllowed, DatasetMoveNotPossible, NothingToPublish.
    """
    if not (move in EXCHANGE_MOVES and actor.oversees(Role.ADMIN)):
        must_publish_for(actor, dataset.provider_id)
    state = S(dataset.state)
    after = MOVES.get((state, move))
    if after is None:
        possible = [m for (s, m) in MOVES if s == state]
        raise DatasetMoveNotPossible(
            f"A {state} dataset allows no {move}.",
            remedy=f"Possible now: {', '.join(possible) or 'nothing'}.",
            state=state.value,
            possible=possible,
        )
    if move == "publish" and not dataset.last_version:
        raise NothingToPublish(
            "This dataset has no version yet.", remedy=f"Upload one at /v1/datasets/{dataset.id}/versions."
        )
    return after


def check(dataset: Dataset) -> None:
    """Let pass a description that does not contradict itself. Raises InvalidDataset with all faults."""
    faults: list[Fault] = []
    if dataset.title_nl is None and dataset.title_en is None:
        faults.append(Fault("/title", "give a title in at least one language", "missing"))
    if dataset.description_nl is None and dataset.description_en is None:
        faults.append(Fault("/description", "give a description in at least one language", "missing"))
    if dataset.kind == DatasetKind.FILES and dataset.columns is not None:
        faults.append(Fault("/columns", "a dataset of files has no columns", "columns-of-files"))
    start, end = dataset.temporal_start, dataset.temporal_end
    if start is not None and end is not None and end < start:
        faults.append(Fault("/temporal/end", "lies before start", "end-before-start"))
    if faults:
        raise InvalidDataset("The description contradicts itself; see errors.", faults=faults)


def fold(text: str) -> str:
    """Write a text so that case, accents and width make no difference, the same on every database."""
    flat = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(c for c in flat if not unicodedata.combining(c)).split())


def words_of(query: str) -> Sequence[str]:
    """Return the folded words of a query, each once; more than the first twenty narrow nothing further."""
    return tuple(dict.fromkeys(fold(query).split()))[:MAX_WORDS]


def search_text_of(dataset: Dataset) -> str:
    """Return what a dataset is searched by: its titles, descriptions and keywords, folded."""
    parts = [
        dataset.title_nl,
        dataset.title_en,
        dataset.description_nl,
        dataset.description_en,
        *dataset.keywords,
    ]
    return "\n".join(fold(part) for part in parts if part)


def title_sort_of(dataset: Dataset) -> str:
    """Return what a dataset is sorted by: its Dutch title, or the English one where there is no Dutch."""
    return fold(dataset.title_nl or dataset.title_en or "")[:MAX_TITLE_SORT]


def tag(field: TagField, value: str) -> tuple[TagField, str]:
    """Return a tag as it is stored and looked up: keywords folded, codes and addresses as they are."""
    return field, (fold(value) if field is TagField.KEYWORD else value)[:MAX_TAG]


def tags_of(dataset: Dataset) -> Iterable[tuple[TagField, str]]:
    """Return the tags a dataset is filtered by."""
    many = {
        TagField.KEYWORD: dataset.keywords,
        TagField.THEME: dataset.themes,
        TagField.LANGUAGE: dataset.languages,
    }
    return {tag(field, value) for field, values in many.items() for value in values}
