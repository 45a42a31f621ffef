"""Which shell commands take a secret as an argument, and where it stands; each expression has it as its only group."""

from __future__ import annotations

import re

VALUE = r"(\"[^\"]*\"|'[^']*'|[^\s,;&|]+)"
# Not a path and not a list of words to try.
_WEAK = r"(?![./~-]|\S+\.(?:txt|lst|zip)\b)([^\s;&|]+)"
_ASKS = r"(?:sudo|su|passwd|chpasswd|openssl|docker|gpg|cryptsetup|kinit|sshpass)"
_FLAG_P = (
    r"(?:sshpass|hydra|medusa|ncrack|smbclient|crackmapexec|netexec|nxc|evil-winrm|rdesktop|useradd|usermod|mongo|mongosh"
    r"|sqlcmd|bcp|mosquitto_\w+|(?:docker|podman|az|oc|registry)\s+login)"
)

# Whether a text has to be looked at at all: nearly all have none of these.
HINT = re.compile(
    r"<<<|/p:|%|:\S+@|\blogin\b|\bnet\s+user\b|\|\s*(?:md5|sha|mkpasswd)"
    r"|\b(?:redis-cli|ldap\w+|lftp|htpasswd|wpa_passphrase|nmcli|ssh-keygen|useradd|usermod|mongo|mongosh|sqlcmd|bcp"
    r"|rdesktop|evil-winrm|hydra|medusa|ncrack|fcrackzip|zip|unzip|7z|rar|unrar)\b",
    re.IGNORECASE,
)

EXPRESSIONS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_FLAG_P}\b.*?\s-[pP]\s*{VALUE}",
        rf"\b(?:ldap\w+|smbclient|mosquitto_\w+|hydra|sshpass|evil-winrm)\b.*?\s-w\s*{VALUE}",
        rf"\b(?:redis-cli|smbclient|crackmapexec|mosquitto_\w+)\b.*?\s-a\s*{VALUE}",
        rf"\bfcrackzip\b.*?\s-p\s*{_WEAK}",
        rf"\bssh-keygen\b.*?\s-N\s*{VALUE}",
        r"\bssh-keygen\b.*?\s(?-i:-P)\s*(\"[^\"]*\"|'[^']*'|\S+)",
        rf"\b(?:mysql|mysqldump|mariadb)\b.*?\s(?-i:-p){VALUE}",
        rf"\bmysqladmin\b.*?\spassword\s+{VALUE}",
        rf"\b(?:unzip|zip|7z|rar|unrar)\b.*?\s-[pP]\s*{VALUE}",
        r"\b(?:curl|wget|http)\b.*?\s(?:-u|--user)[\s=]*[^\s:]+:(\S+)",
        r"\b(?:smbclient|rpcclient|smbmap|net|winexe)\b.*?\s[\"']?[^\s%\"']+%([^\s\"']+)",
        r"\bx?freerdp\b.*?\s/p:(\S+)",
        r"\blftp\b.*?\s-u\s*[^\s,]+,(\S+)",
        r"\bnet\s+user\s+(?!/)\S+\s+(?!/)(\S+)",
        rf"\bhtpasswd\s+-\w*b\w*\s+(?:-\w+\s+)*\S+\s+\S+\s+{VALUE}",
        rf"\bwpa_passphrase\s+\S+\s+{VALUE}",
        rf"\bnmcli\b.*?\spassword\s+{VALUE}",
        r"^\s*login\s+[^\s-]\S*\s+(\S+)\s*$",
        rf"\b{_ASKS}\b.*?<<<\s*{VALUE}",
        rf"\becho\s+(?:-\w+\s+)*(.+?)\s*\|\s*(?:{_ASKS}|md5sum|sha\d+sum|mkpasswd)\b",
        r"\becho\s+(?:-\w+\s+)*(.+?)\s*>>?\s*\S*(?:pass|cred|secret|pwd|token|\bkey)\S*",
        r"(?<![\w/:.-])(?!mailto:)[\w./-]*\w:([^\s:/@]+)@(?!sha\d)[\w.-]+",
        r"\bpassword\s+'([^']*)'",
        r"\bauth\(\s*[\"'][^\"']*[\"']\s*,\s*[\"']([^\"']*)[\"']",
    )
]
