"""The exchange from Python: find, publish, ask for, read; `Hub` waits, `AsyncHub` awaits.

    from datahub.client import Hub
    hub = Hub()                                   # profile `default`, or DATAHUB_* variables
    frame = hub.datasets["city/air"].to_pandas()

Installed with `pip install datahub[client]`, without the server. Errors are a small tree under `DatahubError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from datahub.client.errors import (
    Conflict,
    DatahubError,
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotConfigured,
    NotFound,
    NotReachable,
    PolicyDenied,
    RateLimited,
    Refused,
    ServerFailed,
    TransferBroken,
)

if TYPE_CHECKING:
    from datahub.client import credentials, profiles
    from datahub.client._async.hub import AsyncHub
    from datahub.client._sync.files import can_resume
    from datahub.client._sync.hub import Hub
    from datahub.client._sync.stretches import FROM_BYTES
    from datahub.client.explanation import Explanation
    from datahub.client.profiles import Profile
    from datahub.client.wire import Retries, is_id

__all__ = [
    "FROM_BYTES",
    "AsyncHub",
    "Conflict",
    "DatahubError",
    "Explanation",
    "Forbidden",
    "Hub",
    "Invalid",
    "NotAuthenticated",
    "NotConfigured",
    "NotFound",
    "NotReachable",
    "PolicyDenied",
    "Profile",
    "RateLimited",
    "Refused",
    "Retries",
    "ServerFailed",
    "TransferBroken",
    "can_resume",
    "credentials",
    "is_id",
    "profiles",
]
# Loaded when first asked for: a program that only catches errors, or only starts, waits for nothing else.
_LAZY = {
    "AsyncHub": "datahub.client._async.hub",
    "Explanation": "datahub.client.explanation",
    "FROM_BYTES": "datahub.client._sync.stretches",
    "Hub": "datahub.client._sync.hub",
    "Profile": "datahub.client.profiles",
    "Retries": "datahub.client.wire",
    "can_resume": "datahub.client._sync.files",
    "is_id": "datahub.client.wire",
}
_MODULES = ("credentials", "profiles")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
