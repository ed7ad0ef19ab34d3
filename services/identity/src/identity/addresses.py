"""Where a sign-in comes from, as far as it can be believed."""

from ipaddress import IPv4Address, IPv6Address, ip_address


def visitor_address(peer: str | None, forwarded: str) -> str:
    """The address that is at the far end of `X-Forwarded-For`, or the peer when it is a stranger.

    The gateway drops what a stranger says in that header and writes the address it sees; web,
    which the gateway believes, says its visitor's address before its own. So the first address is
    the visitor's, if the peer is near enough to be the gateway: this machine or a private network.
    """
    near = _address(peer or "")
    if near is None:
        return peer or "unknown"
    first = _address(forwarded.split(",")[0].strip())
    if first is None or not (near.is_loopback or near.is_private):
        return str(near)
    return str(first)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one that is written as IPv6 as what it is; None when it is none."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
