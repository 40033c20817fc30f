"""What may happen to an organisation, and which legal identifiers can be right. Pure: no database, no clock.

KvK: eight digits (Handelsregisterbesluit). OIN: twenty digits, a prefix that names the source register
(Logius OIN-beleid). EORI: country and up to fifteen characters (Reg. (EU) 952/2013, IA 2015/2447 annex 12-01); a Dutch
one holds an RSIN. LEI: ISO 17442, check digits by ISO 7064 mod 97-10. DID: W3C DID Core 1.0 §3.1.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from datahub.kernel.context import Actor
from datahub.kernel.errors import Fault
from datahub.participants.errors import ParticipantMoveNotAllowed, ParticipantMoveNotPossible
from datahub.participants.models import Participant, ParticipantState, Role, Scheme

S = ParticipantState
# (state, move) → state
MOVES: Mapping[tuple[S, str], S] = {
    (S.APPLIED, "admit"): S.ADMITTED,
    (S.APPLIED, "decline"): S.LEFT,
    (S.ADMITTED, "suspend"): S.SUSPENDED,
    (S.SUSPENDED, "reinstate"): S.ADMITTED,
    (S.ADMITTED, "leave"): S.LEFT,
    (S.SUSPENDED, "leave"): S.LEFT,
}
# Moves an organisation's own administrator may make; all others are the exchange's.
OWN_MOVES = frozenset({"leave"})


def may_see(actor: Actor, participant: Participant) -> bool:
    """Tell whether the actor may see an organisation: the directory of admitted ones is open to all."""
    is_own = actor.participant_id == participant.id
    return participant.state == S.ADMITTED or is_own or actor.oversees(Role.ADMIN, Role.AUDITOR)


def may_change(actor: Actor, participant_id: str) -> bool:
    """Tell whether the actor administers an organisation: its own administrators and the exchange's do."""
    return actor.oversees(Role.ADMIN) or (
        actor.participant_id == participant_id and actor.has_role(Role.ADMIN)
    )


def decide_move(actor: Actor, participant: Participant, move: str) -> ParticipantState:
    """Return the state after a move. Raises ParticipantMoveNotAllowed, ParticipantMoveNotPossible."""
    is_own = move in OWN_MOVES and may_change(actor, participant.id)
    if not is_own and not actor.oversees(Role.ADMIN):
        detail = f"Only an administrator of the exchange may {move} an organisation."
        raise ParticipantMoveNotAllowed(detail)
    state = S(participant.state)
    possible = [m for (s, m) in MOVES if s == state]
    after = MOVES.get((state, move))
    if after is None or participant.is_exchange:
        raise ParticipantMoveNotPossible(
            "The exchange's own organisation stays."
            if participant.is_exchange
            else f"{state} allows no {move}.",
            remedy=None if participant.is_exchange else f"Possible now: {', '.join(possible) or 'nothing'}.",
            state=state.value,
            possible=[] if participant.is_exchange else possible,
        )
    return after


def is_last_administrator(people: Iterable[tuple[str, bool, Iterable[str]]], person_id: str) -> bool:
    """Tell whether a person is the only active administrator among (id, is_active, roles)."""
    admins = [pid for pid, is_active, roles in people if is_active and Role.ADMIN in roles]
    return admins == [person_id]


def normalise_identifier(scheme: Scheme, value: str) -> str:
    """Write an identifier in its register's own form: no blanks, upper case where case has no meaning."""
    bare = re.sub(r"[\s.]", "", value) if scheme is not Scheme.DID else value.strip()
    return bare.upper() if scheme in (Scheme.EORI, Scheme.LEI) else bare


def identifier_fault(scheme: Scheme, value: str, pointer: str) -> Fault | None:
    """Return what is wrong with a normalised identifier, or None."""
    sentence = _CHECKS[scheme](value)
    return Fault(pointer, sentence, f"invalid-{scheme}") if sentence else None


def _kvk(value: str) -> str | None:
    return None if re.fullmatch(r"[0-9]{8}", value) else "a KvK number has 8 digits"


def _oin(value: str) -> str | None:
    if not re.fullmatch(r"[0-9]{20}", value):
        return "an OIN has 20 digits"
    if not re.match(r"0000000[1-9]", value):
        return "an OIN starts with 0000000 and the digit of its source register"
    if value.startswith("00000003") and _kvk(value[8:16]):  # pragma: no cover — digits are checked above
        return "an OIN with prefix 00000003 holds a KvK number"
    if value.startswith("00000001") and not _passes_eleven_test(value[8:17]):
        return "the RSIN inside this OIN fails the eleven test"
    return None


def _eori(value: str) -> str | None:
    if not re.fullmatch(r"[A-Z]{2}[A-Z0-9]{1,15}", value):
        return "an EORI is a country code and up to 15 letters or digits"
    if value.startswith("NL") and not (re.fullmatch(r"NL[0-9]{9}", value) and _passes_eleven_test(value[2:])):
        return "a Dutch EORI is NL and an RSIN of 9 digits that passes the eleven test"
    return None


def _lei(value: str) -> str | None:
    if not re.fullmatch(r"[A-Z0-9]{18}[0-9]{2}", value):
        return "an LEI has 18 letters or digits and 2 check digits"
    number = int("".join(str(int(c, 36)) for c in value))
    return None if number % 97 == 1 else "the check digits of this LEI are wrong"


def _did(value: str) -> str | None:
    form = r"did:[a-z0-9]+:(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2}|:)*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})"
    return None if re.fullmatch(form, value) else "a DID is did:<method>:<id>, e.g. did:web:example.org"


def _passes_eleven_test(digits: str) -> bool:
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    total = sum(w * int(d) for w, d in zip(weights, digits, strict=True))
    return total % 11 == 0 and any(d != "0" for d in digits)


_CHECKS: Mapping[Scheme, Callable[[str], str | None]] = {
    Scheme.KVK: _kvk,
    Scheme.OIN: _oin,
    Scheme.EORI: _eori,
    Scheme.LEI: _lei,
    Scheme.DID: _did,
}
