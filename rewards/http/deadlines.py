# pyright: basic
"""HTTP/1.1 connections with deadlines: for the headers of a request, and for reading the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 512
"""open at the same time; with more, the oldest that has not sent its headers is closed"""
ANSWER_READ_S = 60.0
"""for a client that does not read what it is sent"""
LINGER_S = 2.0
"""for what is in the buffer of a connection that is closed"""


class DeadlineProtocol(H11Protocol):
    """uvicorn's protocol, which by itself waits for ever for headers and for a client that reads.

    Headers count from the first byte, or from the connection, until they are whole; a body has its own deadline, in the
    application, which can answer. `waiting` are the connections of this server that wait for headers, oldest first.
    """

    def __init__(self, *arguments: Any, header_timeout_s: float, waiting: dict[DeadlineProtocol, None], **more: Any):
        super().__init__(*arguments, **more)
        self._header_timeout_s, self._waiting = header_timeout_s, waiting
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > CONNECTIONS:
            next(iter(self._waiting)).refuse_slow()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_header_timer(None)
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(ANSWER_READ_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._linger()

    def send_400_response(self, msg: str) -> None:
        self._end(400, "the request is not HTTP/1.1")

    def refuse_slow(self) -> None:
        """Ends a connection that has not sent whole headers."""
        self._end(408, "the headers of the request did not arrive in time")

    def _watch(self) -> None:
        """Starts the clock for headers where none are whole, and stops it where they are."""
        if self.transport.is_closing() or (self.cycle is not None and not self.cycle.response_complete):
            self._set_header_timer(None)
        elif self._header_timer is None:
            self._set_header_timer(self.loop.call_later(self._header_timeout_s, self.refuse_slow))

    def _set_header_timer(self, timer: asyncio.TimerHandle | None) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
        self._header_timer = timer
        if timer is None:
            self._waiting.pop(self, None)
        else:
            self._waiting[self] = None

    def _end(self, status: int, reason: str) -> None:
        """Says why, if nothing else is being said, and closes."""
        self._set_header_timer(None)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = b'{"detail":"%s"}' % reason.encode()
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            self.transport.write(self.conn.send(h11.Response(status_code=status, headers=headers)) or b"")
            self.transport.write(self.conn.send(h11.Data(data=body)) or b"")
        self.transport.close()
        self._linger()

    def _linger(self) -> None:
        self.loop.call_later(LINGER_S, self.transport.abort)
