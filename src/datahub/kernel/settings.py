"""All settings, read once at start and passed on: environment variables `DATAHUB_*`, then defaults.

The default is a complete exchange in one folder: SQLite, local files, a master key in a 0600 file.
"""

import base64
import binascii
import ipaddress
import os
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MASTER_KEY_BYTES = 32


class Settings(BaseSettings):
    """The frozen settings of one process. A half-set security option is refused at start, with what to do."""

    model_config = SettingsConfigDict(env_prefix="DATAHUB_", frozen=True, extra="ignore")

    home: Path = Field(default=Path("datahub-data"), description="Folder for the database, files and keys.")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty means SQLite in `home`.")
    storage_url: str = Field(
        default="", description="`file:///…` or `s3://bucket/prefix`; empty means `home/objects`."
    )
    base_url: str = Field(default="http://127.0.0.1:8000", description="Public URL; also the token issuer.")
    master_key: SecretStr = Field(
        default=SecretStr(""), description="32 bytes, base64url; empty means `home/master.key`."
    )
    token_lifetime_s: int = Field(
        default=600, ge=30, le=3600, description="Life of an access token, seconds."
    )
    tokens_per_minute: int = Field(
        default=60_000,
        ge=10,
        description="Calls of OAuth's endpoints by one client in a minute, per process.",
    )
    ishare_id: str = Field(
        default="",
        description="The exchange's iSHARE id, e.g. EU.EORI.NL000000001; empty: no iSHARE clients.",
    )
    trust_anchors: Path | None = Field(
        default=None, description="PEM file of the roots that clients' certificates (x5c) must lead to."
    )
    revocation_lists: Literal["required", "when-reachable", "ignored"] = Field(
        default="required",
        description="Whether a client's certificate is refused when no revocation list (CRL) tells it is still good.",
    )
    client_metadata_documents: bool = Field(
        default=False,
        description="Let organisations register clients by the address of a metadata document, their client_id then.",
    )
    key_rotation_days: int = Field(
        default=90, ge=1, description="Age at which a signing key is replaced, days."
    )
    max_body_bytes: int = Field(
        default=1 << 20, ge=1024, description="Largest request body but for uploads, bytes."
    )
    max_upload_bytes: int = Field(default=1 << 40, ge=1024, description="Largest upload, bytes.")
    engine_memory_mb: int = Field(default=512, ge=128, description="Memory for the query engine, MiB.")
    log_audit_jobs: int = Field(
        default=1, ge=1, description="Processes that the access log's daily self-audit may use, a core each."
    )
    log_records_days: int = Field(
        default=1826, ge=30, description="How long records of the access log are kept, days (5 years)."
    )
    log_leaves_days: int = Field(
        default=2192,
        ge=30,
        description="How long leaves of the log are kept, days; not less than the records.",
    )
    query_memory_mb: int = Field(
        default=512, ge=128, description="Memory for one question or one SELECT, MiB."
    )
    query_time_s: float = Field(
        default=30, gt=0, le=600, description="Time for one question or one SELECT, seconds."
    )
    query_slots: int = Field(default=2, ge=1, description="Queries that run at once in one process.")
    queries_per_day: int = Field(
        default=100, ge=1, description="Results-only queries per agreement in 24 hours."
    )
    duty_days: int = Field(
        default=30, ge=1, le=365, description="Term of recalls, and of duties that state none, days."
    )
    recall_gather_s: int = Field(
        default=300,
        ge=0,
        le=86_400,
        description="How long people are gathered into one recall of an agreement before it goes out, seconds.",
    )
    person_logins: Path | None = Field(
        default=None,
        description="TOML file of the OpenID providers by which people reach their own consents; empty: links only.",
    )
    contact_name: str = Field(default="Datahub operators", description="Who runs this exchange.")
    contact_url: str = Field(
        default="https://example.org/datahub", description="Where to read about this exchange."
    )
    contact_email: str = Field(
        default="operators@example.org", description="Where to write to the operators."
    )
    is_egress_private: bool = Field(
        default=False, description="Let callbacks reach private addresses (tests only)."
    )

    @model_validator(mode="after")
    def _derive_and_check(self) -> Self:
        home = self.home.absolute()
        filled = {
            "home": home,
            "database_url": self.database_url or f"sqlite:///{home}/datahub.db",
            "storage_url": self.storage_url or f"file://{home}/objects",
            "base_url": self.base_url.rstrip("/"),
        }
        for name, value in filled.items():
            object.__setattr__(self, name, value)  # frozen for everyone else
        if self.ishare_id and self.trust_anchors is None:
            msg = "DATAHUB_ISHARE_ID needs DATAHUB_TRUST_ANCHORS: iSHARE clients prove themselves by certificates"
            raise ValueError(msg)
        if self.trust_anchors is not None and not self.trust_anchors.is_file():
            msg = f"DATAHUB_TRUST_ANCHORS {str(self.trust_anchors)!r} is not a file"
            raise ValueError(msg)
        url = urlsplit(self.base_url)
        if not url.hostname or url.query or url.fragment:
            msg = f"DATAHUB_BASE_URL {self.base_url!r} is not a plain http(s) URL"
            raise ValueError(msg)
        if url.scheme != "https" and not is_loopback(url.hostname):
            msg = f"DATAHUB_BASE_URL {self.base_url!r} must use https, because tokens travel on it"
            raise ValueError(msg)
        if self.log_leaves_days < self.log_records_days:
            msg = "DATAHUB_LOG_LEAVES_DAYS must not be less than DATAHUB_LOG_RECORDS_DAYS"
            raise ValueError(msg)
        return self

    @property
    def master_key_path(self) -> Path:
        """Return where the master key lives when it is not in the environment."""
        return self.home / "master.key"

    def derive_key(self, purpose: str) -> bytes:
        """Return the 32-byte key for one purpose, derived from the master key (HKDF, RFC 5869).

        Raises:
            RuntimeError: there is no master key, or it is not 32 bytes in base64url.

        """
        text = self.master_key.get_secret_value()
        if not text:
            if not self.master_key_path.exists():
                msg = (
                    f"no master key: run `datahub init`, or set DATAHUB_MASTER_KEY or {self.master_key_path}"
                )
                raise RuntimeError(msg)
            text = self.master_key_path.read_text().strip()
        try:
            master = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            master = b""
        if len(master) != MASTER_KEY_BYTES:
            msg = "the master key must be 32 bytes in base64url"
            raise RuntimeError(msg)
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"datahub/{purpose}".encode()).derive(
            master
        )


def s3_endpoint() -> str:
    """Return where a bucket's server is, from the variables that all clients of S3 share; empty means Amazon's own."""
    return os.environ.get("AWS_ENDPOINT") or os.environ.get("AWS_ENDPOINT_URL") or ""


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
