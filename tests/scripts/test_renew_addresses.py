"""The address tables are what the registries say, and are renewed from their files alone."""

import difflib
from datetime import date
from pathlib import Path

import pytest

from pratique.fetch import is_globally_reachable
from pratique.fetch.special_purpose import AS_OF
from scripts.renew_addresses import MODULE, UnreadableError, main, read, renewed, written
from tests.scripts.registries import HEAD, IPV4, IPV6

DAY = date.fromisoformat(AS_OF)


def between(ipv4: str = IPV4, ipv6: str = IPV6) -> str:
    """Return what would be written from these files."""
    return written(read(ipv4, 4), read(ipv6, 6), DAY)


def changed(ipv4: str = IPV4, ipv6: str = IPV6) -> list[str]:
    """Return the lines of the module that these files would put in and take out."""
    old = MODULE.read_text(encoding="utf-8")
    new = renewed(old, between(ipv4, ipv6))
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def swapped(text: str, old: str, new: str) -> str:
    """Replace the one place where *old* stands."""
    assert text.count(old) == 1
    return text.replace(old, new)


def test_the_committed_tables_are_what_the_registries_say() -> None:
    """Renewing from the registries of the same day changes nothing."""
    assert changed() == []


@pytest.mark.parametrize(
    ("address", "is_good"),
    [
        ("192.0.0.7", False),
        ("192.0.0.9", True),
        ("192.0.0.170", False),
        ("192.88.99.2", False),
        ("2001::1", False),
        ("2001:2::1", False),
        ("2001:5::1", False),
        ("2001:10::1", False),
        ("2001:20::1", True),
        ("2001:200::1", True),
        ("64:ff9b:1::808:808", False),
        ("100::1", False),
        ("100:0:0:1::1", False),
        ("5f00::1", False),
    ],
)
def test_the_longest_prefix_has_the_last_word(address: str, *, is_good: bool) -> None:
    """Inside 2001::/23 only what is named is reachable, and nothing outside 2000::/3."""
    assert is_globally_reachable(address) is is_good


def test_a_changed_cell_changes_one_line() -> None:
    """A block that becomes reachable, and one that stops being so."""
    opened = "[RFC7335],2011-06,N/A,True,True,True,{},False"
    assert changed(swapped(IPV4, opened.format("False"), opened.format("True"))) == [
        '-    ("192.0.0.0/29", False),  # IPv4 Service Continuity Prefix, RFC 7335',
        '+    ("192.0.0.0/29", True),  # IPv4 Service Continuity Prefix, RFC 7335',
    ]
    ended = swapped(IPV6, "[RFC7450],2014-12,N/A,", "[RFC7450],2014-12,2026-01,")
    assert changed(ipv6=ended) == [
        '-    ("2001:3::/32", True),  # AMT, RFC 7450',
        '+    ("2001:3::/32", False),  # AMT, RFC 7450',
    ]


def test_a_new_block_is_a_new_line() -> None:
    """In order of address, wherever it stands in the file."""
    new = "2001:5::/32,EID Space for LISP,[RFC7954],2016-09,N/A,True,True,True,False [9],True\r\n"
    assert changed(ipv6=IPV6 + new) == [
        '+    ("2001:5::/32", False),  # EID Space for LISP, RFC 7954'
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Globally Reachable,", "Global,"),
        ("Source,Destination", "Destination,Source"),
        (",Reserved-by-Protocol", ",Reserved-by-Protocol,Notes"),
        ("Name,RFC,", "Name,"),
        ("[RFC1918],1996-02,N/A,True,True,True,False,False\r\n100.", "[RFC1918]\r\n100."),
        ("[RFC6598],2012-04,N/A,True,True,True,False", "[RFC6598],2012-04,N/A,True,True,True,No"),
        ("[RFC6598],2012-04,N/A,True,True,True,False", "[RFC6598],2012-04,N/A,True,True,True,"),
        ("100.64.0.0/10", "100.64.0.1/10"),
        ("100.64.0.0/10", "100.64/10"),
        ("100.64.0.0/10", "fc00::/7"),
        ("100.64.0.0/10", "10.0.0.0/8"),
        ("192.0.0.170/32, 192.0.0.171/32", "192.0.0.170/32; 192.0.0.171/32"),
    ],
)
def test_refuses_a_form_that_it_does_not_know(old: str, new: str) -> None:
    """A layout or a cell that means something else would write a wrong table. The twin is whole."""
    with pytest.raises(UnreadableError):
        read(swapped(IPV4, old, new), 4)
    assert len(read(IPV4, 4)) == 26


@pytest.mark.parametrize("text", ["", HEAD, IPV6])
def test_refuses_a_file_without_a_block_of_that_family(text: str) -> None:
    """Empty is not "nothing is special"; the two files can be mixed up."""
    with pytest.raises(UnreadableError):
        read(text, 4)
    assert len(read(IPV6, 6)) == 25


def test_a_file_that_was_cut_off_opens_nothing() -> None:
    """A block that a registry has given up is named by hand; the twin names it."""
    cut = IPV4[: IPV4.index("240.0.0.0/4")]
    old = MODULE.read_text(encoding="utf-8")
    with pytest.raises(
        UnreadableError, match=r"240\.0\.0\.0/4, 255\.255\.255\.255/32 would be lost"
    ):
        renewed(old, between(cut))
    gone = ["240.0.0.0/4", "255.255.255.255/32"]
    assert '"240.0.0.0/4"' not in renewed(old, between(cut), gone=gone)


def test_a_reachable_block_outside_global_unicast_is_decided_by_hand() -> None:
    """No line of a file opens what `address.py` closes as a whole. The twin isn't reachable."""
    line = "4000::/16,New,[RFC9999],2030-01,N/A,True,True,True,{},False\r\n"
    with pytest.raises(UnreadableError, match="4000::/16 is reachable"):
        between(ipv6=IPV6 + line.format("True"))
    assert changed(ipv6=IPV6 + line.format("False")) == []


def test_a_module_without_marks_is_left_alone() -> None:
    """The twin has both."""
    with pytest.raises(UnreadableError, match="marks"):
        renewed("IPV4 = ()\n", between())
    marked = (
        "a\n# --- written by scripts/renew_addresses.py ---\n# --- end of what is written ---\n"
    )
    assert renewed(marked, between()).startswith("a\n")


def test_the_command_renews_or_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command renews a file in place and says so; where it refuses, nothing is changed."""
    module, ipv4, ipv6 = (tmp_path / name for name in ("m.py", "4.csv", "6.csv"))
    text = MODULE.read_text(encoding="utf-8")
    module.write_text(text, encoding="utf-8")
    ipv4.write_bytes(IPV4.encode())
    ipv6.write_bytes(IPV6.encode())
    command = [str(ipv4), str(ipv6), "--as-of"]
    assert main([*command, AS_OF], module=module) == 0
    assert capsys.readouterr().out == "Nothing is new.\n"
    assert main([*command, "2030-01-02"], module=module) == 0
    assert module.read_text(encoding="utf-8") == text.replace(AS_OF, "2030-01-02")
    ipv4.write_bytes(IPV4.encode()[:1000])
    assert main([*command, "2031-01-02"], module=module) == 1
    assert "Nothing was changed." in capsys.readouterr().err
    assert "2030-01-02" in module.read_text(encoding="utf-8")
