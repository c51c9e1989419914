"""Which addresses a source's name may stand for: what is inside a network is not reached by a public name."""

from __future__ import annotations

import ipaddress
import os
import socket

from stepkit.errors import Code, InvalidInput

SETTING = "PRIVATE_SOURCES"
"""Names, divided by commas, that may stand for private addresses besides those of the cluster; `.name` is for
all below it."""
_INSIDE = (".svc", ".local", ".internal")
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_MOST = 8

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def addresses_of(host: str, port: int) -> list[str]:
    """Returns the addresses to dial for a host, in the resolver's order.

    An address that was written out is what its writer meant. A name's addresses must be public; a name of the
    cluster, or one that `SETTING` names, may also stand for private ones, and `localhost` for this machine.

    Raises:
        InvalidInput: the name has addresses, none of which it may stand for.
        socket.gaierror: it has none.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return [host]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is too long for IDNA
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not a name") from error
    every = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [address for address in every if _may_stand_for(host, address)]
    if not allowed:
        raise InvalidInput(
            f"{host} stands for {', '.join(every[:_MOST])}, which is not a public address: if that is the"
            f" source, name the host in {SETTING}, or write the address instead of the name",
            Code.INVALID_SETTING,
            service=host,
        )
    return allowed[:_MOST]


def _may_stand_for(host: str, text: str) -> bool:
    address = _meant(ipaddress.ip_address(text))
    name = host.casefold().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return address.is_loopback
    if any(address in network for network in _PRIVATE if network.version == address.version):
        return _is_inside(name)
    return address.is_global and not address.is_multicast


def _meant(address: _Address) -> _Address:
    """Returns the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _is_inside(name: str) -> bool:
    named = [entry.strip().casefold() for entry in os.environ.get(SETTING, "").split(",") if entry.strip()]
    below = (*_INSIDE, *(entry for entry in named if entry.startswith(".")))
    return "." not in name or name in named or name.endswith(below)
