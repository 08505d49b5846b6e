"""The baseline: the same service as a newcomer writes it after the tutorials.

A synchronous endpoint, a pydantic model, an ORM session for each request with add, commit and
refresh, SQLite with its defaults (journal_mode=DELETE, synchronous=FULL, cache_size=-2000), one
uvicorn worker. It has the fields, the indexes and the token of the collector, on the same tables.

In one thing it is better than many: the session is closed in the endpoint. As a dependency with
``yield`` it waits for one of 40 threads to be closed in, while those wait for one of the pool's 15
connections: with 64 clients that is a standstill, and errors 500 after 30 s.

    uvicorn naive:app, with NAIVE_DB and NAIVE_TOKEN in the environment
"""

import os
import secrets
import time
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import LargeBinary, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

engine = create_engine(
    f"sqlite:///{os.environ['NAIVE_DB']}", connect_args={"check_same_thread": False}
)
SessionLocal = sessionmaker(bind=engine, autoflush=False)
TOKEN = os.environ["NAIVE_TOKEN"]


class Base(DeclarativeBase):
    pass


class Event(Base):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    type: Mapped[str] = mapped_column(index=True)
    timestamp: Mapped[int] = mapped_column(index=True)
    received_at: Mapped[int]
    hostname: Mapped[str] = mapped_column(index=True)
    user: Mapped[str | None] = mapped_column(index=True)
    method: Mapped[str | None]
    source_ip: Mapped[str | None]
    source_addr: Mapped[bytes | None] = mapped_column(LargeBinary, index=True)
    source_port: Mapped[int | None]
    key_type: Mapped[str | None]
    key_fingerprint: Mapped[str | None]
    certificate_id: Mapped[str | None]
    certificate_ca: Mapped[str | None]
    raw_message: Mapped[str | None]
    region: Mapped[str | None]
    host_group: Mapped[str | None]
    severity: Mapped[str | None]
    flagged: Mapped[bool]
    trusted: Mapped[bool]
    ambiguous: Mapped[bool]
    agent_version: Mapped[str | None]
    spool_depth: Mapped[int | None]
    extra: Mapped[str | None]


class EventIn(BaseModel):
    type: str
    timestamp: datetime
    hostname: str = Field(min_length=1, max_length=255)
    event_id: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    user: str | None = None
    method: str | None = None
    source_ip: str | None = None
    source_port: int | None = Field(default=None, ge=0, le=65_535)
    key_type: str | None = None
    key_fingerprint: str | None = None
    certificate_id: str | None = None
    certificate_ca: str | None = None
    raw_message: str | None = None
    region: str | None = None
    host_group: str | None = None
    severity: str | None = None
    flagged: bool = False
    trusted: bool = True
    ambiguous: bool = False
    agent_version: str | None = None
    spool_depth: int | None = None


class Answer(BaseModel):
    status: str
    id: int


def check_token(x_login_alert_token: Annotated[str, Header()]) -> None:
    if not secrets.compare_digest(x_login_alert_token, TOKEN):
        raise HTTPException(401, "not authorized")


app = FastAPI()


def sortable(address: str) -> bytes:
    packed = ip_address(address).packed
    return packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed


@app.post("/login", status_code=201, dependencies=[Depends(check_token)])
def login(event_in: EventIn) -> Answer:
    fields = event_in.model_dump()
    fields["timestamp"] = int(event_in.timestamp.timestamp() * 1_000_000)
    fields["event_id"] = bytes.fromhex(event_in.event_id) if event_in.event_id else None
    fields["source_addr"] = sortable(event_in.source_ip) if event_in.source_ip else None
    event = Event(**fields, received_at=time.time_ns() // 1_000)
    with SessionLocal() as session:
        session.add(event)
        session.commit()
        session.refresh(event)
        return Answer(status="ok", id=event.id)
