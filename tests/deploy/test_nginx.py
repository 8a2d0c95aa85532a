"""The configuration of nginx agrees with the settings of the service, and with the documentation."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from cds_service.settings import Settings
from tests.support.certificates import Authority
from tests.support.fixtures import ROOT
from tests.support.nginx import FILE, configured
from tests.support.postgres import free_port

SECURE = ROOT / "docs" / "how-to" / "secure.md"
UNITS = {"": 1, "s": 1, "k": 1024, "m": 1024 * 1024}


def directives(text: str) -> dict[str, str]:
    """What is set once, by its name."""
    plain = re.sub(r"#.*", "", text)
    return dict(re.findall(r"^\s*([a-z_]+)\s+([^;{}]+);", plain, re.MULTILINE))


def number(name: str) -> int:
    """Seconds or bytes of a directive."""
    found = re.fullmatch(r"(\d+)([skm]?)", directives(FILE.read_text(encoding="utf-8"))[name])
    assert found is not None, name
    return int(found[1]) * UNITS[found[2]]


def test_bodies_are_those_that_the_service_takes():
    """A body is refused where the service would refuse it, and no body that it takes is written to a disk."""
    settings = Settings()

    assert number("client_max_body_size") == settings.max_body
    assert number("client_body_buffer_size") == settings.max_body
    assert number("client_body_timeout") == settings.body_timeout


def test_the_service_answers_first():
    """The service says that it takes too long before nginx gives up, and nginx closes connections before it does."""
    settings = Settings()
    upstream, _, _ = FILE.read_text(encoding="utf-8").partition("log_format")
    kept = directives(upstream)["keepalive_timeout"]

    assert number("proxy_read_timeout") > settings.request_deadline
    assert number("proxy_next_upstream_timeout") <= number("proxy_read_timeout")
    assert int(kept.removesuffix("s")) < settings.idle_timeout


def test_a_call_is_put_to_two_copies_at_most():
    """A copy that is gone is passed over, for POST too, once."""
    assert directives(FILE.read_text(encoding="utf-8"))["proxy_next_upstream"] == "error timeout non_idempotent"
    assert number("proxy_next_upstream_tries") == 2


def test_page_on_security_says_the_same():
    """What the page on security puts into nginx stands in the file too, but for the address of the service."""
    (fence,) = re.findall(r"```nginx\n(.*?)```", SECURE.read_text(encoding="utf-8"), re.DOTALL)
    told, shipped = directives(fence), directives(FILE.read_text(encoding="utf-8"))
    told.pop("proxy_pass")

    assert told.items() <= shipped.items()


@pytest.mark.served
def test_nginx_takes_it(tmp_path: Path):
    """The file as it is shipped, with a certificate put in and its log elsewhere, is one that nginx takes."""
    Authority(tmp_path).server("cds.example.org")
    (certificate,) = [file for file in tmp_path.glob("*.pem") if file.name != "ca.pem"]
    changes = {
        "/etc/nginx/chain.pem": str(certificate),
        "/etc/nginx/key.pem": str(certificate),
        "/var/log/nginx": str(tmp_path),
        "listen 443": f"listen 127.0.0.1:{free_port()}",
    }
    command = configured(tmp_path, changes)
    if command is None:
        pytest.skip("nginx is not on this machine")
    told = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stderr
