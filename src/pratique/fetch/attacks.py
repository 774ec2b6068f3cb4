"""The attacks on a URL that this room's lock stops, as data: its tests send them all."""

from dataclasses import dataclass
from typing import Final

from pratique.core.obligation import ALLOWED, VALID, Obligation


@dataclass(frozen=True, slots=True)
class Attack:
    """One URL that leads, or seems to lead, where no policy may.

    Args:
        id: "FT-02".
        title: What is tried.
        url: With places: {host} is a host that the policy names, {port} the port of a canary on
            loopback; a name under evil.test leads to a canary too.
        obligation: What it is refused by.
    """

    id: str
    title: str
    url: str
    obligation: Obligation

    def at(self, *, host: str, port: int) -> str:
        """Return the URL with its places filled."""
        return self.url.replace("{host}", host).replace("{port}", str(port))


def _all(id: str, obligation: Obligation, *rows: tuple[str, str]) -> tuple[Attack, ...]:
    return tuple(Attack(id, title, url, obligation) for title, url in rows)


ATTACKS: Final[tuple[Attack, ...]] = (
    *_all(
        "FT-01",
        ALLOWED,
        ("loopback by its address", "http://127.0.0.1:{port}/"),
        ("loopback by its name", "http://localhost:{port}/"),
        ("another address of loopback", "http://127.8.9.10:{port}/"),
    ),
    *_all(
        "FT-02",
        VALID,
        ("loopback in short form", "http://127.1:{port}/"),
        ("loopback in hexadecimal", "http://0x7f000001:{port}/"),
        ("loopback in parts of hexadecimal", "http://0x7f.0.0.0x1:{port}/"),
        ("loopback in decimal", "http://2130706433:{port}/"),
        ("loopback in octal", "http://0177.0.0.1:{port}/"),
        ("loopback in circled digits", "http://①②⑦.⓪.⓪.①:{port}/"),
        ("loopback with ideographic full stops", "http://127。0。0。1:{port}/"),
        ("loopback with a scope", "http://[::1%25lo]:{port}/"),
        ("zero", "http://0:{port}/"),
    ),
    *_all(
        "FT-02",
        ALLOWED,
        ("loopback of IPv6", "http://[::1]:{port}/"),
        ("loopback of IPv6, spelt out", "http://[0:0:0:0:0:0:0:1]:{port}/"),
        ("loopback mapped into IPv6", "http://[::ffff:127.0.0.1]:{port}/"),
        ("loopback mapped, in hexadecimal", "http://[::ffff:7f00:1]:{port}/"),
        ("loopback, IPv4-compatible", "http://[::127.0.0.1]:{port}/"),
        ("this host", "http://0.0.0.0:{port}/"),
        ("this host of IPv6", "http://[::]:{port}/"),
        ("loopback with a full stop at its end", "http://127.0.0.1.:{port}/"),
    ),
    *_all(
        "FT-03",
        ALLOWED,
        ("metadata by its address", "http://169.254.169.254/latest/meta-data/"),
        ("metadata over IPv6", "http://[fd00:ec2::254]/latest/meta-data/"),
        ("metadata by its name", "http://metadata.google.internal/computeMetadata/v1/"),
        ("metadata by its name, in capitals", "http://METADATA.Google.Internal./"),
        ("metadata mapped into IPv6", "http://[::ffff:169.254.169.254]/"),
        ("metadata behind NAT64", "http://[64:ff9b::a9fe:a9fe]/"),
        ("metadata at an address of the open internet", "http://168.63.129.16/machine"),
    ),
    *_all(
        "FT-04",
        ALLOWED,
        ("private, class A", "http://10.0.0.7/"),
        ("private, class B", "http://172.31.255.254/"),
        ("private, class C", "http://192.168.1.1/"),
        ("shared by a carrier's NAT", "http://100.64.0.1/"),
        ("link-local", "http://169.254.7.7/"),
        ("link-local of IPv6", "http://[fe80::1]/"),
        ("unique local", "http://[fd12:3456::1]/"),
        ("site-local", "http://[fec0::1]/"),
        ("multicast", "http://224.0.0.1/"),
        ("multicast of IPv6", "http://[ff02::1]/"),
        ("broadcast", "http://255.255.255.255/"),
        ("benchmarks", "http://198.18.0.1/"),
        ("loopback behind NAT64", "http://[64:ff9b::7f00:1]/"),
        ("private behind a local NAT64", "http://[64:ff9b:1::a00:7]/"),
        ("loopback in 6to4", "http://[2002:7f00:1::1]/"),
        ("private in Teredo", "http://[2001:0:a00:7::1]/"),
        ("private in ISATAP", "http://[2606:4700::5efe:a00:7]/"),
    ),
    *_all(
        "FT-08",
        VALID,
        ("a file", "file://{host}/etc/hostname"),
        ("gopher", "gopher://127.0.0.1:{port}/_GET%20/"),
        ("ftp", "ftp://127.0.0.1:{port}/"),
        ("dict", "dict://127.0.0.1:{port}/info"),
        ("ldap", "ldap://127.0.0.1:{port}/"),
        ("the answer in the URL", "data:text/html,OK-FINAL"),
        ("an archive", "jar:http://127.0.0.1:{port}!/a"),
        ("a socket of this machine", "unix:///run/own.sock"),
        ("http over a socket of this machine", "http+unix://%2Frun%2Fown.sock/"),
    ),
    *_all(
        "FT-09",
        VALID,
        ("userinfo that looks like the host", "http://{host}@127.0.0.1:{port}/"),
        ("userinfo with a password", "http://{host}:80@127.0.0.1:{port}/"),
        ("userinfo after a NUL", "http://{host}%00@127.0.0.1:{port}/"),
        ("a backslash before @", "http://{host}\\@127.0.0.1:{port}/"),
        ("a backslash after the canary", "http://127.0.0.1:{port}\\@{host}/"),
        ("a tab", "http://127.0.0.1:{port}\t@{host}/"),
        ("a line break before @", "http://{host}\r\n@127.0.0.1:{port}/"),
        ("a field after the path", "http://{host}/ HTTP/1.1\r\nX-Injected: y\r\n\r\n"),
        ("an encoded @", "http://{host}%40127.0.0.1:{port}/"),
        ("a space in the name", "http://127.0.0.1 .{host}/"),
        ("two ports", "http://127.0.0.1:{port}:80/"),
        ("three slashes", "http:///127.0.0.1:{port}/"),
        ("one slash", "http:/127.0.0.1:{port}/"),
    ),
    *_all(
        "FT-09",
        ALLOWED,
        ("the host in the fragment", "http://127.0.0.1:{port}#@{host}/"),
        ("the host in the query", "http://127.0.0.1:{port}?@{host}/"),
    ),
    *_all(
        "FT-10",
        ALLOWED,
        ("the host in front", "http://{host}.evil.test/"),
        ("the host at the end of a label", "http://evil-{host}/"),
        ("a label more", "http://evil.{host}/"),
        ("the host in the path", "http://www.evil.test/{host}"),
        ("the host without its dot", "http://allowedtest.evil.test/"),
        ("a homograph", "http://\u0430llowed.test/"),
    ),
    *_all(
        "FT-10",
        VALID,
        ("a wide homograph", "http://\uff41llowed.test/"),
        ("a full stop that is none", "http://{host}。evil.test/"),
        ("an A-label that decodes to ASCII", "http://xn--allowed-.test/"),
    ),
    *_all(
        "FT-11",
        ALLOWED,
        ("another port of the host", "http://{host}:{port}/"),
        ("its shell", "http://{host}:22/"),
        ("its store", "http://{host}:6379/"),
        ("TLS, where http is named", "https://{host}/"),
    ),
)
"""Each of them is refused by `gate`, or where its address is judged."""
