"""gRPC's interop cases with grpcio on both sides, in messages of our own.

interop.py serve CERT KEY        serves on a free port, which it prints
interop.py ask PORT CA           asks each case and prints what came of it, one line a case
"""

import json
import queue
import sys
import threading
import time
from concurrent import futures

import grpc

SERVICE = "/portward.Interop/"
LARGE_REQUEST, LARGE_RESPONSE = 271828, 314159
INPUTS, OUTPUTS = (27182, 8, 1828, 45904), (31415, 9, 2653, 58979)
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
TO_BE_CANCELLED = "x-to-be-cancelled"
ECHO_INITIAL, ECHO_TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


def message(payload=0, **what):
    return json.dumps(what).encode() + b"\n" + bytes(payload)


def read(data):
    head, payload = data.split(b"\n", 1)
    return json.loads(head), payload


class Service(grpc.GenericRpcHandler):
    def __init__(self):
        self.cancelled = 0
        self.inputs = 0
        self.changed = threading.Condition()

    def service(self, details):
        name = details.method.removeprefix(SERVICE)
        if name == details.method:
            return None
        kinds = {
            "Empty": grpc.unary_unary_rpc_method_handler(lambda request, context: b""),
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Input": grpc.stream_unary_rpc_method_handler(self.input),
            "Output": grpc.unary_stream_rpc_method_handler(self.output),
            "Duplex": grpc.stream_stream_rpc_method_handler(self.duplex),
            "Cancelled": grpc.unary_unary_rpc_method_handler(self.count),
            "Inputs": grpc.unary_unary_rpc_method_handler(self.count_inputs),
        }
        return kinds.get(name)

    def begin(self, context):
        def ended():
            if context.code() is None and not context.finished:
                with self.changed:
                    self.cancelled += 1
                    self.changed.notify_all()
            context.ended.set()

        context.finished, context.ended = False, threading.Event()
        context.is_to_be_cancelled = any(name == TO_BE_CANCELLED for name, _ in context.invocation_metadata())
        context.add_callback(ended)
        for name, value in context.invocation_metadata():
            if name == ECHO_INITIAL:
                context.send_initial_metadata(((name, value),))
            if name == ECHO_TRAILING:
                context.set_trailing_metadata(((name, value),))

    def finish(self, context):
        # The requests of a cancelled call may end a moment before grpc says that it was cancelled.
        if context.is_to_be_cancelled:
            context.ended.wait(20)
        context.finished = True

    def reply(self, what, context):
        time.sleep(what.get("sleep", 0))
        if "status" in what:
            context.finished = True
            context.abort(next(code for code in grpc.StatusCode if code.value[0] == what["status"]), what["message"])
        return message(what.get("size", 0))

    def unary(self, request, context):
        self.begin(context)
        reply = self.reply(read(request)[0], context)
        context.finished = True
        return reply

    def input(self, requests, context):
        self.begin(context)
        with self.changed:
            self.inputs += 1
            self.changed.notify_all()
        size = sum(len(read(request)[1]) for request in requests)
        self.finish(context)
        return message(sum=size)

    def output(self, request, context):
        self.begin(context)
        for size in read(request)[0]["sizes"]:
            yield message(size)
        context.finished = True

    def duplex(self, requests, context):
        self.begin(context)
        for request in requests:
            yield self.reply(read(request)[0], context)
        self.finish(context)

    def count(self, request, context):
        """How many calls were cancelled, once it is as many as are waited for."""
        wanted = read(request)[0]["wanted"]
        with self.changed:
            self.changed.wait_for(lambda: self.cancelled >= wanted, timeout=20)
            return message(count=self.cancelled)

    def count_inputs(self, request, context):
        """How many calls of Input have begun, once it is as many as are waited for."""
        wanted = read(request)[0]["wanted"]
        with self.changed:
            self.changed.wait_for(lambda: self.inputs >= wanted, timeout=20)
            return message(count=self.inputs)


def serve(certificate, key):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), handlers=[Service()])
    pair = tuple(open(path, "rb").read() for path in (key, certificate))
    print(server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair])), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None)


class Client:
    def __init__(self, port, authority):
        credentials = grpc.ssl_channel_credentials(open(authority, "rb").read())
        options = [("grpc.ssl_target_name_override", "grpc.test")]
        self.channel = grpc.secure_channel(f"127.0.0.1:{port}", credentials, options)
        grpc.channel_ready_future(self.channel).result(timeout=30)
        self.empty = self.channel.unary_unary(SERVICE + "Empty")
        self.unary = self.channel.unary_unary(SERVICE + "Unary")
        self.input = self.channel.stream_unary(SERVICE + "Input")
        self.output = self.channel.unary_stream(SERVICE + "Output")
        self.duplex = self.channel.stream_stream(SERVICE + "Duplex")
        self.cancelled = self.channel.unary_unary(SERVICE + "Cancelled")
        self.inputs = self.channel.unary_unary(SERVICE + "Inputs")

    def empty_unary(self):
        return repr(self.empty(b"", timeout=20))

    def large_unary(self):
        reply = self.unary(message(LARGE_REQUEST, size=LARGE_RESPONSE), timeout=20)
        return len(read(reply)[1])

    def large_unary_compressed(self):
        reply = self.unary(message(LARGE_REQUEST, size=LARGE_RESPONSE), timeout=20, compression=grpc.Compression.Gzip)
        return len(read(reply)[1])

    def client_streaming(self):
        return read(self.input((message(size) for size in INPUTS), timeout=20))[0]

    def server_streaming(self):
        return [len(read(reply)[1]) for reply in self.output(message(sizes=OUTPUTS), timeout=20)]

    def server_streaming_much(self):
        replies = self.output(message(sizes=[100_000] * 100), timeout=60)
        return sum(len(read(reply)[1]) for reply in replies)

    def client_streaming_much(self):
        return read(self.input((message(100_000) for _ in range(100)), timeout=60))[0]

    def ping_pong(self):
        requests, replies = queue.Queue(), []
        call = self.duplex(iter(requests.get, None), timeout=20)
        for ours, theirs in zip(INPUTS, OUTPUTS):
            requests.put(message(ours, size=theirs))
            # The next request is made when the reply to this one is here.
            replies.append(len(read(next(call))[1]))
        requests.put(None)
        return replies, list(call), str(call.code())

    def empty_stream(self):
        call = self.duplex(iter(()), timeout=20)
        return list(call), str(call.code())

    def custom_metadata(self):
        metadata = ((ECHO_INITIAL, "test_initial_metadata_value"), (ECHO_TRAILING, b"\xab\xab\xab"))
        _, call = self.unary.with_call(message(size=1), metadata=metadata, timeout=20)
        duplex = self.duplex(iter((message(size=1),)), metadata=metadata, timeout=20)
        list(duplex)
        found = [dict(one.initial_metadata()).get(ECHO_INITIAL) for one in (call, duplex)]
        return found + [dict(one.trailing_metadata()).get(ECHO_TRAILING) for one in (call, duplex)]

    def status_code_and_message(self):
        ask = message(status=2, message="test status message")
        return failure(lambda: self.unary(ask, timeout=20)), failure(lambda: list(self.duplex(iter((ask,)), timeout=20)))

    def special_status_message(self):
        return failure(lambda: self.unary(message(status=2, message=SPECIAL), timeout=20))

    def unimplemented_method(self):
        return failure(lambda: self.channel.unary_unary(SERVICE + "Nothing")(b"", timeout=20))

    def unimplemented_service(self):
        return failure(lambda: self.channel.unary_unary("/portward.Nothing/Nothing")(b"", timeout=20))

    def cancel_after_begin(self):
        before = read(self.inputs(message(wanted=0), timeout=30))[0]["count"]
        requests = queue.Queue()
        call = self.input.future(iter(requests.get, None), metadata=((TO_BE_CANCELLED, "yes"),))
        requests.put(message(1))
        # A call that is cancelled before it has left is not begun by anybody.
        self.inputs(message(wanted=before + 1), timeout=30)
        call.cancel()
        requests.put(None)
        return str(call.code()), read(self.cancelled(message(wanted=1), timeout=30))[0]

    def cancel_after_first_response(self):
        requests = queue.Queue()
        call = self.duplex(iter(requests.get, None), metadata=((TO_BE_CANCELLED, "yes"),))
        requests.put(message(size=31415))
        first = len(read(next(call))[1])
        call.cancel()
        requests.put(None)
        return first, failure(lambda: next(call)), read(self.cancelled(message(wanted=2), timeout=30))[0]

    def timeout_on_sleeping_server(self):
        requests = queue.Queue()
        requests.put(message(size=1, sleep=1))
        ended = failure(lambda: list(self.duplex(iter(requests.get, None), timeout=0.2)))
        requests.put(None)
        return ended

    def many_at_once(self):
        calls = [self.unary.future(message(1000, size=50_000), timeout=60) for _ in range(200)]
        return sum(len(read(call.result())[1]) for call in calls)


def failure(call):
    try:
        return f"no failure: {call()!r}"
    except grpc.RpcError as error:
        return str(error.code()), error.details()


CASES = [name for name in vars(Client) if not name.startswith("_")]

if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    else:
        client = Client(*sys.argv[2:])
        for case in CASES:
            try:
                outcome = getattr(client, case)()
            except grpc.RpcError as error:
                outcome = f"failed: {error.code()} {error.details()}"
            print(f"{case}: {outcome!r}", flush=True)
