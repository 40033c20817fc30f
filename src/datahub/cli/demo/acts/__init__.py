"""The acts of the story, in their order; each takes the teller and the cast, and leaves what it made in the cast."""

from datahub.cli.demo.acts.ask import ask
from datahub.cli.demo.acts.consent import withdraw
from datahub.cli.demo.acts.fetch import fetch, revoke
from datahub.cli.demo.acts.join import join
from datahub.cli.demo.acts.look import look
from datahub.cli.demo.acts.prove import prove
from datahub.cli.demo.acts.publish import publish
from datahub.cli.demo.acts.question import question

ACTS = (join, publish, ask, fetch, withdraw, revoke, question, look, prove)

__all__ = ["ACTS"]
