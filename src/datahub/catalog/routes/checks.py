"""What the routes of the catalogue need from tiers above; `app` puts it in the state of the application."""

from collections.abc import Callable
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from datahub.catalog.rules.upstream import UpstreamCheck
from datahub.catalog.service.datasets import FitCheck, anything_fits
from datahub.catalog.service.offers import TermsCheck, any_terms
from datahub.kernel.context import Context


def _upstream_check(request: Request) -> UpstreamCheck:
    check: UpstreamCheck = request.app.state.upstream_check
    return check


Upstream = Annotated[UpstreamCheck, Depends(_upstream_check)]


def _fit_check(request: Request) -> FitCheck:
    check: FitCheck = getattr(request.app.state, "fit_check", anything_fits)
    return check


Fitting = Annotated[FitCheck, Depends(_fit_check)]


def _terms_check(request: Request) -> TermsCheck:
    check: TermsCheck = getattr(request.app.state, "terms_check", any_terms)
    return check


FittingTerms = Annotated[TermsCheck, Depends(_terms_check)]


ProfilesCheck: TypeAlias = Callable[[Context, str], bool]
"""Whether the actor may see the figures of the columns of a dataset's versions."""


def _profiles_check(request: Request) -> ProfilesCheck:
    check: ProfilesCheck = getattr(request.app.state, "profiles_check", lambda _ctx, _dataset_id: True)
    return check


Profiles = Annotated[ProfilesCheck, Depends(_profiles_check)]
