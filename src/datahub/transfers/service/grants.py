"""The check behind a token's authorization details (RFC 9396): granted only against an agreement that would permit now."""

from collections.abc import Mapping
from dataclasses import replace

from datahub.catalog import Dataset, DatasetState, find_dataset, version_of
from datahub.contracts import agreements_in_force
from datahub.kernel.context import Context
from datahub.kernel.errors import JsonValue
from datahub.oauth import InvalidAuthorizationDetails
from datahub.transfers import rules
from datahub.transfers.rules import Claim
from datahub.transfers.service.weighing import weigh_claim


def check_grant(
    ctx: Context, participant_id: str, detail: Mapping[str, JsonValue]
) -> Mapping[str, JsonValue]:
    """Return one detail as it is granted: dataset by id, agreement and purpose filled in.

    Own data needs no agreement. Where none is named, the newest agreement that permits is taken. Raises
    InvalidAuthorizationDetails.
    """
    identifier = detail.get("identifier")
    dataset = find_dataset(ctx.session, identifier) if isinstance(identifier, str) else None
    is_own = dataset is not None and dataset.provider_id == participant_id
    if dataset is None or (dataset.state == DatasetState.DRAFT and not is_own):
        raise InvalidAuthorizationDetails("There is no such dataset.", check="dataset-not-found")
    if dataset.state == DatasetState.WITHDRAWN:
        raise InvalidAuthorizationDetails("The dataset was withdrawn.", check=rules.Code.WITHDRAWN)
    granted: dict[str, JsonValue] = {
        "type": rules.DETAIL_TYPE,
        "identifier": dataset.id,
        "actions": [rules.READ],
    }
    purpose, agreement_id = _text(detail.get("purpose")), _text(detail.get("agreement"))
    if is_own and agreement_id is None:
        return granted | ({"purpose": purpose} if purpose else {})
    claim = _permitted(ctx, dataset, participant_id, agreement_id, purpose)
    granted["agreement"] = claim.agreement_id
    return granted | ({"purpose": claim.purpose} if claim.purpose else {})


def _permitted(
    ctx: Context, dataset: Dataset, participant_id: str, agreement_id: str | None, purpose: str | None
) -> Claim:
    if agreement_id is not None:
        claims = [Claim(agreement_id, purpose)]
    else:
        in_force = agreements_in_force(ctx.session, participant_id, dataset.id, ctx.now)
        claims = [Claim(each.id, purpose) for each in in_force]
    ctx = replace(ctx, actor=replace(ctx.actor, participant_id=participant_id))
    newest = version_of(ctx.session, dataset.id, None)
    findings = [(claim, weigh_claim(ctx, dataset, newest, claim, participant_id)) for claim in claims]
    for claim, finding in findings:
        if finding.is_permit:
            return replace(claim, purpose=finding.purpose)
    if not findings:
        raise InvalidAuthorizationDetails(
            "Your organisation has no agreement in force on this dataset.",
            check=rules.Code.AGREEMENT_REQUIRED,
        )
    denial = findings[0][1]
    raise InvalidAuthorizationDetails(str(denial.for_requester["en"]), check=denial.code)


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
