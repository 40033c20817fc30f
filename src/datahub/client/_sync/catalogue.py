# Made from _async/catalogue.py by tests/client/unasync.py; change it there.
"""The catalogue: find datasets, describe and publish them."""

from collections.abc import Iterator, Mapping
from typing import Any

from datahub.client import wire
from datahub.client._sync.datasets import RIGHTS, Dataset, Progress
from datahub.client._sync.thing import Things
from datahub.client.errors import Conflict, NotFound

_NAMED = "“{ref}” names none: it is organisation/dataset, as city/air, or the dataset's id."


class Datasets(Things):
    """The catalogue: open to everybody; drafts to their own organisation."""

    def search(
        self,
        q: str | None = None,
        *,
        publisher: str | None = None,
        keyword: str | None = None,
        theme: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        **filters: str,
    ) -> Iterator[Dataset]:
        """Give the datasets that match, page after page."""
        params = {"q": q, "publisher": publisher, "keyword": keyword, "theme": theme, "sort": sort, **filters}
        for item in self._transport.pages(wire.path("datasets"), wire.clean(params), limit):
            yield Dataset(self._transport, item)

    def __getitem__(self, ref: str) -> Dataset:
        """Return a dataset as `get` does."""
        return self.get(ref)

    def get(self, ref: str) -> Dataset:
        """Return a dataset by its reference, `organisation/dataset`, or its id. Raises NotFound."""
        if wire.is_id(ref):
            return Dataset(self._transport, self._transport.json("GET", wire.path("datasets", ref)))
        if "/" not in ref:
            raise NotFound(404, {"title": "Dataset not found", "detail": _NAMED.format(ref=ref)})
        for item in self._transport.pages(wire.path("datasets"), {"ref": ref}, 1):
            return Dataset(self._transport, item)
        raise NotFound(
            404, {"title": "Dataset not found", "detail": f"There is no dataset {ref} that you may see."}
        )

    def create(
        self,
        slug: str,
        *,
        title: str,
        description: str,
        kind: str = "table",
        access_rights: str = "RESTRICTED",
        **more: Any,
    ) -> Dataset:
        """Describe a dataset; it starts as a draft. `more`: the API's further fields, as `licence` and `columns`."""
        body = {
            "slug": slug,
            "kind": kind,
            "title": {"en": title},
            "description": {"en": description},
            "accessRights": access_rights,
            **more,
        }
        return Dataset(self._transport, self._transport.json("POST", wire.path("datasets"), body=body))

    def publish(
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
    ) -> Dataset:
        """Describe, upload, publish and put on offer in one go, from a path or a data frame.

        `policy`: a template's name, with its `parameters`, or an ODRL policy. Called again for the same slug it goes
        on where it broke off, and adds a version to what is published. Raises Invalid, Conflict, Forbidden.
        """
        template, terms = (policy, None) if isinstance(policy, str) else (None, policy)
        more.setdefault("access_rights", RIGHTS.get(template or "", "RESTRICTED"))
        try:
            dataset = self.create(slug, title=title, description=description, **more)
        except Conflict as taken:
            if not taken.problem.get("datasetId"):
                raise
            dataset = self.get(str(taken.problem["datasetId"]))
        is_offered = any(each["state"] == "open" for each in dataset.offers())
        if not is_offered:
            dataset.check_terms(template, parameters, policy=terms)  # before a long upload, not after
        dataset.upload(source, progress=progress)
        if not is_offered:
            dataset.offer(template, parameters, policy=terms, title=title)
        if (dataset.refresh()).state == "draft":
            dataset.move("publish")
        return dataset
