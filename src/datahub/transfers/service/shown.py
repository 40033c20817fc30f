"""How an agreement shows the columns of a version to its consumer: as they are, behind a mask, or not at all."""

from collections.abc import Mapping
from datetime import datetime

from datahub.catalog import DatasetVersion, dataset_by_id
from datahub.contracts import Agreement, facts_of
from datahub.kernel.context import Context
from datahub.participants import Role, identifiers_of, participant_by_id
from datahub.policy import counters, owed, plan
from datahub.transfers import rules
from datahub.transfers.service.weighing import compiled

AS_IT_IS = "as-it-is"


def shown_as(ctx: Context, agreement: Agreement, version: DatasetVersion, at: datetime) -> Mapping[str, str]:
    """Return each column that a consumer could receive at an instant, with the mask on it, or `as-it-is`.

    What only the attempt itself could tell (who of the consumer's people asked, how much was used before) is taken at
    its best: a column is told rather than forgotten.
    """
    consumer = participant_by_id(ctx.session, agreement.consumer_id)
    dataset = dataset_by_id(ctx.session, agreement.dataset_id)
    if consumer is None or dataset is None:
        return {}
    policy = compiled(agreement.policy_hash, agreement.policy)
    facts = facts_of(
        consumer,
        identifiers_of(ctx, [consumer.id])[consumer.id],
        agreement.purpose,
        action=rules.ASKED[rules.READ],
        now=at,
        target=rules.target_names(dataset.id, ctx.settings.base_url),
        roles=sorted(Role),
        contracts=[agreement.id, f"urn:uuid:{agreement.id}"],
        agreed_at=agreement.valid_from,
        published_at=dataset.published_at,
        agreed=True,
        counts={each.name: 0 for each in counters(policy)},
        duties={each.key: "fulfilled" for each in owed(policy)},
    )
    schema = {each["name"]: rules.sort_of(each["type"]) for each in version.columns or ()}
    found = plan(policy, facts, schema)
    masks = {cell.column: [mask.method for mask, _ in cell.masked] for cell in found.cells}
    return {name: masks[name][0] if masks[name] else AS_IT_IS for name in found.columns}
