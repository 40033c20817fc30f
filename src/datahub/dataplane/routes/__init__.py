"""REST routes of the data plane, and how a delivery is sent."""

from datahub.dataplane.routes.fetch import router

__all__ = ["router"]
