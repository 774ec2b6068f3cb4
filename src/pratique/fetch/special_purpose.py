"""What the special-purpose address registries say, as data.

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), as of
2025-10-09; "N/A" and deprecated blocks count as not reachable. Multicast: RFC 5771, RFC 4291 §2.7.
Metadata endpoints: the providers' own pages, named beside each.
"""

from typing import Final

IPV4: Final[tuple[tuple[str, bool], ...]] = (
    ("0.0.0.0/8", False),  # this network, RFC 791
    ("10.0.0.0/8", False),  # private use, RFC 1918
    ("100.64.0.0/10", False),  # shared address space, RFC 6598
    ("127.0.0.0/8", False),  # loopback, RFC 1122
    ("169.254.0.0/16", False),  # link local, RFC 3927
    ("172.16.0.0/12", False),  # private use, RFC 1918
    ("192.0.0.0/24", False),  # IETF protocol assignments, RFC 6890
    ("192.0.0.9/32", True),  # port control protocol anycast, RFC 7723
    ("192.0.0.10/32", True),  # TURN anycast, RFC 8155
    ("192.0.2.0/24", False),  # documentation, RFC 5737
    ("192.31.196.0/24", True),  # AS112-v4, RFC 7535
    ("192.52.193.0/24", True),  # AMT, RFC 7450
    ("192.88.99.0/24", False),  # deprecated: 6to4 relay anycast, RFC 7526
    ("192.168.0.0/16", False),  # private use, RFC 1918
    ("192.175.48.0/24", True),  # direct delegation AS112 service, RFC 7534
    ("198.18.0.0/15", False),  # benchmarking, RFC 2544
    ("198.51.100.0/24", False),  # documentation, RFC 5737
    ("203.0.113.0/24", False),  # documentation, RFC 5737
    ("224.0.0.0/4", False),  # multicast
    ("240.0.0.0/4", False),  # reserved, RFC 1112, and limited broadcast, RFC 919
)
# Only 2000::/3 is assigned for global unicast (RFC 4291 §2.4): everything outside is refused
# without a line here.
IPV6: Final[tuple[tuple[str, bool], ...]] = (
    ("2000::/3", True),
    ("2001::/23", False),  # IETF protocol assignments, RFC 2928; Teredo within is N/A
    ("2001:1::1/128", True),  # port control protocol anycast, RFC 7723
    ("2001:1::2/128", True),  # TURN anycast, RFC 8155
    ("2001:1::3/128", True),  # DNS-SD service registration protocol anycast, RFC 9665
    ("2001:3::/32", True),  # AMT, RFC 7450
    ("2001:4:112::/48", True),  # AS112-v6, RFC 7535
    ("2001:20::/28", True),  # ORCHIDv2, RFC 7343
    ("2001:30::/28", True),  # drone remote id, RFC 9374
    ("2001:db8::/32", False),  # documentation, RFC 3849
    ("2002::/16", False),  # N/A: 6to4, RFC 3056
    ("2620:4f:8000::/48", True),  # direct delegation AS112 service, RFC 7534
    ("3fff::/20", False),  # documentation, RFC 9637
)
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
