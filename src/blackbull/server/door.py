"""A listener's door: who is let in, and which protocols are offered a connection."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from blackbull.abc import ConnectionView, ProtocolBinding
from blackbull.errors import LimitExceeded
from blackbull.event_aggregator import CONNECTION_ACCEPTED, CONNECTION_CLOSED
from blackbull.log.access import AccessLog
from blackbull.observer import tell
from blackbull.transport.accepting import last_file_number, max_files
from blackbull.transport.deadline import Wheel
from blackbull.transport.socket_protocol import SocketProtocol

from .admission import Excess
from .connection_actor import begin_connection

if TYPE_CHECKING:
    from .server import Server


class Door:
    """One listener: which protocols are offered a connection that comes through it."""

    __slots__ = (
        "_admission", "_forget", "_limits", "_log", "_runner", "_silent", "aggregator",
        "candidates", "connections", "fallback", "leaving", "loop", "max_file_number", "name",
        "observers", "timeout", "wheel", "write_timeout",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        fallback: ProtocolBinding,
        *,
        candidates: tuple[ProtocolBinding, ...],
        server: Server,
        wheel: Wheel,
    ) -> None:
        self.name = name
        self.fallback = fallback
        self.leaving = server.leaving
        self.candidates = candidates
        self.loop = wheel.loop
        self.wheel = wheel
        self.aggregator = server.aggregator
        self.observers = server.observers
        self.connections = server.connections
        self.max_file_number = last_file_number()
        self.timeout = server.settings.header_timeout
        self.write_timeout = server.settings.write_timeout
        self._runner = server.runner
        self._limits = server.limit_log
        self._log = server.access_log
        # The protocols that tell the log more than that there was a connection; and none at all.
        self._silent = {"", *(b.name for b in (*candidates, fallback) if b.tells)}
        self._forget = server.forget
        self._admission = server.admission

    def lets_everybody_in(self) -> None:
        """Refuse nobody, however many there are."""
        self.max_file_number = sys.maxsize
        self._admission = self._admission.unbounded()

    @property
    def alpn(self) -> tuple[str, ...]:
        """What TLS may choose from, the preferred first (RFC 7301)."""
        return tuple(token for b in (*self.candidates, self.fallback) for token in b.alpn)

    def accepted(self, view: SocketProtocol) -> None:
        """Let a protocol serve *view*, or turn it away when there are too many."""
        view.opened_at = self.loop.time()
        self.connections.add(view)
        if self._log is not None:
            _ = view.peername  # the log asks when the socket may be closed already
        if (excess := self._admission.enter(view)) is not None:
            self._refuse(view, excess)
            return
        # The system gives the lowest descriptor that is free: this one's number says how many
        # are in use, by whomever.
        if (number := view.file_number) >= self.max_file_number:
            self._refuse(view, Excess("open_files", number + 1, self.max_file_number))
            return
        begin_connection(
            view,
            self.candidates,
            fallback=self.fallback,
            runner=self._runner,
            timeout=self.timeout,
            on_chosen=self._chosen,
        )

    def files_exhausted(self, error: OSError) -> None:
        """Record that connections were closed for want of a descriptor."""
        allowed = max_files()
        self._limits.record(
            "open_files", protocol=self.name, requested=allowed + 1, allowed=allowed
        )

    def closed(self, view: SocketProtocol, error: Exception | None) -> None:
        """Forget *view*."""
        self._forget(view)
        self._admission.leave(view)
        if view.limited:
            self._limits.close(view.connection_id)
        if self._log is not None and view.protocol not in self._silent:
            self._report(view, error, self._log)
        if self.observers:
            seconds = self.loop.time() - view.opened_at
            tell(self.observers, lambda each: each.connection_closed(view.protocol, seconds))
        if self.aggregator is not None and self.aggregator.has_listeners(CONNECTION_CLOSED):
            self.aggregator.connection_closed_soon(
                view.peername, view.protocol, (self.loop.time() - view.opened_at) * 1000.0
            )

    def record_limit(self, view: SocketProtocol, limit: LimitExceeded) -> None:
        """Log that the peer of *view* went past *limit*."""
        self._limits.record(
            limit, peer=view.peername, protocol=view.protocol, key=view.connection_id
        )

    def _refuse(self, view: SocketProtocol, excess: Excess) -> None:
        self._limits.record(
            excess.limit,
            peer=view.peername,
            protocol=self.name,
            requested=excess.seen,
            allowed=excess.allowed,
        )
        named = [b for b in self.candidates if view.alpn in b.alpn]
        refuser = named[0] if named else self.fallback
        view.protocol = refuser.name
        self._chosen(view)
        view.note(error=excess.why.value)
        self._runner.refuse(refuser, view, excess.why)

    def _report(self, view: SocketProtocol, error: Exception | None, log: AccessLog) -> None:
        """Tell the access log of a connection that is over."""
        received, sent = view.traffic
        details = dict(view.notes or ())
        if error is not None:
            details["disconnected"] = True
        log.connection(
            view,
            protocol=view.protocol,
            received=cast("int", details.pop("received", received)),
            sent=cast("int", details.pop("sent", sent)),
            began=view.opened_at,
            details=details,
        )

    def _chosen(self, view: ConnectionView) -> None:
        if self.observers:
            tell(self.observers, lambda each: each.connection_opened(view.protocol))
        if self.aggregator is not None and self.aggregator.has_listeners(CONNECTION_ACCEPTED):
            self.aggregator.connection_accepted_soon(view.peername, view.protocol)
