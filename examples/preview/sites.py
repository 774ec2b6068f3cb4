"""Two sites on loopback: the wiki that previews may show, and a service that nobody may reach."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

WORD = "keys of the kingdom"


def wiki(port: int, inside: int) -> ThreadingHTTPServer:
    """Return the wiki: "/" is a page, "/away" leads to the other site.

    Args:
        port: 0: any that is free.
        inside: The other site's.
    """

    class Wiki(_Site):
        def do_GET(self) -> None:
            """Answer with the page, or send away."""
            if self.path == "/away":
                self.answer(302, b"", Location=f"http://127.0.0.1:{inside}/")
            else:
                self.answer(200, b"<title>How we pack</title>")

    return ThreadingHTTPServer(("127.0.0.1", port), Wiki)


def secrets(port: int) -> ThreadingHTTPServer:
    """Return the service that tells everybody everything."""

    class Inside(_Site):
        def do_GET(self) -> None:
            """Answer with the word."""
            self.answer(200, WORD.encode())

    return ThreadingHTTPServer(("127.0.0.1", port), Inside)


class _Site(BaseHTTPRequestHandler):
    def answer(self, status: int, content: bytes, **fields: str) -> None:
        self.send_response(status)
        told = {"Content-Type": "text/html", "Content-Length": str(len(content)), **fields}
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    first, second = int(sys.argv[1]), int(sys.argv[2])
    Thread(target=secrets(second).serve_forever, daemon=True).start()
    wiki(first, second).serve_forever()
