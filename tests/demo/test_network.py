"""The demonstration's internet: every address is led to loopback, a name may move or hang."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from pratique.demo.network import write

SCRIPT = """
import json, socket, sys, asyncio
from pathlib import Path
from pratique.demo.network import Network

Network(Path(sys.argv[1])).enter()

def led(address, family=socket.AF_INET):
    with socket.socket(family) as sock:
        try:
            sock.connect(address)
        except OSError:
            return "refused"
        return sock.getpeername()[1]

def named(name):
    try:
        return [entry[4][0] for entry in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)]
    except socket.gaierror:
        return []

async def by_the_loop():
    _, writer = await asyncio.open_connection("moves.example", 443)
    return writer.get_extra_info("peername")[1]

print(json.dumps({
    "way": led(("93.184.215.14", 443)),
    "inside": led(("10.0.0.7", 80)),
    "itself": led(("127.0.0.1", 80)),
    "outside": led(("1.1.1.1", 443)),
    "moves": [named("moves.example"), named("moves.example"), named("moves.example")],
    "spelt": named("0x7f000001"),
    "gone": named("gone.example"),
    "other": named("whatever.example"),
    "loop": asyncio.run(by_the_loop()),
}))
"""


def test_every_address_is_led_to_loopback(tmp_path: Path) -> None:
    """A way that is written leads to its party, any other address to the canary; names move by their turn."""
    with (
        socket.create_server(("127.0.0.1", 0)) as site,
        socket.create_server(("127.0.0.1", 0)) as canary,
    ):
        site_port, canary_port = site.getsockname()[1], canary.getsockname()[1]
        table = tmp_path / "names"
        write(
            table,
            names={
                "moves.example": [["93.184.215.14"], ["10.0.0.7"]],
                "gone.example": [[]],
                "*": [["10.9.9.9"]],
            },
            ways={"93.184.215.14:443": site_port, "*": canary_port},
        )
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(table)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    told: dict[str, Any] = json.loads(ran.stdout)
    assert told == {
        "way": site_port,
        "inside": canary_port,
        "itself": canary_port,
        "outside": canary_port,
        "moves": [["93.184.215.14"], ["10.0.0.7"], ["10.0.0.7"]],
        "spelt": ["127.0.0.1"],
        "gone": [],
        "other": ["10.9.9.9"],
        "loop": canary_port,
    }
