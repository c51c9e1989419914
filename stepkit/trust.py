"""Who vouches for an encrypted server, and what is wrong with one that nobody vouches for."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from stepkit.errors import Code, InvalidInput

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name what to trust instead of the system's authorities: the files of all that are set."""
_EXPIRED, _TOO_EARLY, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
"""Codes of OpenSSL, `X509_V_ERR_…`."""
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"})
_NOTHING_COMMON = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
        "DH_KEY_TOO_SMALL",
        "BAD_ECPOINT",
    }
)
_MOST_NAMES = 5


class _Socket(ssl.SSLSocket):
    """Keeps with the refusal of a certificate what that says of itself: afterwards nobody can ask it."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except ssl.SSLCertVerificationError as error:
            # `SSLSocket` itself has the method since Python 3.13, and no way to read what it gives.
            chain = getattr(self._sslobj, "get_unverified_chain", lambda: None)()  # type: ignore[attr-defined]
            error.certificate = chain[0].get_info() if chain else {}  # type: ignore[attr-defined]
            raise


def context() -> ssl.SSLContext:
    """Returns what a connection to a source trusts: what the environment names, else the system's own.

    Raises:
        InvalidInput: the environment names a file that holds no authority.
    """
    made = create_urllib3_context()
    made.sslsocket_class = _Socket
    named = _bundles()
    if not named:
        made.load_default_certs()
    for name, path in named.items():
        folder = Path(path).is_dir()
        try:
            made.load_verify_locations(None if folder else path, path if folder else None)
        except OSError as error:
            raise InvalidInput(
                f"{name} is {path}, which holds no certificate that can be read ({error.strerror or error}):"
                " name a file of certificates in PEM, those of all authorities to trust",
                Code.INVALID_SETTING,
                file=path,
            ) from error
    return made


def refusal(server: str, error: BaseException, service: str | None = None) -> InvalidInput | None:
    """Returns the ending for a fault of encryption that trying again does not mend; None for any other error.

    Args:
        server: who was asked, for the sentence.
        error: of any client, whatever it has wrapped the fault in.
        service: as `StepError.service` names the server, if not by `server`.
    """
    service = server if service is None else service
    fault = next((each for each in _within(error, set()) if isinstance(each, ssl.SSLError)), None)
    if isinstance(fault, ssl.SSLCertVerificationError):
        return InvalidInput(_sentence(server, fault), Code.UNTRUSTED_CERTIFICATE, service=service)
    reason = str(getattr(fault, "reason", ""))
    if reason in _NO_TLS:
        sentence = f"{server} does not speak TLS ({reason}): write http:// if that is the right port"
        return InvalidInput(sentence, Code.INVALID_SETTING, service=service)
    if reason in _NOTHING_COMMON:
        sentence = (
            f"{server} and this step have no encryption in common ({reason}): it must take TLS 1.2 or newer"
            " and ask for no certificate of the client"
        )
        return InvalidInput(sentence, Code.REQUEST_REFUSED, service=service)
    return None


def reason_of(error: BaseException) -> str:
    """Returns the innermost reason of an error in a few words, for a sentence."""
    *_, last = _within(error, set())
    # What urllib3 says of its own errors names the pool, and nothing that a person does not know yet.
    said = "" if isinstance(last, HTTPError) else getattr(last, "strerror", None) or str(last)
    return ": ".join(filter(None, (type(error).__name__, said)))


def _within(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """Returns an error and all that it has wrapped, by whichever client's custom."""
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    wrapped = (getattr(error, "reason", None), getattr(error, "original_error", None))
    for inner in (*error.args, *wrapped, error.__cause__, error.__context__):
        if isinstance(inner, BaseException):
            yield from _within(inner, seen)


def _bundles() -> dict[str, str]:
    return {name: path for name in BUNDLES if (path := os.environ.get(name))}


def _sentence(server: str, fault: ssl.SSLCertVerificationError) -> str:
    shown: dict[str, Any] = getattr(fault, "certificate", {})
    names = [f"{kind}:{name}" for kind, name in shown.get("subjectAltName", ())]
    facts = {
        "subject": _name(shown.get("subject", ())),
        "issuer": _name(shown.get("issuer", ())),
        "from": shown.get("notBefore", ""),
        "until": shown.get("notAfter", ""),
        "for": ", ".join(names[:_MOST_NAMES]) + (" and others" if len(names) > _MOST_NAMES else ""),
    }
    told = "; ".join(f"{fact} {value}" for fact, value in facts.items() if value)
    message = fault.verify_message.rstrip(".")
    return (
        f"{server} is refused for its certificate{f' ({told})' if told else ''}: {message}. {_advice(fault)}"
    )


def _advice(fault: ssl.SSLCertVerificationError) -> str:
    if fault.verify_code == _EXPIRED:
        return "Whoever runs the server, or the proxy before it, must renew it"
    if fault.verify_code == _TOO_EARLY:
        return "See whether the clock of this machine is right"
    if fault.verify_code in (_OTHER_NAME, _OTHER_ADDRESS):
        return "Use an address whose name the certificate has"
    named = " and ".join(f"{name}={path}" for name, path in _bundles().items())
    return (
        f"Trusted {f'is what {named} holds' if named else 'are the authorities of the system'}: if the"
        " issuer is one of yours, or of a proxy of yours, add its certificate to a file that SSL_CERT_FILE"
        " and REQUESTS_CA_BUNDLE name (in the charts: global.caSecret)"
    )


def _name(parts: Any) -> str:
    found = {kind: value for part in parts for kind, value in part}
    short = [found[kind] for kind in ("commonName", "organizationName") if kind in found]
    return ", ".join(map(str, short or found.values()))
