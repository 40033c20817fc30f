"""`datahub policy diff`: whether a new policy grants more than the old one, with proof."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from difflib import unified_diff
from typing import Any

import click

from datahub.cli.policy.files import FAULTY, terms_or_exit
from datahub.cli.policy.saying import Form, form_option, lang_option, say_json
from datahub.policy import Policy, grants_nothing_beyond, policy_hash, render

_SAID = {
    "equivalent": "The two policies permit exactly the same.",
    "narrower": "The new policy grants nothing beyond the old one, and less.",
    "wider": "The new policy grants more than the old one.",
    "different": "The new policy grants some things the old one did not, and no longer grants others.",
    "unknown": "Whether the new policy grants more could not be settled.",
    "unproven": "Whether the new policy grants more was not proved: that needs the extra `analysis`.",
}
_SAFE = ("equivalent", "narrower")


@click.command(
    epilog="\b\nExample:\n  datahub policy diff agreed.json proposed.json",
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@form_option
@lang_option
def diff(old: str, new: str, form: str, lang: Any) -> None:
    """Say whether a new policy grants more than the old one, with an attempt that shows it.

    Ends with 0 only when it is proved that the new one grants nothing beyond the old one, else with 1.
    """
    before, after = terms_or_exit(old).policy, terms_or_exit(new).policy
    verdict, gained, lost = _compared(before, after)
    lines = list(
        unified_diff(
            render(before, lang).splitlines(), render(after, lang).splitlines(), old, new, n=1, lineterm=""
        )
    )
    if form == Form.JSON:
        say_json({"verdict": verdict, "onlyNewPermits": gained, "onlyOldPermits": lost, "text": lines})
    else:
        click.echo(_SAID[verdict])
        for name, attempt in (("Only the new one permits", gained), ("Only the old one permits", lost)):
            if attempt:
                click.echo(
                    f"{name}: " + ", ".join(f"{fact}={_shown(value)}" for fact, value in attempt.items())
                )
        click.echo("\n".join(["", *lines]) if lines else "", nl=bool(lines))
    if verdict not in _SAFE:
        sys.exit(FAULTY)


def _compared(before: Policy, after: Policy) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the verdict, an attempt that only the new policy permits, and one that only the old one permits."""
    if policy_hash(replace(before, uid=after.uid)) == policy_hash(after):
        return "equivalent", {}, {}
    try:
        gains, losses = grants_nothing_beyond(after, before), grants_nothing_beyond(before, after)
    except ImportError:
        return "unproven", {}, {}
    if gains.holds is None:
        return "unknown", {}, {}
    verdict = {
        (True, True): "equivalent",
        (True, False): "narrower",
        (True, None): "narrower",
        (False, True): "wider",
        (False, False): "different",
        (False, None): "wider",
    }[gains.holds, losses.holds]
    return verdict, _plain(gains.told()), _plain(losses.told())


def _plain(attempt: Mapping[str, object]) -> dict[str, Any]:
    return {
        name: sorted(value, key=str) if isinstance(value, set | frozenset) else value
        for name, value in attempt.items()
    }


def _shown(value: object) -> str:
    match value:
        case Mapping():
            return "{" + ", ".join(f"{key}: {_shown(each)}" for key, each in value.items()) + "}"
        case list():
            return " ".join(map(str, value)) or "none"
        case _:
            return str(value)
