"""What an access token says about itself, read without trusting it: enough to name the grant that is missing.

The payload of the JWT (RFC 7519) is compared with what IMAP needs; no signature is checked.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.sign_in import SignIn

# Office 365 Exchange Online, as older tokens name it.
EXCHANGE = "00000002-0000-0ff1-ce00-000000000000"
ANY_TENANT = {"common", "organizations", "consumers"}


def claims_of(token: str) -> dict[str, Any] | None:
    """The payload; None for a token that does not show one, as Google's."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def missing_grants(claims: Mapping[str, Any], wanted: SignIn, *, as_app: bool, now: datetime) -> list[str]:
    """Every reason why Exchange will refuse this token, each with its next step; empty if there is none to be seen."""
    problems = []
    audience = str(claims.get("aud", "")).rstrip("/")
    meant = {"https://outlook.office.com", "https://outlook.office365.com", EXCHANGE, f"https://{wanted.host}"}
    if audience not in meant:
        problems.append(
            f'the token is for "{audience}" and not for Exchange. Ask for it with the scope '
            f"https://outlook.office{'365.com/.default' if as_app else '.com/IMAP.AccessAsUser.All'}."
        )
    roles, scopes = _words(claims.get("roles")), _words(claims.get("scp"))
    if as_app and "IMAP.AccessAsApp" not in roles:
        problems.append(
            "the app has no permission IMAP.AccessAsApp. Add it in Entra under API permissions (Office 365 Exchange "
            "Online, application permissions), and grant admin consent."
        )
    if not as_app and "IMAP.AccessAsUser.All" not in scopes:
        problems.append(
            "the token lacks the scope IMAP.AccessAsUser.All. Add it in Entra under API permissions (Office 365 "
            "Exchange Online, delegated), consent, and run `postroom login` again."
        )
    ends = claims.get("exp")
    if isinstance(ends, int | float) and ends <= now.timestamp():
        problems.append(f"the token ended at {datetime.fromtimestamp(ends, UTC):%Y-%m-%d %H:%M} UTC.")
    tenant = str(claims.get("tid", ""))
    if _is_id(wanted.tenant) and tenant and tenant.lower() != wanted.tenant.lower():
        problems.append(f"the token is of tenant {tenant}, and the settings name {wanted.tenant}. Correct `tenant`.")
    person = str(claims.get("upn") or claims.get("preferred_username") or claims.get("unique_name") or "")
    if not as_app and person and person.lower() != wanted.person.lower():
        problems.append(f'the token is that of "{person}", and the settings expect "{wanted.person}".')
    app = str(claims.get("appid") or claims.get("azp") or "")
    if wanted.client_id and app and app.lower() != wanted.client_id.lower():
        problems.append(f"the token is for the app {app}, and the settings name {wanted.client_id}.")
    return problems


def recipe(claims: Mapping[str, Any], wanted: SignIn, *, as_app: bool) -> str:
    """What to type into Exchange Online PowerShell when the sign-in works and the mailbox stays closed.

    https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
    """
    if not as_app:
        if wanted.person.lower() == wanted.user.lower():
            return f'IMAP is switched off for the mailbox? Set-CASMailbox -Identity "{wanted.user}" -ImapEnabled $true'
        return (
            f'"{wanted.person}" may not open "{wanted.user}". In Exchange Online PowerShell:\n'
            f'    Add-MailboxPermission -Identity "{wanted.user}" -User "{wanted.person}" -AccessRights FullAccess'
        )
    app = str(claims.get("appid") or claims.get("azp") or wanted.client_id)
    # In an app's own token "oid" is the object id of the *enterprise app*, the one that Exchange wants.
    principal = str(claims.get("oid") or "OBJECT-ID-OF-THE-ENTERPRISE-APP")
    return (
        f'Exchange does not know the app, or it may not open "{wanted.user}". In Exchange Online PowerShell:\n'
        f"    New-ServicePrincipal -AppId {app} -ObjectId {principal} -DisplayName Postroom\n"
        f'    Add-MailboxPermission -Identity "{wanted.user}" -User {principal} -AccessRights FullAccess'
    )


def _words(value: object) -> set[str]:
    if isinstance(value, str):
        return set(value.split())
    return {str(word) for word in value} if isinstance(value, list) else set()


def _is_id(tenant: str) -> bool:
    """A directory's id, which the token repeats; a domain is another name for it."""
    return tenant.lower() not in ANY_TENANT and len(tenant) == 36 and tenant.count("-") == 4
