"""A fuzzing client for WebSocket servers: the kinds of cases that Autobahn's test suite has in its sections 1 to 7.

cases.py serve                       an echo server of the `websockets` library on a free port, which it prints
cases.py ask tcp|tls|h2 PORT HOST    asks each case by raw frames, and prints what came back, one line a case

tcp and tls speak HTTP/1.1; h2 asks by extended CONNECT (RFC 8441) on one connection of HTTP/2.
"""

import base64
import hashlib
import os
import socket
import ssl
import struct
import sys
import threading

PATIENCE = 10
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True):
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    mask = 0x80 if masked else 0
    length = len(payload)
    if length < 126:
        head += bytes([mask | length])
    elif length < 65536:
        head += bytes([mask | 126]) + struct.pack("!H", length)
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", length)
    if not masked:
        return head + payload
    key = b"\x11\x22\x33\x44"
    keys = key * (length // 4 + 1)
    return head + key + bytes(a ^ b for a, b in zip(payload, keys))


def closing(code=1000, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


def cases():
    """Name, bytes to be sent, and in pieces of which size; 0 for all at once."""
    for opcode, kind in ((TEXT, "text"), (BINARY, "binary")):
        for length in (0, 1, 125, 126, 127, 128, 65535, 65536):
            yield f"1.{kind}.{length}", frame(opcode, b"*" * length), 0
        yield f"1.{kind}.chopped", frame(opcode, b"*" * 65536), 997
    yield "2.ping", frame(PING), 0
    yield "2.ping.text", frame(PING, b"Hello, world!"), 0
    yield "2.ping.binary", frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), 0
    yield "2.ping.125", frame(PING, b"\xfe" * 125), 0
    yield "2.ping.126", frame(PING, b"\xfe" * 126), 0
    yield "2.ping.chopped", frame(PING, b"\xfe" * 125), 1
    yield "2.pong", frame(PONG), 0
    yield "2.pong.payload", frame(PONG, b"unsolicited"), 0
    yield "2.pong.ping", frame(PONG, b"unsolicited") + frame(PING, b"asked"), 0
    yield "2.ten", b"".join(frame(PING, b"payload-%d" % n) for n in range(10)), 0
    yield "2.ten.chopped", b"".join(frame(PING, b"payload-%d" % n) for n in range(10)), 1
    for rsv in range(1, 8):
        yield f"3.alone.{rsv}", frame(TEXT, b"Hello", rsv=rsv), 0
        yield f"3.between.{rsv}", frame(TEXT, b"one") + frame(TEXT, b"two", rsv=rsv) + frame(PING), 0
        yield f"3.chopped.{rsv}", frame(TEXT, b"one") + frame(BINARY, b"two", rsv=rsv) + frame(PING), 1
        yield f"3.ping.{rsv}", frame(PING, b"x", rsv=rsv), 0
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield f"4.alone.{opcode}", frame(opcode), 0
        yield f"4.between.{opcode}", frame(TEXT, b"one") + frame(opcode, b"reserved") + frame(PING), 0
        yield f"4.chopped.{opcode}", frame(TEXT, b"one") + frame(opcode, b"reserved") + frame(PING), 1
    two = frame(TEXT, b"fragment1", fin=False), frame(CONTINUATION, b"fragment2")
    for chop in (0, 1):
        yield f"5.ping.{chop}", frame(PING, b"a", fin=False) + frame(CONTINUATION, b"b"), chop
        yield f"5.pong.{chop}", frame(PONG, b"a", fin=False) + frame(CONTINUATION, b"b"), chop
        yield f"5.two.{chop}", b"".join(two), chop
        yield f"5.ping.between.{chop}", two[0] + frame(PING, b"ping") + two[1], chop
        yield f"5.end.without.begin.{chop}", frame(CONTINUATION, b"x") + frame(TEXT, b"Hello"), chop
        yield f"5.part.without.begin.{chop}", frame(CONTINUATION, b"x", fin=False) + frame(TEXT, b"Hello"), chop
        yield f"5.text.in.fragments.{chop}", two[0] + frame(TEXT, b"fragment2"), chop
        many = frame(TEXT, b"1", fin=False) + b"".join(
            frame(CONTINUATION, b"%d" % n, fin=False) + frame(PING, b"%d" % n) for n in range(5)
        )
        yield f"5.many.{chop}", many + frame(CONTINUATION, b"end"), chop
        yield f"5.again.{chop}", many + frame(CONTINUATION, b"end") + frame(CONTINUATION, b"x"), chop
    valid = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    edges = [0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF]
    good = [valid, "κόσμε".encode()] + [chr(point).encode() for point in edges]
    bad = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\x80", b"\xbf", b"\x80\xbf", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xf0\x80\x80\xaf",
        b"\xf0\x8f\xbf\xbf", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfe", b"\xff", b"\xfe\xfe\xff\xff",
        b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf",
        b"ok\xc3(", b"\xe2(\xa1",
    ]
    for number, text in enumerate(good):
        yield f"6.good.{number}", frame(TEXT, text), 0
        yield f"6.good.chopped.{number}", frame(TEXT, text), 1
        cut = b"".join(frame(CONTINUATION if at else TEXT, text[at : at + 1], fin=False) for at in range(len(text)))
        yield f"6.good.fragments.{number}", cut + frame(CONTINUATION), 0
    for number, text in enumerate(bad):
        yield f"6.bad.{number}", frame(TEXT, text), 0
        yield f"6.bad.fragments.{number}", frame(TEXT, text[:1], fin=False) + frame(CONTINUATION, text[1:]), 0
    yield "7.close", closing(), 0
    yield "7.close.twice", closing() + closing(), 0
    yield "7.close.ping", closing() + frame(PING), 0
    yield "7.close.text", closing() + frame(TEXT, b"late"), 0
    yield "7.fragment.close", frame(TEXT, b"part", fin=False) + closing() + frame(CONTINUATION, b"late"), 0
    yield "7.message.close", frame(BINARY, b"*" * 262144) + closing(), 0
    yield "7.close.empty", frame(CLOSE), 0
    yield "7.close.one.byte", frame(CLOSE, b"a"), 0
    yield "7.close.reason", closing(1000, b"Hello World!"), 0
    yield "7.close.reason.123", closing(1000, b"*" * 123), 0
    yield "7.close.reason.124", closing(1000, b"*" * 124), 0
    yield "7.close.reason.bad", closing(1000, b"\xce\xba\xe1\xbd\xed\xa0\x80"), 0
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield f"7.code.{code}", closing(code), 0
    for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535):
        yield f"7.code.bad.{code}", closing(code, b"reason"), 0
    yield "unmasked", frame(TEXT, b"Hello", masked=False), 0
    yield "garbage", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0
    yield "many.at.once", b"".join(frame(TEXT, b"message %d" % n) for n in range(500)), 0


def parse(data):
    """Frames of a server, as they are shown, and what is left."""
    while len(data) >= 2:
        length, at = data[1] & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(data) < at + size:
                break
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if len(data) < at + length:
            break
        payload = data[at : at + length]
        kind = f"{data[0]:02x}{'!' if data[1] & 0x80 else ''}"
        shown = payload.hex() if length <= 16 else f"{length}:{hashlib.sha256(payload).hexdigest()[:16]}"
        yield data[0] & 15, f"{kind}({shown})", data[at + length :]
        data = data[at + length :]


class Http1:
    """A WebSocket on a connection of its own."""

    def __init__(self, port, host, secure):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:
            self.socket = insecure(["http/1.1"]).wrap_socket(self.socket, server_hostname=host)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /echo HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://{host}\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.socket.recv(1) or fail(f"no handshake: {head}")
        proof = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert head.startswith(b"HTTP/1.1 101 ") and proof in head, head

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        return self.socket.recv(65536)

    def close(self):
        self.socket.close()


class Http2:
    """A WebSocket on a stream; all of them share a connection."""

    connection = None

    def __init__(self, port, host, secure):
        if Http2.connection is None:
            Http2.connection = Http2.connect(port, host)
        self.socket, self.h2 = Http2.connection
        self.stream = self.h2.get_next_available_stream_id()
        self.received, self.ended, self.status = [], False, None
        Http2.streams[self.stream] = self
        names = ((":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/echo"))
        names += ((":authority", host), ("sec-websocket-version", "13"), ("origin", f"http://{host}"))
        self.h2.send_headers(self.stream, names)
        self.flush()
        while self.status is None:
            self.pump()
        assert self.status == b"200", self.status

    streams = {}

    @staticmethod
    def connect(port, host):
        import h2.config
        import h2.connection
        import h2.settings

        tcp = socket.create_connection(("127.0.0.1", port), PATIENCE)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = insecure(["h2"]).wrap_socket(tcp, server_hostname=host)
        assert tls.selected_alpn_protocol() == "h2"
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        connection.initiate_connection()
        tls.sendall(connection.data_to_send())
        while not connection.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL):
            connection.receive_data(tls.recv(65536) or fail("no SETTINGS"))
            tls.sendall(connection.data_to_send())
        return tls, connection

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def pump(self):
        import h2.events

        for event in self.h2.receive_data(self.socket.recv(65536) or fail("the connection ended")):
            stream = Http2.streams.get(getattr(event, "stream_id", None))
            if isinstance(event, h2.events.ResponseReceived):
                stream.status = dict(event.headers)[b":status"]
            elif isinstance(event, h2.events.DataReceived):
                stream.received.append(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                stream.ended = True
        self.flush()

    def send(self, data):
        while data:
            if self.ended:
                raise ConnectionError
            room = min(self.h2.local_flow_control_window(self.stream), self.h2.max_outbound_frame_size)
            if room == 0:
                self.pump()
                continue
            self.h2.send_data(self.stream, data[:room])
            data = data[room:]
            self.flush()

    def receive(self):
        while not self.received and not self.ended:
            self.pump()
        return self.received.pop(0) if self.received else b""

    def close(self):
        import h2.exceptions

        try:
            if self.ended:
                self.h2.end_stream(self.stream)
            else:
                self.h2.reset_stream(self.stream, 8)
            self.flush()
        except h2.exceptions.ProtocolError:
            pass


def run(way, name, data, chop):
    """What came back: frames, and how it ended."""
    shown, ours = [], False
    try:
        for at in range(0, len(data), chop or len(data)):
            way.send(data[at : at + (chop or len(data))])
        # Whoever has not closed by then is asked to; its answer is the last thing that comes.
        way.send(frame(PING, b"end of case"))
    except OSError:
        shown.append("cut while sending")
    rest = b""
    while True:
        try:
            more = way.receive()
        except TimeoutError:
            return shown + ["nothing more"]
        except OSError:
            more = b""
        if not more:
            return shown + (["in the middle of a frame"] if rest else []) + ["end"]
        rest += more
        for opcode, frame_shown, rest in parse(rest):
            shown.append(frame_shown)
            if not ours and (opcode == CLOSE or frame_shown.startswith("8a(" + b"end of case".hex())):
                ours = True
                try:
                    way.send(closing())
                except OSError:
                    pass


def insecure(protocols):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    return context


def fail(why):
    raise SystemExit(why)


class Pieces:
    """Cuts what comes in where frames begin and end, so that what is answered does not depend on how it came."""

    def __init__(self):
        self.header, self.payload, self.in_head = b"", 0, True

    def of(self, data):
        while data:
            if self.in_head:
                piece, data = data[:1], data[1:]
                self.header = (self.header + piece)[-4:]
                self.in_head = self.header != b"\r\n\r\n"
                if not self.in_head:
                    self.header = b""
            elif self.payload:
                piece, data = data[: self.payload], data[self.payload :]
                self.payload -= len(piece)
            else:
                piece, data = data[:1], data[1:]
                self.header += piece
                self.look()
            yield piece

    def look(self):
        if len(self.header) < 2:
            return
        length, masked = self.header[1] & 0x7F, self.header[1] & 0x80
        extra = {126: 2, 127: 8}.get(length, 0)
        if len(self.header) == 2 + extra + (4 if masked else 0):
            self.payload = int.from_bytes(self.header[2 : 2 + extra], "big") if extra else length
            self.header = b""


def talk(connection):
    """Echoes messages by the library's protocol, in the order in which they come."""
    from websockets.frames import Frame, Opcode
    from websockets.http11 import Request
    from websockets.server import ServerProtocol

    protocol, pieces, message = ServerProtocol(max_size=None), Pieces(), []

    def flush():
        for data in protocol.data_to_send():
            if data:
                connection.sendall(data)
            else:
                connection.shutdown(socket.SHUT_WR)

    def echo(event):
        if isinstance(event, Request):
            protocol.send_response(protocol.accept(event))
        elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            message.append(event)
            if event.fin:
                data = b"".join(frame.data for frame in message)
                if message[0].opcode is Opcode.BINARY:
                    protocol.send_binary(data)
                else:
                    try:
                        data.decode()
                        protocol.send_text(data)
                    except UnicodeDecodeError:
                        protocol.fail(1007, "invalid start byte")
                message.clear()

    try:
        while data := connection.recv(65536):
            for piece in pieces.of(data):
                protocol.receive_data(piece)
                for event in protocol.events_received():
                    echo(event)
            flush()
        protocol.receive_eof()
        flush()
    except OSError:
        pass
    connection.close()


def serve():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=talk, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        kind, port, host = sys.argv[2], int(sys.argv[3]), sys.argv[4]
        for case in cases():
            way = (Http2 if kind == "h2" else Http1)(port, host, kind == "tls")
            print(case[0], *run(way, *case), flush=True)
            way.close()
