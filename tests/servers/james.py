"""A private Apache James 3.8, its mail in memory: MOVE, UIDPLUS, QRESYNC, OBJECTID, LIST-STATUS; BAD for what is gone.

Whoever was admitted logs in with PASSWORD. Only IMAP and the administrator's door listen, both on the loopback.
"""

from __future__ import annotations

import json
import signal
import subprocess
from http.client import HTTPConnection
from typing import Self

from tests.servers.java import GENTLE, java
from tests.servers.private import PASSWORD, Account, free_port, private_folder, stop, wait_for_greeting, wait_for_port

FILES = {
    "imapserver.xml": """<imapservers><imapserver enabled="true">
  <jmxName>imapserver</jmxName>
  <bind>127.0.0.1:{port}</bind>
  <connectionBacklog>200</connectionBacklog>
  <auth><plainAuthEnabled>true</plainAuthEnabled><requireSSL>false</requireSSL></auth>
  <provisionDefaultMailboxes>false</provisionDefaultMailboxes>
</imapserver></imapservers>""",
    "smtpserver.xml": "<smtpservers/>",
    "lmtpserver.xml": "<lmtpservers/>",
    "pop3server.xml": "<pop3servers/>",
    "managesieveserver.xml": "<managesieveservers/>",
    "domainlist.xml": """<domainlist class="org.apache.james.domainlist.lib.AbstractDomainList">
  <autodetect>false</autodetect><autodetectIP>false</autodetectIP><defaultDomain>localhost</defaultDomain>
</domainlist>""",
    "usersrepository.xml": """<usersrepository name="LocalUsers">
  <algorithm>SHA-1</algorithm><enableVirtualHosting>false</enableVirtualHosting>
</usersrepository>""",
    "mailrepositorystore.xml": """<mailrepositorystore>
  <defaultProtocol>memory</defaultProtocol>
  <mailrepositories><mailrepository class="org.apache.james.mailrepository.memory.MemoryMailRepository">
    <protocols><protocol>memory</protocol></protocols>
  </mailrepository></mailrepositories>
</mailrepositorystore>""",
    "recipientrewritetable.xml": "<recipientrewritetable><recipientRewrite/></recipientrewritetable>",
    # James starts only with these, though no mail comes in by SMTP here.
    "mailetcontainer.xml": """<mailetcontainer enableJmx="false">
  <context><postmaster>postmaster@localhost</postmaster></context>
  <spooler><threads>1</threads></spooler>
  <processors>
    <processor state="root"><mailet match="All" class="Null"/></processor>
    <processor state="error"><mailet match="All" class="Null"/></processor>
    <processor state="transport">
      <mailet match="All" class="RemoveMimeHeader"><name>bcc</name></mailet>
      <mailet match="RecipientIsLocal" class="VacationMailet"/>
      <mailet match="RecipientIsLocal" class="org.apache.james.jmap.mailet.filter.JMAPFiltering"/>
      <mailet match="RecipientIsLocal" class="LocalDelivery"/>
    </processor>
  </processors>
</mailetcontainer>""",
    "webadmin.properties": "enabled=true\nport={admin_port}\nhost=127.0.0.1\n",
    # Both would listen on every address.
    "jmap.properties": "enabled=false\n",
    "jmx.properties": "jmx.enabled=false\n",
    "logback.xml": """<configuration>
  <appender name="console" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %level %logger - %msg%n%rEx</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="console"/></root>
</configuration>""",
}


class James:
    """`with James() as server:` then `server.port`; `admit` a user before he logs in."""

    name = "james"
    separator = "."
    prefix = ""

    def __enter__(self) -> Self:
        self.account = Account.ordinary()
        self.root = private_folder("james-")
        (self.root / "conf").mkdir()
        self.port, self.admin_port = free_port(), free_port()
        values = {"{port}": str(self.port), "{admin_port}": str(self.admin_port)}
        for name, text in FILES.items():
            for word, value in values.items():
                text = text.replace(word, value)
            (self.root / "conf" / name).write_text(text)
        self.account.own(self.root)
        options = [
            *GENTLE,
            f"-Dworking.directory={self.root}",
            f"-Dlogback.configurationFile={self.root}/conf/logback.xml",
        ]
        program, folder = java()
        with (self.root / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *self.account.prefix(),
                    program,
                    *options,
                    "-cp",
                    f"{folder}/james/*",
                    "org.apache.james.MemoryJamesServerMain",
                ],
                stdout=log,
                stderr=log,
                cwd=self.root,
                start_new_session=True,
            )
        try:
            wait_for_greeting(self.port, self.process, self.root / "log", 90)
            wait_for_port(self.admin_port, self.process, self.root / "log")
        except BaseException:
            stop(self.process, signal.SIGKILL, self.root)
            raise
        return self

    def admit(self, user: str) -> None:
        """Make an account."""
        connection = HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        headers = {"Content-Type": "application/json"}
        connection.request("PUT", f"/users/{user}", json.dumps({"password": PASSWORD}), headers)
        assert connection.getresponse().status == 204
        connection.close()

    def __exit__(self, *_: object) -> None:
        stop(self.process, signal.SIGKILL, self.root)  # nothing on a disk to be kept
