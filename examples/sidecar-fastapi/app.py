"""A service that calls a slow partner through the proxy beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # No timeout here: the proxy has one for each way of being slow, and says which one was over.
    # No limit either: httpx lets 100 requests through at a time, and the others wait unseen.
    # trust_env: HTTP_PROXY would send the requests elsewhere.
    async with httpx.AsyncClient(
        base_url="http://127.0.0.1:8080/partner",
        timeout=None,
        limits=httpx.Limits(max_connections=None),
        trust_env=False,
    ) as partner:
        app.state.partner = partner
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/report")
async def report(seconds: float = 2) -> dict[str, object]:
    answer = await app.state.partner.get("/slow", params={"seconds": seconds})
    if answer.is_error:
        raise HTTPException(502, answer.headers.get("Proxy-Status", "the partner failed"))
    return {"partner": answer.json()}


@app.get("/flaky")
async def flaky() -> dict[str, object]:
    """The partner fails every other time; whoever calls this does not notice."""
    answer = await app.state.partner.get("/flaky")
    return {"status": answer.status_code, "partner": answer.json()}
