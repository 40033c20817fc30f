"""REST routes of the catalogue, one module per concept; `router` holds them all."""

from fastapi import APIRouter

router = APIRouter()
