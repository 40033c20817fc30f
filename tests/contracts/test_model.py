"""A negotiation walked at random through the verbs, beside a model of it made from the table alone."""

import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from datahub.contracts import (
    AccessRequest,
    AgreementState,
    NegotiationMove,
    NegotiationState,
    Party,
    Wishes,
    agreements_in_force,
    move_request,
    request_access,
    steps_of,
)
from datahub.contracts.errors import RequestMoveNotAllowed, RequestMoveNotPossible
from datahub.contracts.jobs import expire_due
from datahub.contracts.rules.negotiation import ASKED_MOVES, MOVES, OPEN_STATES
from datahub.contracts.store import agreement_of
from datahub.kernel.context import ANONYMOUS
from datahub.kernel.errors import Refusal
from tests.build import NOON, a_context
from tests.contracts.stage import RESEARCH, Stage, a_stage

WHO = {"requester": Party.CONSUMER, "approver": Party.PROVIDER, "publisher": None, "consumer-approver": None}
DEADLINE = timedelta(days=14)


class Negotiation(RuleBasedStateMachine):
    """The model holds a state, a deadline and the number of steps; the verbs must agree with it after every move."""

    @initialize()
    def ask(self) -> None:
        self.home = tempfile.TemporaryDirectory(prefix="datahub-model-")
        home = Path(self.home.name)
        self.stage: Stage = a_stage(home, f"sqlite:///{home}/model.sqlite3")
        offer = self.stage.an_offer()
        self.offered_hash: str = offer["policyHash"]
        with a_context(self.stage.engine, self.stage.settings, self.stage.actors["requester"]) as ctx:
            request = request_access(ctx, offer["id"], Wishes(self.offered_hash, RESEARCH))
            self.request_id = request.id
        self.state = NegotiationState.REQUESTED
        self.due = NOON + DEADLINE
        self.steps = 1

    @rule(token=st.sampled_from(sorted(WHO)), move=st.sampled_from(ASKED_MOVES))
    def move(self, token: str, move: NegotiationMove) -> None:
        walk = MOVES.get((self.state, move))
        makers = {each.party for (_, m), each in MOVES.items() if m is move}
        expected: type[Refusal] | None = None
        if WHO[token] not in makers:
            expected = RequestMoveNotAllowed
        elif walk is None or (self.state in OPEN_STATES and self.stage.now >= self.due):
            expected = RequestMoveNotPossible
        carried = self._carried(move)
        if expected is not None:
            with pytest.raises(expected), self._context(token) as ctx:
                move_request(ctx, self.request_id, move, carried)
            return
        with self._context(token) as ctx:
            move_request(ctx, self.request_id, move, carried)
        assert walk is not None
        self.state = walk.end
        self.steps += len(walk.steps)
        self.due = self.stage.now + DEADLINE

    @rule(days=st.integers(min_value=1, max_value=10))
    def pass_time(self, days: int) -> None:
        self.stage.pass_time(days=days)

    @rule()
    def work(self) -> None:
        is_due = self.state in OPEN_STATES and self.stage.now >= self.due
        with a_context(self.stage.engine, self.stage.settings, ANONYMOUS, self.stage.now) as ctx:
            assert expire_due(ctx) == int(is_due)
        if is_due:
            self.state = NegotiationState.TERMINATED
            self.steps += 1

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "request_id"):
            return
        with self._context("requester") as ctx:
            request = ctx.session.get_one(AccessRequest, self.request_id)
            events = steps_of(ctx, self.request_id)
            agreement = agreement_of(ctx.session, self.request_id)
            stage = self.stage
            live = agreements_in_force(ctx.session, stage.consumer.id, stage.dataset.id, stage.now)
        assert request.state == self.state
        assert [event.number for event in events] == list(range(1, self.steps + 1))
        lefts = [event.from_state for event in events]
        assert lefts == [None, *(event.to_state for event in events[:-1])], (
            "each step starts where the last ended"
        )
        assert (agreement is not None) is (self.state is NegotiationState.FINALIZED)
        assert [each.id for each in live] == ([agreement.id] if agreement else [])
        assert agreement is None or agreement.state == AgreementState.ACTIVE

    def teardown(self) -> None:
        if hasattr(self, "stage"):
            self.stage.engine.dispose()
            self.home.cleanup()

    def _context(self, token: str) -> Any:
        return a_context(self.stage.engine, self.stage.settings, self.stage.actors[token], self.stage.now)

    def _carried(self, move: NegotiationMove) -> Mapping[str, Any]:
        with self._context("requester") as ctx:
            on_table = ctx.session.get_one(AccessRequest, self.request_id).policy_hash
        terms = {"template": "purpose", "parameters": {"purposes": ["dpv:AcademicResearch"]}}
        carried: Mapping[NegotiationMove, Mapping[str, Any]] = {
            NegotiationMove.RETURN: {"reason": "narrower", **terms},
            NegotiationMove.REJECT: {"reason": "no"},
            NegotiationMove.COUNTER: {"agrees_to": on_table},
            NegotiationMove.ACCEPT: {"agrees_to": on_table},
        }
        return carried.get(move, {})


TestNegotiation = Negotiation.TestCase
TestNegotiation.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
