"""Bytes out: tables and files streamed to whoever may have them now.

One delivery: decide (and have decision and log entry committed), open, send block by block, record how it ended. If the
log cannot be written, nothing is sent. RFC 9110 (representations, ranges), RFC 9530 (digests), RFC 6266 (file names).
"""

from datahub.dataplane.errors import DataUnavailable
from datahub.dataplane.formats import StreamAborted, TableFormat, stream_table
from datahub.dataplane.routes.delivery import Delivery, Visit
from datahub.dataplane.routes.door import HotDoor
from datahub.dataplane.scan import Scan, ScanFaults, plan_scan

__all__ = [
    "DataUnavailable",
    "Delivery",
    "HotDoor",
    "Scan",
    "ScanFaults",
    "StreamAborted",
    "TableFormat",
    "Visit",
    "plan_scan",
    "stream_table",
]
