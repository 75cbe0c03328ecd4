"""A private authority that hands out tokens as Microsoft's and Google's do, over HTTPS on 127.0.0.1.

    /TENANT/v2.0/.well-known/openid-configuration    discovery; an unknown tenant is AADSTS90002
    /TENANT/oauth2/v2.0/devicecode, /token           device code, refresh with rotation, client secret, certificate
    /o/oauth2/v2/auth, /token                        Google: browser, code with PKCE, refresh, service account
    introspection                                    RFC 7662, over plain HTTP: what Dovecot asks

People are played by `approve`, `decline` and `visit`; time and administrators by `expire`, `revoke`, `end_access`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
import ssl
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.servers.private import private_folder

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
PRINCIPAL = "99999999-8888-7777-6666-555555555555"
SECRET = "the~client.secret"
GOOGLE_CLIENT = "1234.apps.googleusercontent.com"
GOOGLE_SECRET = "GOCSPX-secret"
SERVICE_ACCOUNT = "postroom@office.iam.gserviceaccount.com"
MAIL_SCOPE = "https://mail.google.com/"


@dataclass
class Device:
    """One device code: what became of it."""

    state: str = "authorization_pending"
    person: str = ""


@dataclass
class Authority:
    """`with Authority() as authority:` then `authority.url`; `authority.certificate` is the CA to trust."""

    lifetime: int = 3600
    interval: int = 1
    page: str = ""
    """Where to type the code; "": here."""
    says: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Answers of the token endpoint that come before any real one: (status, body)."""
    scopes: str = "IMAP.AccessAsUser.All"
    roles: tuple[str, ...] = ("IMAP.AccessAsApp",)
    google_scope: str = f"{MAIL_SCOPE} openid"
    opens: dict[str, str] = field(default_factory=dict)
    """Person or app -> the mailbox that its tokens open; without an entry a person's own."""
    codes: dict[str, Device] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    """Refresh token -> person. A refresh token is good once."""
    access: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Access token -> (the mailbox that it opens, when it ends)."""
    browsers: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """The grant types that were asked for, oldest first."""
    app_certificate: bytes = b""
    account_key: Any = None

    def __enter__(self) -> Self:
        self.folder = private_folder("authority-")
        self.certificate = self.folder / "cert.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        self.certificate.write_bytes(_pem(key) + _certificate(key, 30))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        self._servers = []
        for secure in (True, False):
            server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"authority": self}))
            if secure:
                server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            self._servers.append((server, thread))
        self.url = f"https://127.0.0.1:{self._servers[0][0].server_address[1]}"
        self.introspection = f"http://127.0.0.1:{self._servers[1][0].server_address[1]}/introspect"
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in self._servers:
            server.shutdown()
            thread.join(10)
            server.server_close()
        shutil.rmtree(self.folder)

    # People, time, administrators

    def approve(self, person: str) -> None:
        """A person types the only open code, and signs in."""
        (device,) = [each for each in self.codes.values() if each.state in ("authorization_pending", "slow_down")]
        device.person, device.state = person, "approved"

    def end_code(self, error: str) -> None:
        """What every open code leads to: "expired_token", "authorization_declined"."""
        for device in self.codes.values():
            device.state = error

    def revoke(self) -> None:
        """An administrator revokes every session."""
        self.refresh.clear()
        self.access.clear()

    def end_access(self) -> None:
        """Access tokens are no longer good, as after a change of the password."""
        self.access.clear()

    def visit(self, address: str) -> str:
        """A person opens Google's page in a browser and agrees. Returns where the browser is sent."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.url}/o/oauth2/v2/auth?")
        assert asked["response_type"] == "code"
        assert asked["access_type"] == "offline"
        code = secrets.token_urlsafe()
        self.browsers[code] = asked
        return asked["redirect_uri"] + "/?" + urlencode({"state": asked["state"], "code": code, "scope": MAIL_SCOPE})

    # Tokens

    def issue(self, claims: dict[str, Any], opens: str) -> str:
        token = jwt.encode(claims | {"jti": secrets.token_hex(8)}, "x" * 32, algorithm="HS256")
        self.access[token] = (opens, time.time() + self.lifetime)
        return token

    def for_person(self, person: str, audience: str) -> dict[str, Any]:
        now = int(time.time())
        refresh = "refresh-" + secrets.token_urlsafe(24)
        self.refresh[refresh] = person
        common = {"tid": TENANT, "oid": hashlib.sha256(person.encode()).hexdigest()[:32], "iat": now}
        common["exp"] = now + self.lifetime
        identity = {**common, "aud": CLIENT, "iss": self.url, "preferred_username": person, "sub": person}
        client_info = {"uid": common["oid"], "utid": TENANT}
        access = {**common, "aud": audience, "appid": CLIENT, "upn": person, "scp": self.scopes}
        return {
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "scope": f"{audience}/{self.scopes}",
            "access_token": self.issue(access, self.opens.get(person, person)),
            "refresh_token": refresh,
            "id_token": jwt.encode(identity, "x" * 32, algorithm="HS256"),
            "client_info": base64.urlsafe_b64encode(json.dumps(client_info).encode()).decode().rstrip("="),
        }

    def for_app(self, audience: str) -> dict[str, Any]:
        claims = {"aud": audience, "appid": CLIENT, "oid": PRINCIPAL, "tid": TENANT, "roles": list(self.roles)}
        claims["exp"] = int(time.time()) + self.lifetime
        token = self.issue({**claims, "idtyp": "app"}, self.opens.get(CLIENT, ""))
        return {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": token}

    def google_tokens(self, user: str, *, refresh: bool) -> dict[str, Any]:
        token = "ya29." + secrets.token_urlsafe(40)
        self.access[token] = (self.opens.get(user, user), time.time() + self.lifetime)
        found = {"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"}
        found |= {"scope": self.google_scope}
        if refresh:
            kept = "1//" + secrets.token_urlsafe(24)
            self.refresh[kept] = user
            found |= {"refresh_token": kept, "id_token": jwt.encode({"email": user}, "x" * 32, algorithm="HS256")}
        return found


Answer = tuple[int, dict[str, Any]]


def microsoft_error(error: str, code: int = 0) -> Answer:
    """As Entra words it: with a description that names people, and must therefore be shown to nobody."""
    described = f"AADSTS{code}: Something about ann@example.org. Trace ID: 0815"
    return 400, {"error": error, "error_description": described, "error_codes": [code] if code else []}


class _Handler(BaseHTTPRequestHandler):
    authority: Authority

    def do_GET(self) -> None:
        tenant = self.path.split("/")[1]
        if not self.path.endswith("/v2.0/.well-known/openid-configuration"):
            return self._send(404, {})
        if tenant != TENANT:
            return self._send(*microsoft_error("invalid_tenant", 90002))
        base = f"{self.authority.url}/{tenant}"
        return self._send(
            200,
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {key: values[0] for key, values in parse_qs(body).items()}
        if self.path == "/introspect":
            mailbox, ends = self.authority.access.get(form["token"], ("", 0.0))
            return self._send(200, {"active": ends > time.time(), "username": mailbox})
        if self.path.endswith("/devicecode"):
            return self._send(*self._device_code(form))
        self.authority.requests.append(form["grant_type"])
        if self.authority.says:
            return self._send(*self.authority.says.pop(0))
        return self._send(*(self._google(form) if self.path == "/token" else self._microsoft(form)))

    def _device_code(self, form: dict[str, str]) -> Answer:
        if form["client_id"] != CLIENT:
            return microsoft_error("unauthorized_client", 700016)
        code = secrets.token_urlsafe()
        self.authority.codes[code] = Device()
        page = self.authority.page or f"{self.authority.url}/devicelogin"
        found = {"device_code": code, "user_code": "ABCD-1234", "verification_uri": page, "expires_in": 900}
        return 200, {**found, "interval": self.authority.interval, "message": "Go there."}

    def _microsoft(self, form: dict[str, str]) -> Answer:
        authority = self.authority
        audience = form.get("scope", "").split(" ")[0].rsplit("/", 1)[0]
        match form["grant_type"]:
            case "urn:ietf:params:oauth:grant-type:device_code":
                device = authority.codes[form["device_code"]]
                if device.state != "approved":
                    return microsoft_error(device.state)
                del authority.codes[form["device_code"]]
                return 200, authority.for_person(device.person, "https://outlook.office.com")
            case "refresh_token":
                person = authority.refresh.pop(form["refresh_token"], None)
                if person is None:
                    return microsoft_error("invalid_grant", 50173)
                return 200, authority.for_person(person, "https://outlook.office.com")
            case "client_credentials" if "client_assertion" in form:
                key = x509.load_pem_x509_certificate(authority.app_certificate).public_key()
                jwt.decode(form["client_assertion"], key, algorithms=["RS256", "PS256"], options={"verify_aud": False})  # type: ignore[arg-type]
                return 200, authority.for_app(audience)
            case "client_credentials" if form["client_secret"] == SECRET:
                return 200, authority.for_app(audience)
            case _:
                return 401, microsoft_error("invalid_client", 7000215)[1]

    def _google(self, form: dict[str, str]) -> Answer:
        authority = self.authority
        match form["grant_type"]:
            case "authorization_code":
                asked = authority.browsers.pop(form["code"])
                challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
                assert asked["code_challenge"] == challenge.decode().rstrip("=")
                assert (asked["redirect_uri"], asked["code_challenge_method"]) == (form["redirect_uri"], "S256")
                assert (form["client_id"], form["client_secret"]) == (GOOGLE_CLIENT, GOOGLE_SECRET)
                return 200, authority.google_tokens(asked["login_hint"], refresh=True)
            case "refresh_token":
                person = authority.refresh.get(form["refresh_token"])  # Google does not rotate
                if person is None:
                    return 400, {"error": "invalid_grant", "error_description": "Token of ann has been revoked."}
                return 200, authority.google_tokens(person, refresh=False)
            case "urn:ietf:params:oauth:grant-type:jwt-bearer":
                claims = jwt.decode(
                    form["assertion"],
                    authority.account_key,
                    algorithms=["RS256"],
                    audience=f"{authority.url}/token",
                    issuer=SERVICE_ACCOUNT,
                )
                assert claims["scope"] == MAIL_SCOPE
                return 200, authority.google_tokens(claims["sub"], refresh=False)
            case _:
                return 400, {"error": "unsupported_grant_type"}

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        words = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, format: str, *args: Any) -> None:
        """Not on the terminal."""


def rsa_key() -> tuple[str, Any]:
    """A private key as PEM, and its public half."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _pem(key).decode(), key.public_key()


def app_certificate(days: int) -> str:
    """A key and its certificate, both PEM in one text, as an administrator makes them for an app."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return (_pem(key) + _certificate(key, days)).decode()


Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def _pem(key: Key) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _certificate(key: Key, days: int) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "postroom")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=400))
    made = made.not_valid_after(now + timedelta(days=days, minutes=5))
    here = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    return made.add_extension(here, critical=False).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
