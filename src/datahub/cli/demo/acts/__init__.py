"""The acts of the story, in their order; each takes the teller and the cast, and leaves what it made in the cast."""

from datahub.cli.demo.acts.ask import ask
from datahub.cli.demo.acts.fetch import fetch
from datahub.cli.demo.acts.join import join
from datahub.cli.demo.acts.look import look
from datahub.cli.demo.acts.publish import publish

ACTS = (join, publish, ask, fetch, look)

__all__ = ["ACTS"]
