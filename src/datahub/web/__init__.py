"""Pages and well-known addresses: landing, API reference without a CDN, refusals explained, health."""

from datahub.web.routes import router

__all__ = ["router"]
