"""REST routes of the person: from a one-time link to one's own consents."""

from collections import OrderedDict
from threading import Lock
from time import monotonic
from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from datahub.consent.errors import TooManyAttempts
from datahub.consent.models import Move
from datahub.consent.routes.records import RECEIPT, receipt_answer
from datahub.consent.schemas.records import (
    ConsentOut,
    LoginChoiceOut,
    LoginChoicesOut,
    LoginIn,
    LoginOut,
    MyDecisionIn,
    MyTopicOut,
    MyTopicsOut,
    SessionIn,
    SessionOut,
)
from datahub.consent.service import logins
from datahub.consent.service import mine as service
from datahub.kernel.context import Context
from datahub.kernel.errors import Unauthenticated
from datahub.kernel.rest import Replies, Reply, allow, allow_anyone

router = APIRouter(prefix="/v1/me", tags=["my consents"])
choices = APIRouter(tags=["my consents"])

Anyone = Annotated[Context, allow_anyone()]
Person = Annotated[Context, allow("consents:own")]
LoggedPerson = Annotated[Context, allow("consents:own", is_logged=True)]

MOST_MISSES = 10
MISSES_LIFE_S = 600
_MOST_ADDRESSES = 10_000


class Misses:
    """Who tried links that are none, and how often lately. A token cannot be guessed; this keeps the log readable."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._seen: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = Lock()

    def check(self, address: str) -> None:
        """Let pass who has not missed too often. Raises TooManyAttempts."""
        with self._lock:
            if len(self._recent(address)) >= MOST_MISSES:
                detail = "Too many links that are none were tried from here."
                raise TooManyAttempts(detail, remedy="Try again in ten minutes.")

    def note(self, address: str) -> None:
        """Remember a miss."""
        with self._lock:
            self._seen[address] = [*self._recent(address), monotonic()]
            self._seen.move_to_end(address)
            while len(self._seen) > _MOST_ADDRESSES:
                self._seen.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        since = monotonic() - MISSES_LIFE_S
        return [at for at in self._seen.get(address, []) if at > since]


@router.post("/sessions", status_code=201)
def use_consent_link(body: SessionIn, ctx: Anyone, reply: Replies) -> SessionOut:
    """Turn a one-time link, or a login that came back, into a session of an hour. Each works once."""
    misses, address = _misses(reply), _address(reply)
    misses.check(address)
    try:
        if logins.is_login(body.token):
            return SessionOut.of(logins.end_login(ctx, body.token, body.returned()))
        return SessionOut.of(service.use_link(ctx, body.token))
    except Unauthenticated:
        misses.note(address)
        raise


@router.post("/logins", status_code=201)
def begin_login(body: LoginIn, ctx: Anyone) -> LoginOut:
    """Begin to log in by OpenID Connect: with the answer's token, and what comes back, post a session."""
    return LoginOut.of(logins.begin_login(ctx, body.dataset_id, body.login))


@choices.get("/v1/datasets/{datasetId}/consent-logins")
def list_consent_logins(datasetId: str, ctx: Anyone) -> LoginChoicesOut:
    """See by which logins people reach their own consents on a dataset; beside these there are links."""
    return LoginChoicesOut(items=[LoginChoiceOut.of(each) for each in logins.list_logins(ctx, datasetId)])


@router.get("/consents")
def list_my_consents(ctx: Person) -> MyTopicsOut:
    """See everything you are asked, what was decided for you, by whom and how, and what you can do about it."""
    return MyTopicsOut(items=[MyTopicOut.of(each) for each in service.my_topics(ctx)])


@router.post("/consents", status_code=201, response_model=ConsentOut)
def decide_my_consent(body: MyDecisionIn, ctx: Person, reply: Replies) -> Response:
    """Give, renew, withdraw or refuse, for one purpose. It holds from the next read on."""
    reply.once(ctx)
    consent = service.decide_mine(
        ctx,
        body.dataset_id,
        body.purpose,
        Move(body.move),
        rule_number=body.rule_number,
        until=body.valid_until,
        is_explicit=body.explicit,
        language=body.language,
    )
    where = f"/v1/me/consents/{consent.record.id}"
    return reply.created(ctx, ConsentOut.of(consent), where, consent.record.last_event)


@router.get("/consents/{consentId}", response_model=ConsentOut)
def get_my_consent(consentId: str, ctx: Person, reply: Replies) -> Response:
    """Read one of your consents with all its events."""
    consent = service.my_consent(ctx, consentId)
    return reply.read(ConsentOut.of(consent), consent.record.last_event)


@router.get("/consents/{consentId}/receipt", responses=RECEIPT)
def get_my_receipt(consentId: str, ctx: LoggedPerson, reply: Replies) -> Response:
    """Take the receipt of one of your consents with you: JSON, JSON-LD, or signed."""
    return receipt_answer(ctx, reply, service.my_consent(ctx, consentId))


def _misses(reply: Reply) -> Misses:
    state = reply.request.app.state
    if not hasattr(state, "link_misses"):
        state.link_misses = Misses()
    found: Misses = state.link_misses
    return found


def _address(reply: Reply) -> str:
    return reply.request.client.host if reply.request.client else ""
