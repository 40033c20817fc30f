"""An exchange for each test, on SQLite and on PostgreSQL in turn."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from datahub.participants import Participant
from tests.build import a_participant
from tests.oauth.making import Hub, SetClock, Site, a_hub


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def hub(tmp_path: Path, migrated_url: str, clock: SetClock) -> Iterator[Hub]:
    made = a_hub(tmp_path, migrated_url, clock)
    yield made
    made.engine.dispose()


@pytest.fixture
def one_hub(tmp_path: Path, migrated_sqlite_url: str, clock: SetClock) -> Iterator[Hub]:
    """An exchange on SQLite only, for what has nothing to do with the database."""
    made = a_hub(tmp_path, migrated_sqlite_url, clock)
    yield made
    made.engine.dispose()


@pytest.fixture
def organisation(hub: Hub) -> Participant:
    return a_participant(hub.engine, "waterschap")


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.visits.append(self.path)
            self.send_response(made.status)
            if made.location:
                self.send_header("Location", made.location)
            self.send_header("Content-Length", str(len(made.body)))
            self.end_headers()
            self.wfile.write(made.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/jwks"
    yield made
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)
