"""A WebSocket client (RFC 6455) of Python's own library, for sessions with the server."""
import base64
import json
import os
import socket
import struct


class Closed(Exception):
    """The server has closed; code is None where no close frame came."""

    def __init__(self, code, reason=""):
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class WebSocket:
    def __init__(self, address, path, headers=None, receive_buffer=None, timeout=30):
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {address}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
                 *(f"{name}: {value}" for name, value in (headers or {}).items())]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.data = bytearray()
        while b"\r\n\r\n" not in self.data:
            piece = self.socket.recv(65536)
            assert piece, self.data
            self.data += piece
        head, self.data = self.data.split(b"\r\n\r\n", 1)  # bytearrays: growing them is cheap
        self.head = head.decode().split("\r\n")
        self.status = int(self.head[0].split()[1])

    def send_frame(self, opcode, payload):
        mask = os.urandom(4)
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        masked = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
        self.socket.sendall(head + mask + masked)

    def send(self, message):
        self.send_frame(1, (message if isinstance(message, str) else json.dumps(message)).encode())

    def take(self, n):
        while len(self.data) < n:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise Closed(None)
            self.data += piece
        taken = bytes(self.data[:n])
        del self.data[:n]
        return taken

    def receive(self):
        """The next message, parsed. Pings are answered; four without a message between are too long a silence."""
        n_pings = 0
        while True:
            first, size = self.take(2)
            if size == 126:
                size, = struct.unpack("!H", self.take(2))
            elif size == 127:
                size, = struct.unpack("!Q", self.take(8))
            payload = self.take(size)
            if first == 0x89:
                n_pings += 1
                if n_pings > 3:
                    raise TimeoutError("no message came")
                self.send_frame(10, payload)
            elif first == 0x88:
                raise Closed(int.from_bytes(payload[:2], "big") if payload else None, payload[2:].decode())
            elif first == 0x81:
                return json.loads(payload)
            else:
                assert first == 0x8a, first

    def until(self, test):
        """Messages up to the first for which test is true, that one included."""
        found = [self.receive()]
        while not test(found[-1]):
            found.append(self.receive())
        return found

    def drop(self):
        """The connection breaks."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.send_frame(8, struct.pack("!H", 1000))
        try:
            while True:
                self.receive()
        except (Closed, OSError):
            pass
        self.socket.close()
