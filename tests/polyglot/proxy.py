"""A TCP proxy that does to connections what networks do to them.

One thread owns all sockets, so that a reset is sent at once: nobody else holds the socket that it closes.
"""

import errno
import queue
import select
import selectors
import socket
import struct
import threading

from .relay import free_port

CHUNK = 64 << 10
# What the kernel may hold of what a client does not read. Without it, some MB.
SEND_BUFFER = 64 << 10


class _Connection:
    def __init__(self, client, upstream):
        self.client, self.upstream = client, upstream
        # What was read from one end and not yet taken by the other.
        self.pending = {client: b"", upstream: b""}
        self.is_frozen = False
        # So many bytes more to the client, then a reset. None: no limit.
        self.allowance = None
        # The first bytes that the client said, and how many it got.
        self.said = b""
        self.got = 0

    def other(self, end):
        return self.upstream if end is self.client else self.client


class Proxy:
    """Between a client and `upstream` ("host:port")."""

    def __init__(self, upstream):
        host, port = upstream.rsplit(":", 1)
        self._upstream = (host, int(port))
        self._port = None
        # Connections accepted so far, and bytes passed on to clients.
        self.accepted = 0
        self.forwarded = 0
        self._connections = []
        self._is_freezing = False
        self._allowances = []
        self._selector = selectors.DefaultSelector()
        self._orders = queue.SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._listener = None
        while self._listener is None:
            self._port = free_port()
            try:
                self._listen()
            except OSError as error:
                # Somebody else was quicker.
                if error.errno != errno.EADDRINUSE:
                    raise
        self.address = f"127.0.0.1:{self._port}"
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    # --- what a test orders

    def freeze(self):
        """Passes nothing on any more, without closing anything; new connections are accepted and hear nothing."""

        def order():
            self._is_freezing = True
            for connection in self._connections:
                self._freeze(connection)

        self._do(order)

    def refuse(self):
        """Resets all connections, and refuses new ones."""

        def order():
            # A port that is bound without being listened to refuses, and stays ours.
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = self._bound()
            self._reset_all()

        self._do(order)

    def reset(self):
        """Resets all connections, with whatever is under way."""
        self._do(self._reset_all)

    def reset_after(self, *allowances):
        """Resets each of the next connections after so many bytes to the client, in the middle of what comes then."""
        self._do(lambda: self._allowances.extend(allowances))

    def heal(self):
        """New connections work again. What was frozen stays so, as with a router that forgot about it."""

        def order():
            self._is_freezing = False
            if self._listener not in self._selector.get_map():
                self._listener.close()
                self._listen()

        self._do(order)

    def open_connections(self):
        """How many connections are there that the client got something from, and has not closed."""
        return self._do(lambda: sum(each.got > 0 and not _is_closed_by_peer(each.client) for each in self._connections))

    def said(self):
        """The first bytes of the newest connection from the client."""
        return self._do(lambda: self._connections[-1].said if self._connections else b"")

    def close(self):
        """Ends everything."""

        def order():
            self._is_closed = True
            self._reset_all()
            self._listener.close()

        if not self._is_closed:
            self._do(order)
            self._thread.join()

    def _do(self, order):
        answer = queue.SimpleQueue()
        self._orders.put(lambda: answer.put(order()))
        self._wake.send(b".")
        return answer.get(timeout=60)

    # --- what its thread does

    def _run(self):
        while not self._is_closed:
            for key, events in self._selector.select():
                if key.fileobj is self._woken:
                    self._woken.recv(CHUNK)
                    while not self._orders.empty():
                        self._orders.get()()
                elif key.fileobj is self._listener:
                    self._accept()
                elif key.data in self._connections and not key.data.is_frozen:
                    try:
                        self._move(key.data, key.fileobj, events)
                    except OSError:
                        self._close(key.data)

    def _bound(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind(("127.0.0.1", self._port))
        return listener

    def _listen(self):
        self._listener = self._bound()
        self._listener.listen()
        self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self):
        client, _ = self._listener.accept()
        self.accepted += 1
        try:
            upstream = socket.create_connection(self._upstream)
        except OSError:
            client.close()
            return
        connection = _Connection(client, upstream)
        self._connections.append(connection)
        for end in (client, upstream):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(end, selectors.EVENT_READ, connection)
        if self._is_freezing:
            self._freeze(connection)
        elif self._allowances:
            connection.allowance = self._allowances.pop(0)

    def _move(self, connection, end, events):
        if events & selectors.EVENT_WRITE:
            source = connection.other(end)
            self._pass(connection, source, connection.pending[source])
        # What its other end has not taken has to go first.
        if events & selectors.EVENT_READ and not connection.pending[end]:
            data = end.recv(CHUNK)
            if not data:
                self._close(connection)
                return
            self._pass(connection, end, data)

    def _pass(self, connection, source, data):
        target = connection.other(source)
        is_last = False
        if source is connection.client:
            connection.said += data[: max(0, 16 * 1024 - len(connection.said))]
        elif connection.allowance is not None:
            data = data[: connection.allowance]
            is_last = len(data) == connection.allowance
        try:
            sent = target.send(data)
        except BlockingIOError:
            sent = 0
        if target is connection.client:
            self.forwarded += sent
            connection.got += sent
            if connection.allowance is not None:
                connection.allowance -= sent
        if is_last:
            self._reset(connection)
            return
        connection.pending[source] = data[sent:]
        self._watch(connection)

    def _watch(self, connection):
        for end in (connection.client, connection.upstream):
            wanted = 0 if connection.pending[end] else selectors.EVENT_READ
            if connection.pending[connection.other(end)]:
                wanted |= selectors.EVENT_WRITE
            is_watched = end in self._selector.get_map()
            if wanted and is_watched:
                self._selector.modify(end, wanted, connection)
            elif wanted:
                self._selector.register(end, wanted, connection)
            elif is_watched:
                self._selector.unregister(end)

    def _freeze(self, connection):
        connection.is_frozen = True
        for end in (connection.client, connection.upstream):
            if end in self._selector.get_map():
                self._selector.unregister(end)

    def _reset_all(self):
        for connection in list(self._connections):
            self._reset(connection)

    def _reset(self, connection):
        connection.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close(connection)

    def _close(self, connection):
        self._connections.remove(connection)
        for end in (connection.client, connection.upstream):
            if end in self._selector.get_map():
                self._selector.unregister(end)
            end.close()


def _is_closed_by_peer(end):
    poll = select.poll()
    poll.register(end, select.POLLRDHUP)
    return bool(poll.poll(0))
