"""Which addresses are of the open network, and which of a closed one, that no page from outside may lead into."""

import ipaddress

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Of addresses that hold one of IPv4 (RFC 6052, 2010)."""
_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
"""Those of one network (RFC 8215, 2017), which old Pythons take for open."""


def is_open(address: str) -> bool:
    """Whether an address is one of the open network; one of IPv6 that stands for one of IPv4 is what that is."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in _NAT64 else None
        found = inner or found.ipv4_mapped or found.sixtofour or found
    return found.is_global and not found.is_multicast and found not in _LOCAL
