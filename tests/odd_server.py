"""A server on this machine that does, path by path, what servers do that should not."""

import socket
import struct
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CUT, WHOLE = "cut", "whole"


class OddServer:
    """Answers each path by a function of the handler and of how often the path was asked for before.

    Attributes:
        answers (`dict[str, Callable]`): By path, as it comes over the line.
        asked (`Counter`): How often each path was asked for.
        headers (`dict[str, Message]`): The last headers for each path.
    """

    def __init__(self):
        self.answers, self.asked, self.headers = {}, Counter(), {}
        self.url = None

    @contextmanager
    def running(self, host="127.0.0.1"):
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.close_connection = True
                times = owner.asked[self.path]
                owner.asked[self.path] += 1
                owner.headers[self.path] = self.headers
                owner.answers.get(self.path, status(404))(self, times)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

            def handle_error(self, *_):
                """Readers may leave before they have all."""

        with Server((host, 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            shown = f"[{host}]" if ":" in host else host
            self.url = f"http://{shown}:{server.server_port}"
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


def content(data):
    """The whole file."""

    def answer(handler, times):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def status(code):
    def answer(handler, times):
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def stated_length(data, length):
    """All of the data, under a length that is not theirs."""

    def answer(handler, times):
        handler.send_response(200)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def chunked(data, at=None):
    """The file in chunks, broken off in the middle of one where `at` says."""

    def answer(handler, times):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        sent = data if at is None else data[:at]
        handler.wfile.write(b"%x\r\n" % len(data) + sent)
        if at is None:
            handler.wfile.write(b"\r\n0\r\n\r\n")

    return answer


def reset(data):
    """Half of the file, then a connection that is torn down."""

    def answer(handler, times):
        stated_length(data[: len(data) // 2], len(data))(handler, times)
        handler.wfile.flush()
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return answer


def raw(data):
    """Bytes that are no HTTP."""
    return lambda handler, times: handler.wfile.write(data)


def moved(target, code=302):
    def answer(handler, times):
        handler.send_response(code)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def first(*answers):
    """One answer after the other, and the last one from then on."""
    return lambda handler, times: answers[min(times, len(answers) - 1)](handler, times)
