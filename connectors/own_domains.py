"""Whose mail a domain is: the office's own, or a provider's where anybody can have an address."""

from __future__ import annotations

PROVIDERS = """
gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com aol.com icloud.com
me.com mac.com gmx.com gmx.de gmx.net gmx.at gmx.ch web.de t-online.de freenet.de mail.de posteo.de
mailbox.org arcor.de yahoo.de yahoo.fr yahoo.it yahoo.es yahoo.co.uk hotmail.de hotmail.fr hotmail.it
hotmail.es hotmail.co.uk outlook.de outlook.fr outlook.it outlook.es live.de live.fr live.nl live.co.uk
orange.fr wanadoo.fr free.fr sfr.fr laposte.net libero.it virgilio.it tiscali.it alice.it tin.it
telefonica.net terra.es ziggo.nl kpnmail.nl planet.nl hetnet.nl xs4all.nl home.nl wp.pl o2.pl onet.pl
interia.pl op.pl poczta.fm bluewin.ch btinternet.com sky.com comcast.net verizon.net att.net cox.net proton.me
protonmail.com pm.me fastmail.com zoho.com mail.com mail.ru yandex.ru qq.com 163.com 126.com
"""
PUBLIC_DOMAINS = frozenset(PROVIDERS.split())
"""A customer may have an address there as well as the office."""


def own_domain(user: str) -> tuple[str, ...]:
    """The domain of a login name that is an address, unless anybody can have an address there."""
    domain = user.rpartition("@")[2].lower() if "@" in user else ""
    return (domain,) if domain and domain not in PUBLIC_DOMAINS else ()
