"""What the special-purpose address registries say, as data.

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), as of `AS_OF`;
"N/A" and terminated blocks count as not reachable. docs/reference/addresses.md says how the part
between the marks is renewed. Multicast: RFC 5771, RFC 4291 §2.7. Metadata endpoints: the
providers' own pages, named beside each.
"""

from typing import Final

# --- written by scripts/renew_addresses.py ---
AS_OF: Final = "2025-10-09"
IPV4_REGISTRY: Final[tuple[tuple[str, bool], ...]] = (
    ("0.0.0.0/8", False),  # "This network", RFC 791
    ("0.0.0.0/32", False),  # "This host on this network", RFC 1122
    ("10.0.0.0/8", False),  # Private-Use, RFC 1918
    ("100.64.0.0/10", False),  # Shared Address Space, RFC 6598
    ("127.0.0.0/8", False),  # Loopback, RFC 1122
    ("169.254.0.0/16", False),  # Link Local, RFC 3927
    ("172.16.0.0/12", False),  # Private-Use, RFC 1918
    ("192.0.0.0/24", False),  # IETF Protocol Assignments, RFC 6890
    ("192.0.0.0/29", False),  # IPv4 Service Continuity Prefix, RFC 7335
    ("192.0.0.8/32", False),  # IPv4 dummy address, RFC 7600
    ("192.0.0.9/32", True),  # Port Control Protocol Anycast, RFC 7723
    ("192.0.0.10/32", True),  # Traversal Using Relays around NAT Anycast, RFC 8155
    ("192.0.0.170/32", False),  # NAT64/DNS64 Discovery, RFC 8880, RFC 7050
    ("192.0.0.171/32", False),  # NAT64/DNS64 Discovery, RFC 8880, RFC 7050
    ("192.0.2.0/24", False),  # Documentation (TEST-NET-1), RFC 5737
    ("192.31.196.0/24", True),  # AS112-v4, RFC 7535
    ("192.52.193.0/24", True),  # AMT, RFC 7450
    ("192.88.99.0/24", False),  # Deprecated (6to4 Relay Anycast), RFC 7526
    ("192.88.99.2/32", False),  # 6a44-relay anycast address, RFC 6751
    ("192.168.0.0/16", False),  # Private-Use, RFC 1918
    ("192.175.48.0/24", True),  # Direct Delegation AS112 Service, RFC 7534
    ("198.18.0.0/15", False),  # Benchmarking, RFC 2544
    ("198.51.100.0/24", False),  # Documentation (TEST-NET-2), RFC 5737
    ("203.0.113.0/24", False),  # Documentation (TEST-NET-3), RFC 5737
    ("240.0.0.0/4", False),  # Reserved, RFC 1112
    ("255.255.255.255/32", False),  # Limited Broadcast, RFC 8190, RFC 919
)
IPV6_REGISTRY: Final[tuple[tuple[str, bool], ...]] = (
    ("2001::/23", False),  # IETF Protocol Assignments, RFC 2928
    ("2001::/32", False),  # TEREDO, RFC 4380, RFC 8190
    ("2001:1::1/128", True),  # Port Control Protocol Anycast, RFC 7723
    ("2001:1::2/128", True),  # Traversal Using Relays around NAT Anycast, RFC 8155
    ("2001:1::3/128", True),  # DNS-SD Service Registration Protocol Anycast, RFC 9665
    ("2001:2::/48", False),  # Benchmarking, RFC 5180
    ("2001:3::/32", True),  # AMT, RFC 7450
    ("2001:4:112::/48", True),  # AS112-v6, RFC 7535
    ("2001:10::/28", False),  # Deprecated (previously ORCHID), RFC 4843
    ("2001:20::/28", True),  # ORCHIDv2, RFC 7343
    ("2001:30::/28", True),  # Drone Remote ID Protocol Entity Tags (DETs) Prefix, RFC 9374
    ("2001:db8::/32", False),  # Documentation, RFC 3849
    ("2002::/16", False),  # 6to4, RFC 3056
    ("2620:4f:8000::/48", True),  # Direct Delegation AS112 Service, RFC 7534
    ("3fff::/20", False),  # Documentation, RFC 9637
)
# --- end of what is written ---

IPV4: Final = (
    *IPV4_REGISTRY,
    ("224.0.0.0/4", False),  # multicast
)
# Only 2000::/3 is assigned for global unicast (RFC 4291 §2.4): everything outside is refused
# without a line here.
IPV6: Final = (("2000::/3", True), *IPV6_REGISTRY)
NAT64: Final = "64:ff9b::/96"
"""The well-known prefix of RFC 6052: the IPv4 address inside is judged."""

METADATA_ADDRESSES: Final[tuple[str, ...]] = (
    "169.254.169.254",  # AWS, Google Cloud, Azure, DigitalOcean, Oracle, Hetzner, OpenStack
    "169.254.170.2",  # AWS ECS task credentials
    "169.254.170.23",  # AWS EKS pod identity
    "168.63.129.16",  # Azure's wire server: an address that is reachable by the registry
    "100.100.100.200",  # Alibaba Cloud
    "192.0.0.192",  # Oracle Cloud, classic
    "fd00:ec2::254",  # AWS over IPv6
    "fd00:ec2::23",  # AWS EKS pod identity over IPv6
    "fd20:ce::254",  # Google Cloud over IPv6
)
METADATA_NAMES: Final = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
    }
)
