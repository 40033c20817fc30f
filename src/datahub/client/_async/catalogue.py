"""The catalogue: find datasets, describe and publish them."""

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any

from datahub.client import wire
from datahub.client._async.datasets import RIGHTS, AsyncDataset, Progress
from datahub.client._async.thing import AsyncThings
from datahub.client.errors import Conflict, NotFound

_NAMED = "“{ref}” names none: it is organisation/dataset, as city/air, or the dataset's id."


class AsyncDatasets(AsyncThings):
    """The catalogue: open to everybody; drafts to their own organisation."""

    async def search(
        self,
        q: str | None = None,
        *,
        publisher: str | None = None,
        keyword: str | None = None,
        theme: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        **filters: str,
    ) -> AsyncIterator[AsyncDataset]:
        """Give the datasets that match, page after page."""
        params = {"q": q, "publisher": publisher, "keyword": keyword, "theme": theme, "sort": sort, **filters}
        async for item in self._transport.pages(wire.path("datasets"), wire.clean(params), limit):
            yield AsyncDataset(self._transport, item)

    def __getitem__(self, ref: str) -> Awaitable[AsyncDataset]:
        """Return a dataset as `get` does; to be awaited where the hub awaits."""
        return self.get(ref)

    async def get(self, ref: str) -> AsyncDataset:
        """Return a dataset by its reference, `organisation/dataset`, or its id. Raises NotFound."""
        if wire.is_id(ref):
            return AsyncDataset(
                self._transport, await self._transport.json("GET", wire.path("datasets", ref))
            )
        if "/" not in ref:
            raise NotFound(404, {"title": "Dataset not found", "detail": _NAMED.format(ref=ref)})
        async for item in self._transport.pages(wire.path("datasets"), {"ref": ref}, 1):
            return AsyncDataset(self._transport, item)
        raise NotFound(
            404, {"title": "Dataset not found", "detail": f"There is no dataset {ref} that you may see."}
        )

    async def create(
        self,
        slug: str,
        *,
        title: str,
        description: str,
        kind: str = "table",
        access_rights: str = "RESTRICTED",
        **more: Any,
    ) -> AsyncDataset:
        """Describe a dataset; it starts as a draft. `more`: the API's further fields, as `licence` and `columns`."""
        body = {
            "slug": slug,
            "kind": kind,
            "title": {"en": title},
            "description": {"en": description},
            "accessRights": access_rights,
            **more,
        }
        return AsyncDataset(
            self._transport, await self._transport.json("POST", wire.path("datasets"), body=body)
        )

    async def publish(
        self,
        source: Any,
        *,
        slug: str,
        title: str,
        description: str,
        policy: str | Mapping[str, Any],
        parameters: Mapping[str, Any] | None = None,
        progress: Progress = None,
        **more: Any,
    ) -> AsyncDataset:
        """Describe, upload, publish and put on offer in one go, from a path or a data frame.

        `policy`: a template's name, with its `parameters`, or an ODRL policy. Called again for the same slug it goes
        on where it broke off, and adds a version to what is published. Raises Invalid, Conflict, Forbidden.
        """
        template, terms = (policy, None) if isinstance(policy, str) else (None, policy)
        more.setdefault("access_rights", RIGHTS.get(template or "", "RESTRICTED"))
        try:
            dataset = await self.create(slug, title=title, description=description, **more)
        except Conflict as taken:
            if not taken.problem.get("datasetId"):
                raise
            dataset = await self.get(str(taken.problem["datasetId"]))
        is_offered = any(each["state"] == "open" for each in await dataset.offers())
        if not is_offered:
            await dataset.check_terms(template, parameters, policy=terms)  # before a long upload, not after
        await dataset.upload(source, progress=progress)
        if not is_offered:
            await dataset.offer(template, parameters, policy=terms, title=title)
        if (await dataset.refresh()).state == "draft":
            await dataset.move("publish")
        return dataset
