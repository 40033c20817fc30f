"""An exchange that is made up at the network's edge: a hub, what it is answered, and the calls it made."""

from collections.abc import Callable

import httpx2

from datahub.client import Hub, Profile, Retries

METADATA = {"issuer": "http://hub.example", "token_endpoint": "http://hub.example/oauth/token"}
Answer = httpx2.Response | Exception
QUICK = Retries(first_pause_s=0.001)


def a_hub(
    answers: Callable[[httpx2.Request], Answer], *, profile: Profile | None = None
) -> tuple[Hub, list[httpx2.Request]]:
    """A hub, and the calls it made, with what it is answered."""
    calls: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        calls.append(request)
        found = answers(request)
        if isinstance(found, Exception):
            raise found
        return found

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return Hub(profile=profile or Profile(url="http://hub.example"), http=http, retries=QUICK), calls


def in_turn(*answers: Answer) -> Callable[[httpx2.Request], Answer]:
    left = iter(answers)
    return lambda _: next(left)


def tokens(
    *answers: httpx2.Response | Exception, lifetime_s: int = 600
) -> Callable[[httpx2.Request], Answer]:
    """Metadata and data answer well; the token endpoint as told, and then with tokens."""
    left, count = iter(answers), iter(range(100))

    def answer(request: httpx2.Request) -> Answer:
        if request.url.path.startswith("/.well-known"):
            return httpx2.Response(200, json=METADATA)
        if request.url.path == "/oauth/token":
            said = {"access_token": f"t{next(count)}", "token_type": "Bearer", "expires_in": lifetime_s}
            return next(left, httpx2.Response(200, json=said))
        return httpx2.Response(200, json={"items": [], "nextCursor": None})

    return answer
