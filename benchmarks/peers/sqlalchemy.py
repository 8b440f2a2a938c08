"""FastAPI with an SQLAlchemy session for each request, on SQLite in WAL mode with FULL."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, FastAPI
from sqlalchemy import JSON, event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.peers.requests import Accepted, Notification, accepted

engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['DATABASE']}")
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """The base of the tables."""

    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012  # as SQLAlchemy reads it


class Row(Base):
    """An accepted notification."""

    __tablename__ = "notifications"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    to: Mapped[list[str]]
    data: Mapped[dict[str, Any]]
    priority: Mapped[str | None]
    channels: Mapped[list[str] | None]
    locale: Mapped[str | None]
    send_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    reference: Mapped[str | None]


@event.listens_for(engine.sync_engine, "connect")
def _durable(connection: Any, _: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=20000"):
        connection.execute(f"PRAGMA {pragma}")


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


async def _session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


app = FastAPI(lifespan=_lifespan)


@app.post("/v1/notifications", status_code=202)
async def accept(
    notification: Notification, session: Annotated[AsyncSession, Depends(_session)]
) -> Accepted:
    """Answer once it is committed."""
    row = Row(id=str(uuid4()), **notification.model_dump())
    session.add(row)
    await session.commit()
    return accepted(row.id, notification)
