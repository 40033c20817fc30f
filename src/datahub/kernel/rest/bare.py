"""What a bare ASGI door in front of the app needs: to give a message back, and to refuse as the app would."""

from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datahub.kernel.errors import Refusal
from datahub.kernel.rest.problems import problem


def again(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that gives a message already taken, then goes on."""
    taken: list[Message] = [message]

    async def replayed() -> Message:
        return taken.pop() if taken else await receive()

    return replayed


def refusing(app: FastAPI, refusal: Refusal) -> ASGIApp:
    """Return an app that answers with this refusal, as problem details."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        await problem(Request(scope), refusal)(scope, receive, send)

    return answer
