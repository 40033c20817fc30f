"""The check behind a token's authorization details (RFC 9396): granted only against an agreement that would permit now."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from datahub.catalog import Dataset, DatasetState, find_dataset, version_of
from datahub.contracts import agreements_in_force
from datahub.kernel.context import Context
from datahub.kernel.errors import JsonValue
from datahub.oauth import InvalidAuthorizationDetails
from datahub.transfers import rules
from datahub.transfers.rules import Claim
from datahub.transfers.rules.words import Code
from datahub.transfers.service.findings import Finding
from datahub.transfers.service.weighing import Doing, agreement_required, weigh_claim


def check_grant(
    ctx: Context, participant_id: str, detail: Mapping[str, JsonValue]
) -> Mapping[str, JsonValue]:
    """Return one detail as it is granted: dataset by id, agreement and purpose filled in.

    Own data needs no agreement. Where none is named, the newest agreement that permits is taken. Raises
    InvalidAuthorizationDetails.
    """
    return weigh_detail(ctx, participant_id, detail)[0]


def weigh_detail(
    ctx: Context, participant_id: str, detail: Mapping[str, JsonValue]
) -> tuple[Mapping[str, JsonValue], Sequence[Finding]]:
    """Do as `check_grant`; return also what the weighing found for each action: nothing for own data."""
    identifier = detail.get("identifier")
    dataset = find_dataset(ctx.session, identifier) if isinstance(identifier, str) else None
    is_own = dataset is not None and dataset.provider_id == participant_id
    if dataset is None or (dataset.state == DatasetState.DRAFT and not is_own):
        raise _denied("There is no such dataset.", "dataset-not-found")
    if dataset.state == DatasetState.WITHDRAWN:
        raise _denied("The dataset was withdrawn.", Code.WITHDRAWN)
    actions = _actions(detail)
    granted: dict[str, JsonValue] = {
        "type": rules.DETAIL_TYPE,
        "identifier": dataset.id,
        "actions": actions,
    }
    purpose, agreement_id = _text(detail.get("purpose")), _text(detail.get("agreement"))
    if is_own and agreement_id is None:
        return granted | ({"purpose": purpose} if purpose else {}), ()
    claim, findings = _permitted(ctx, dataset, participant_id, Claim(agreement_id, purpose), actions)
    granted["agreement"] = claim.agreement_id
    return granted | ({"purpose": claim.purpose} if claim.purpose else {}), findings


def _permitted(
    ctx: Context,
    dataset: Dataset,
    participant_id: str,
    claim: Claim,
    actions: Sequence[str],
) -> tuple[Claim, Sequence[Finding]]:
    if claim.agreement_id is not None:
        claims = [claim]
    else:
        in_force = agreements_in_force(ctx.session, participant_id, dataset.id, ctx.now)
        claims = [Claim(each.id, claim.purpose) for each in in_force]
    ctx = replace(ctx, actor=replace(ctx.actor, participant_id=participant_id))
    newest = version_of(ctx.session, dataset.id, None)
    findings = []
    for one in claims:
        found = [
            weigh_claim(ctx, dataset, newest, one, participant_id, doing=_doing(each)) for each in actions
        ]
        if all(each.is_permit for each in found):
            return replace(one, purpose=found[0].purpose), found
        findings += [each for each in found if not each.is_permit]
    denial = findings[0] if findings else agreement_required(ctx, dataset)
    ways = denial.for_requester.get("wouldPermit", ())
    if denial.code == Code.AGREEMENT_REQUIRED:
        raise _denied("Your organisation has no agreement in force on this dataset.", denial.code, ways)
    raise _denied(str(denial.for_requester["en"]), denial.code, ways)


def _denied(sentence: str, code: str, ways: Sequence[JsonValue] = ()) -> InvalidAuthorizationDetails:
    """Return the refusal, with the code of a decision and what would permit, as a refused read has them."""
    return InvalidAuthorizationDetails(sentence, check=code, code=code, wouldPermit=list(ways))


def _doing(action: str) -> Doing:
    return Doing(action, frozenset() if action == rules.QUERY else None)


def _actions(detail: Mapping[str, JsonValue]) -> list[str]:
    asked = detail.get("actions")
    return [str(each) for each in asked] if isinstance(asked, list | tuple) else [rules.READ]


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
