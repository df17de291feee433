"""A receiver that has a bad day: it refuses the first attempts, then takes what comes.

python receiver.py 8100 --failures 2
"""

from __future__ import annotations

import argparse
import hmac
from http.server import BaseHTTPRequestHandler, HTTPServer

from jobs import sign


class Receiver(BaseHTTPRequestHandler):
    """Answers 503 as often as it shall fail, then 204; 401 where the signature is wrong."""

    failures = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(self.verdict(body))
        self.end_headers()

    def verdict(self, body: str) -> int:
        if not hmac.compare_digest(self.headers["Webhook-Signature"], sign(body)):
            return 401
        if Receiver.failures:
            Receiver.failures -= 1
            return 503
        print(f"delivered: {self.headers['Webhook-Id']} {body}", flush=True)
        return 204

    def log_message(self, format: str, *args: object) -> None:
        print(format % args, flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("port", type=int)
    options.add_argument("--failures", type=int, default=2)
    given = options.parse_args()
    Receiver.failures = given.failures
    with HTTPServer(("127.0.0.1", given.port), Receiver) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
