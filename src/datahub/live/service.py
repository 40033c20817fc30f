"""The verbs on live APIs: register, show, remove; and authorise one call."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from datahub.audit import About, record
from datahub.catalog import (
    Dataset,
    DatasetKind,
    DatasetVersion,
    add_live_version,
    dataset_to_change,
    get_dataset,
    must_be_open,
)
from datahub.consent import must_fit_rule
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.http import check_url
from datahub.live import store, vault
from datahub.live.errors import InvalidLiveApi, LiveApiNotFound, TooManyCalls
from datahub.live.models import LiveApi
from datahub.live.rules import Call, Definition, Wanted, read_call
from datahub.transfers import ReadDenial, ReadPermit, ReadRequest, Release, authorise_read

ANYBODY = "anybody"
_MINUTE_S = 60


@dataclass(frozen=True)
class Passage:
    """One permitted call: what to ask upstream, and through what its answer must go."""

    call: Call
    definition: Definition
    credential: dict[str, str] = field(repr=False)
    release: Release | None
    form: str | None

    @property
    def columns(self) -> Sequence[str] | None:
        """Return the columns that may leave; None where answers are passed on as they are."""
        mapping = self.definition["mapping"]
        if mapping is None:
            return None
        return self.release.columns if self.release else [each["name"] for each in mapping["columns"]]

    @property
    def touched(self) -> Sequence[str]:
        """Return the columns that leave."""
        return self.columns or ()

    @property
    def details(self) -> Mapping[str, Any]:
        """Return what the log keeps: which call with which parameters, never their values."""
        said: dict[str, Any] = {
            "live": True,
            "method": self.call.method,
            "path": self.call.template,
            "parameters": list(self.call.parameters),
        }
        if self.release is not None:
            said["isByPlan"] = True
            said["masks"] = {name: list(methods) for name, methods in self.release.masks.items()}
        return said


def put_api(
    ctx: Context,
    dataset_id: str,
    definition: dict[str, Any],
    credential: Mapping[str, str] | None,
    *,
    is_kept: bool,
) -> LiveApi:
    """Register a dataset's live API, or replace it; `is_kept`: the credential stays as it was.

    Raises DatasetNotFound, DatasetChangeNotAllowed, DatasetWithdrawn, DatasetIsStored, InvalidLiveApi,
    AddressNotAllowed.
    """
    dataset = dataset_to_change(ctx, dataset_id)
    must_be_open(dataset)
    _check(dataset, definition)
    check_url(definition["baseUrl"], ctx.settings)
    mapping = definition["mapping"]
    digest = hashlib.sha256(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)).hexdigest()
    columns = (
        [{name: value for name, value in each.items() if name != "pointer"} for each in mapping["columns"]]
        if mapping
        else None
    )
    most = definition["limits"]["responseBytes"]
    version = add_live_version(
        ctx, dataset.id, columns, most_bytes=most, sha256=digest, must_fit=must_fit_rule
    )
    api = store.api_of(ctx.session, dataset.id, is_locked=True)
    if api is None:
        api = LiveApi(
            dataset_id=dataset.id,
            version=version.number,
            definition=definition,
            created_at=ctx.now,
            modified_at=ctx.now,
        )
        ctx.session.add(api)
    else:
        api.version, api.definition, api.modified_at = version.number, definition, ctx.now
        api.revision += 1
    if not is_kept:
        api.sealed = None if credential is None else vault.seal(ctx.settings, dataset.id, credential)
        api.sealed_at = None if credential is None else ctx.now
    ctx.session.flush()
    details = {"sha256": digest, "hasCredential": api.sealed is not None, "isCredentialNew": not is_kept}
    record(ctx, "api.write", _about(dataset, version, details))
    return api


def get_api(ctx: Context, dataset_id: str) -> LiveApi:
    """Return the live API of a dataset the actor may see. Raises DatasetNotFound, LiveApiNotFound."""
    api = store.api_of(ctx.session, get_dataset(ctx, dataset_id).id)
    if api is None:
        raise LiveApiNotFound("This dataset has no live API.")
    return api


def may_see_upstream(ctx: Context, api: LiveApi) -> bool:
    """Tell whether the actor is of the organisation whose service it is."""
    return get_dataset(ctx, api.dataset_id).provider_id == ctx.actor.participant_id


def api_to_change(ctx: Context, dataset_id: str) -> LiveApi | None:
    """Return the live API of a dataset of the actor's own. Raises DatasetNotFound, DatasetChangeNotAllowed."""
    return store.api_of(ctx.session, dataset_to_change(ctx, dataset_id).id, is_locked=True)


def remove_api(ctx: Context, dataset_id: str) -> None:
    """Remove a live API with its credential: from then on no call goes through.

    Raises DatasetNotFound, DatasetChangeNotAllowed, LiveApiNotFound.
    """
    dataset = dataset_to_change(ctx, dataset_id)
    api = store.api_of(ctx.session, dataset.id, is_locked=True)
    if api is None:
        raise LiveApiNotFound("This dataset has no live API.")
    store.remove_api(ctx.session, api)
    record(ctx, "api.remove", _about(dataset, None, {}))


def authorise_call(
    ctx: Context, dataset_id: str, wanted: Wanted, choose: Callable[[], str]
) -> ReadPermit[Passage] | ReadDenial:
    """Decide one call and write decision and entry; nothing has been asked upstream yet.

    Raises DataNotFound, and once the read is permitted LiveApiNotFound, CallNotOffered, InvalidCall, TooManyCalls,
    NotAcceptable, CredentialUnreadable.
    """

    def plan(version: DatasetVersion, release: Release | None) -> Passage:
        api = store.api_of(ctx.session, version.dataset_id)
        if api is None or not version.is_live:
            raise LiveApiNotFound("This dataset has no live API.")
        call = read_call(api.definition, wanted)
        form = choose() if api.definition["mapping"] is not None else None
        _count(ctx, api)
        credential = vault.headers_of(ctx.settings, api.dataset_id, api.sealed)
        return Passage(call, api.definition, credential, release, form)

    return authorise_read(ctx, ReadRequest(dataset_id, plan))


def _count(ctx: Context, api: LiveApi) -> None:
    minute, second = divmod(int(ctx.now.timestamp()), _MINUTE_S)
    most = api.definition["limits"]["callsPerMinute"]
    if store.count_call(ctx.session, api.dataset_id, ctx.actor.participant_id or ANYBODY, minute) > most:
        raise TooManyCalls(
            f"This API takes {most} calls of one organisation in a minute.",
            retryAfter=_MINUTE_S - second,
            datasetId=api.dataset_id,
        )


def _check(dataset: Dataset, definition: Definition) -> None:
    is_table = dataset.kind == DatasetKind.TABLE
    faults = []
    if is_table and definition["mapping"] is None:
        faults.append(Fault("/mapping", "a table needs to know where in an answer its rows are", "missing"))
    if not is_table and definition["mapping"] is not None:
        faults.append(
            Fault("/mapping", "a dataset of files has no rows; describe it as a table", "misplaced")
        )
    seen: set[tuple[str, str]] = set()
    for at, each in enumerate(definition["paths"]):
        shape = "/".join("{}" if part.startswith("{") else part for part in each["path"].split("/"))
        for method in each["methods"]:
            if (method, shape) in seen:
                faults.append(Fault(f"/paths/{at}/path", "another path means the same", "doubled"))
            seen.add((method, shape))
    if faults:
        raise InvalidLiveApi("The live API does not fit this dataset; see errors.", faults=faults)


def _about(dataset: Dataset, version: DatasetVersion | None, details: Mapping[str, Any]) -> About:
    return About(
        thing_id=dataset.id,
        provider_id=dataset.provider_id,
        dataset_id=dataset.id,
        dataset_version=version.number if version else None,
        details=details,
    )
