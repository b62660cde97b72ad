"""A Starlette application that cannot start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    raise RuntimeError("there is no database: set DATABASE_URL")
    yield


app = Starlette(lifespan=lifespan)
