"""Routes of the authorization server: REST about clients and keys, and OAuth's own endpoints."""

from fastapi import APIRouter

from datahub.oauth.routes import clients, protocol
from datahub.oauth.routes.token_door import TokenDoor

router = APIRouter()
router.include_router(clients.router)
router.include_router(protocol.router)

__all__ = ["TokenDoor", "router"]
