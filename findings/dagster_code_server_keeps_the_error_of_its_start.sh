#!/bin/sh
# Dagster 1.13.27: `dagster code-server start` never tries again what failed while it began.
#
# The code server loads the definitions once, when it begins. Whatever fails in that second, such as a disk
# that is full for a minute or a database that restarts, becomes the location's error, and the process
# lives on: it listens, `grpc-health-check` calls it healthy, and no supervisor has a reason to start it
# again. Every sensor and schedule of the location stands still, long after the cause is gone, until
# somebody presses Reload. `dagster api grpc` with the same arguments ends instead.
#
# Output:
#   code-server: healthy and failed, although the cause is gone; after a reload: loaded
#   api grpc: ended with 1 while the cause was there; started again: loaded
# In this product: deploy/ starts `dagster api grpc`, which systemd and Compose start again when it ends.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dagster==1.13.27
mkdir "$folder/home"
cd "$folder"
cat >books.py <<'PYTHON'
from pathlib import Path

import dagster as dg

database = Path("database").read_text()  # the file stands for a database that is away for a moment


@dg.asset
def invoices() -> None: ...


defs = dg.Definitions([invoices])
PYTHON
DAGSTER_HOME="$folder/home" "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ListRepositoriesResponse
from dagster._serdes import deserialize_value

database = Path("database")


def start(*words):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ["-h", "127.0.0.1", "-p", str(port), "-f", "books.py"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", *words, *where], stdout=sys.stderr, stderr=sys.stderr,
        start_new_session=True,
    )
    return process, port, DagsterGrpcClient(host="127.0.0.1", port=port)


def state(client):
    found = deserialize_value(client.list_repositories())
    return "loaded" if isinstance(found, ListRepositoriesResponse) else "failed"


def listening(process, port):
    for _ in range(600):
        if process.poll() is not None:
            return False
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    raise SystemExit("it neither listens nor ends")


server, port, client = start("code-server", "start")
assert listening(server, port)
database.write_text("here again")
time.sleep(5)
kept = client.health_check_query(), state(client)
client.reload_code(timeout=60)
reloaded = state(client)
os.killpg(server.pid, signal.SIGKILL)
server.wait()

database.unlink()
first, port, client = start("api", "grpc")
assert not listening(first, port)
database.write_text("here again")
second, port, client = start("api", "grpc")
assert listening(second, port)
again = state(client)
second.kill()
second.wait()

healthy = "healthy" if kept[0] == "SERVING" else kept[0]
print(f"code-server: {healthy} and {kept[1]}, although the cause is gone; after a reload: {reloaded}")
print(f"api grpc: ended with {first.returncode} while the cause was there; started again: {again}")
assert kept == ("SERVING", "failed") and reloaded == "loaded", "the behaviour changed"
assert first.returncode == 1 and again == "loaded", "the behaviour changed"
PYTHON
