"""Why a read is permitted or denied, as codes for programs and as words for people. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from datahub.consent import Shut
from datahub.contracts import Standing

DATA_SCOPE = "data:read"


class Code(StrEnum):
    """Why a read is permitted or denied, as far as the policy engine has not said it: stable, for programs."""

    OWN_DATA = "own-data"
    OPEN_OFFER = "open-offer"
    PERMITTED = "permitted"
    WITHDRAWN = "data-withdrawn"
    TOKEN_REQUIRED = "token-required"  # noqa: S105 — a code, not a secret
    SCOPE_MISSING = "data-scope-missing"
    AGREEMENT_REQUIRED = "agreement-required"
    PURPOSE_NOT_AGREED = "purpose-not-agreed"
    NEEDS_PLAN = "policy-needs-plan"
    NOTHING_LEFT = "nothing-permitted"
    RESULTS_ONLY = "results-only"
    ROWS_ONLY = "rows-only"
    TOKEN_NOT_GOOD = "token-not-good"  # noqa: S105 — as above
    NOT_PUBLISHED = "data-not-published"
    QUOTA_EXHAUSTED = "quota-exhausted"
    CONSENT_OF_WHOM = "consent-of-whom"
    CONSENT_NOT_GIVEN = "consent-not-given"


@dataclass(frozen=True)
class Words:
    """A denial in plain language, and what would mend it."""

    nl: str
    en: str
    remedy: str


# What the policy engine does not explain, because no policy was asked.
WORDS: Mapping[str, Words] = {
    Code.WITHDRAWN: Words(
        "De aanbieder heeft deze dataset ingetrokken.",
        "The provider withdrew this dataset.",
        "Ask the provider whether other data replaces it.",
    ),
    Code.TOKEN_REQUIRED: Words(
        "Deze data is niet voor iedereen; er kwam geen token mee.",
        "This data is not open to everybody, and no token came with the call.",
        "Get a token at /oauth/token with authorization_details that name an agreement on this dataset.",
    ),
    Code.SCOPE_MISSING: Words(
        "Het token is niet bedoeld om data op te halen.",
        "The token is not for fetching data.",
        f"Ask for a token with scope={DATA_SCOPE}; the client must hold the role requester.",
    ),
    Code.AGREEMENT_REQUIRED: Words(
        "Het token noemt geen overeenkomst van uw organisatie over deze dataset.",
        "The token names no agreement of your organisation on this dataset.",
        "Request access to one of the offers; with an agreement, ask for a token that names it.",
    ),
    Code.PURPOSE_NOT_AGREED: Words(
        "Het doel in het token is niet het afgesproken doel en valt er ook niet onder.",
        "The purpose in the token is not the agreed one and does not fall under it.",
        "Ask for a token with the agreed purpose, or request access for this one.",
    ),
    Code.NEEDS_PLAN: Words(
        "Het beleid laat maar een deel van deze data toe, en dat deel kan de dienst er niet uit halen.",
        "The policy permits only a part of this data, and the exchange cannot take that part out of it.",
        "Files, and live APIs without a mapping to rows, leave whole or not at all: ask the provider for another offer.",
    ),
    Code.NOTHING_LEFT: Words(
        "Het beleid laat van deze tabel geen rij en geen kolom over.",
        "The policy leaves no row and no column of this table.",
        "Ask the provider: the policy names columns that this table does not have, or hides all of them.",
    ),
    Code.RESULTS_ONLY: Words(
        "Deze overeenkomst geeft alleen resultaten in groepen, geen rijen.",
        "This agreement gives results in groups only, no rows.",
        "Get a token with actions [query] and ask at /v1/datasets/{id}/queries; .../queries/allowed says what.",
    ),
    Code.ROWS_ONLY: Words(
        "Deze overeenkomst laat rijen ophalen; vragen hier stellen staat zij niet toe.",
        "This agreement lets rows be fetched; it does not permit queries here.",
        "Fetch /v1/datasets/{id}/data and compute at home, or send one SELECT to /v1/datasets/{id}/sql.",
    ),
    Code.TOKEN_NOT_GOOD: Words(
        "Het token is niet van deze dienst, is verlopen of ingetrokken, of wie erachter staat is niet actief.",
        "The token is not of this exchange, has expired or was revoked, or who stands behind it is not active.",
        "Get a new one at /oauth/token.",
    ),
    Code.QUOTA_EXHAUSTED: Words(
        "Wat de overeenkomst in deze periode toestaat is op, of het antwoord is groter dan wat er over is.",
        "What the agreement permits in this period is used up, or the answer is larger than what is left.",
        "Wait until the quota starts anew (see quotas), or ask the provider for more.",
    ),
    Code.NOT_PUBLISHED: Words(
        "Deze dataset is nog niet gepubliceerd.",
        "This dataset is not published yet.",
        "Wait until the provider publishes it.",
    ),
    Standing.NOT_YET: Words(
        "De overeenkomst is nog niet ingegaan.", "The agreement is not valid yet.", "Wait until it begins."
    ),
    Standing.SUSPENDED: Words(
        "De overeenkomst is opgeschort.",
        "The agreement is suspended.",
        "Ask the provider why; it may be resumed.",
    ),
    Standing.ENDED: Words(
        "De overeenkomst is beëindigd.", "The agreement has ended.", "Request access again."
    ),
    Standing.REVOKED: Words(
        "De aanbieder heeft de overeenkomst ingetrokken.",
        "The provider revoked the agreement.",
        "Ask the provider why, or request access again.",
    ),
    Standing.EXPIRED: Words(
        "De overeenkomst is verlopen.", "The agreement has expired.", "Request access again, to renew it."
    ),
    Standing.PROVIDER_INACTIVE: Words(
        "De aanbieder is nu geen actieve deelnemer.",
        "The provider is not an active participant now.",
        "Ask the exchange when it will be.",
    ),
    Standing.CONSUMER_INACTIVE: Words(
        "Uw organisatie is nu geen actieve deelnemer.",
        "Your organisation is not an active participant now.",
        "Ask the exchange to reinstate it.",
    ),
    Standing.UPSTREAM: Words(
        "De overeenkomst waaronder de aanbieder deze gegevens zelf kreeg, is niet van kracht.",
        "The agreement under which the provider itself obtained this data is not in force.",
        "Ask the provider, or request access from the source of the data.",
    ),
    Shut.NO_RULE: Words(
        "Het beleid vraagt toestemming van betrokkenen, en de dataset heeft geen regel die zegt van wie.",
        "The policy wants the consent of data subjects, and the dataset has no consent rule that says whose.",
        "Ask the provider to write a consent rule at /v1/datasets/{id}/consent-rules.",
    ),
    Shut.NO_COLUMN: Words(
        "Deze versie mist een kolom die zegt over wie een rij gaat.",
        "This version lacks a column that says whom a row is about.",
        "Read another version, or ask the provider.",
    ),
    Shut.NOT_COVERED: Words(
        "De toestemmingsregel laat niets naar uw organisatie gaan voor dit doel, of er is geen doel genoemd.",
        "The consent rule lets nothing leave to your organisation for this purpose, or no purpose was named.",
        "GET /v1/datasets/{id}/consent-rule tells for which purposes, and to whom, rows may leave.",
    ),
    Shut.COLUMNS: Words(
        "De toestemmingsregel gaat niet over al deze kolommen.",
        "The consent rule is not about all of these columns.",
        "Leave out the columns that are named, in fields and in filters.",
    ),
    Code.CONSENT_OF_WHOM: Words(
        "Over wie beslist wordt is niet gezegd, en niet iedereen gaf toestemming.",
        "Whose rows are asked for was not said, and rows leave only of people who let them.",
        "Name the people by their keys in context.people: a decision is about them.",
    ),
    Code.CONSENT_NOT_GIVEN: Words(
        "Niet alle genoemde mensen laten hun rijen hiervoor gaan.",
        "Not all of the people who are named let their rows leave for this.",
        "Leave out who does not; ask about one person at a time.",
    ),
}
