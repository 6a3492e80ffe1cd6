"""A judge behind a plain HTTP server, as reward servers commonly are: one process that calls its model in turn.

    python -m benchmarks.plain_server KIND MODEL THREADS

prints its port and serves until it is killed. `POST /` takes `{"shape": [n, h, w, 3], "pixels": base64, "prompts": []}`
and answers with n values. Requests are read and decoded in threads and connections are kept open, so that only the
model call is serial; for more than that a server needs what Serve brings.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import numpy as np
import torch

from rewards.registry import build_judge, judge_config


def main(kind: str, model: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    judge = build_judge("plain", judge_config(kind, **({"model": model} if model else {})))
    turn = Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body are two writes; without this the second waits 40 ms for the client to confirm the first.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            images = np.frombuffer(b64decode(asked["pixels"]), np.uint8).reshape(asked["shape"])
            with turn:
                verdicts = judge.judge(images, asked["prompts"])
            answer = json.dumps([verdict.value for verdict in verdicts]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
