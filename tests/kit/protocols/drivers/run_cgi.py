"""Apache that runs programs: one in Python that writes itself, one in C whose stdio does, one that runs another."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from common import free_port, listens, run, serving, unprivileged

CONFIG = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
Listen 127.0.0.1:{port}
ErrorLog {folder}/error.log
Mutex file:{folder}
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule cgi_module {modules}/mod_cgi.so
LoadModule alias_module {modules}/mod_alias.so
ScriptAlias /cgi/ {folder}/cgi/
<Directory {folder}/cgi>
    Require all granted
</Directory>
"""
ECHO = """#!{python}
import os, sys
body = sys.stdin.buffer.read(int(os.environ.get("CONTENT_LENGTH") or 0))
os.write(1, b"Content-Type: text/plain\\r\\n\\r\\n")
os.write(1, b"you said " + body)
"""
SHELL = "#!/bin/sh\nname=$(date +%Y)\nprintf 'Content-Type: text/plain\\n\\nit is %s' $name\n"
MISSING = (
    '#include <stdio.h>\nint main(void) { puts("Status: 404 Not here\\r\\nContent-Type: text/plain\\r\\n\\r"); }\n'
)


def main(folder: Path) -> None:
    port, programs = free_port(), folder / "cgi"
    programs.mkdir()
    (programs / "echo").write_text(ECHO.format(python=Path(sys.executable).resolve()))
    (programs / "shell").write_text(SHELL)
    (folder / "missing.c").write_text(MISSING)
    run("cc", folder / "missing.c", "-o", programs / "missing")
    for program in programs.iterdir():
        program.chmod(0o755)
    (folder / "httpd.conf").write_text(CONFIG.format(folder=folder, port=port, modules="/usr/lib/apache2/modules"))
    apache = shutil.which("apache2") or "/usr/sbin/apache2"
    with serving([*unprivileged(), apache, "-X", "-f", folder / "httpd.conf"], folder / "log", lambda: listens(port)):
        at = f"http://127.0.0.1:{port}/cgi"
        print(run("curl", "-sS", "-H", "X-Request-ID: r1", "-d", "hello", f"{at}/echo/order/17?x=1"))
        print(run("curl", "-sS", f"{at}/missing", f"{at}/shell"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
