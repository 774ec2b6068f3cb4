"""Which node of a Redis Cluster is asked; a single server is its only one."""

from typing import Any, Final

from redis import RedisCluster
from redis.asyncio import RedisCluster as AsyncRedisCluster

from .steps import Scan

_SCHEME: Final = "+cluster://"
Node = dict[str, Any]
"""The argument of redis-py that names a node; none for a single server."""


def plain(url: str) -> str | None:
    """Return the URL of a node of the cluster, or None where the URL is of a single server."""
    return url.replace(_SCHEME, "://", 1) if _SCHEME in url else None


def is_cluster(client: Any) -> bool:
    """Say whether a client speaks to several nodes."""
    return isinstance(client, (RedisCluster, AsyncRedisCluster))


def end(client: Any) -> None:
    """Close every connection of a client for threads.

    That of a cluster that is made from a URL leaves its nodes' pools open when it is closed.
    """
    if is_cluster(client):
        for node in client.get_nodes():
            if node.redis_connection is not None:
                node.redis_connection.connection_pool.disconnect()
    client.close()


def each(client: Any) -> list[Node]:
    """Return every primary, in an order that stays."""
    if not is_cluster(client):
        return [{}]
    found = sorted(client.get_primaries(), key=lambda node: str(node.name))
    return [{"target_nodes": node} for node in found]


def of(client: Any, key: bytes) -> Node:
    """Return the primary that has a key."""
    return {"target_nodes": client.get_node_from_key(key)} if is_cluster(client) else {}


def name(client: Any, key: bytes) -> str:
    """Return the name of the primary that has a key."""
    return str(client.get_node_from_key(key).name)


def scan(client: Any, page: Scan) -> tuple[Node, tuple[Any, ...]]:
    """Return where the next page of keys is, and the command that reads it."""
    number, cursor = _place(page)
    pattern = b"".join(
        b"\\" + bytes((c,)) if c in b"*?[]\\^-" else bytes((c,)) for c in page.prefix
    )
    known = each(client)
    command = ("SCAN", cursor, "MATCH", pattern + b"*", "COUNT", page.most)
    return known[min(number, len(known) - 1)], command


def found(client: Any, page: Scan, answer: Any) -> list[Any]:
    """Return where the page after this one is, b"" where there is none, and the keys of this."""
    cursor, names = answer
    # redis-py's cluster client tells the cursors of all nodes that were asked, by their names.
    told: Any = next(iter(cursor.values())) if is_cluster(client) else cursor
    number, following = _place(page)[0], int(told)
    if following == 0:
        number += 1
    is_over = following == 0 and number >= len(each(client))
    return [b"" if is_over else b"%d/%d" % (number, following), *names]


def _place(page: Scan) -> tuple[int, int]:
    number, _, cursor = (page.after or b"0/0").partition(b"/")
    return int(number), int(cursor)
