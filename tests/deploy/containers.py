"""Containers for real, as root, where no registry of images is reached: buildah, podman, a base of Debian's packages.

crun fails where the control groups of a machine are mixed, so runc. Images are of Docker's format, or the HEALTHCHECK
is dropped. All containers are on the network of the machine, on a free port of loopback.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.deploy.files import ROOT, text
from tests.support.serving import until

TOOLS = ("buildah", "podman", "runc", "catatonit", "debootstrap")
SERVICE, DATABASE = "localhost/cds-service:test", "localhost/cds-database:test"
BASE = "localhost/cds-base:test"
SOURCES = re.compile(r"^(?:deb|URIs:).*?(https?://\S+debian\S*)", re.MULTILINE)
TRUSTED = ("/etc/ssl/certs", "/usr/local/share/ca-certificates", "/etc/pip.conf")
USER = 10001
PULLING = 30.0
POLLS = 2400
"""How often it is looked whether a service is ready, a twentieth of a second apart."""
DATABASE_ENTRY = """#!/bin/sh
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf %s "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 > /tmp/initdb.log
    rm /tmp/password
fi
exec postgres -c listen_addresses=127.0.0.1 -c unix_socket_directories=/tmp -p "$PORT"
"""
"""What stands for the entry of the image that the compose file names; the database `postgres` is always there."""


class Containers:
    """Builds images and runs containers; `folder` is where it writes."""

    def __init__(self, folder: Path) -> None:
        """The test is skipped, with the reason, where this machine cannot do it."""
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        if missing or os.geteuid() != 0:
            pytest.skip(f"building and starting images needs root, and {', '.join(missing or TOOLS)}")
        self.folder = folder
        files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1 << 20)
        config = folder / "containers.conf"
        config.write_text(
            f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]\n'
            '[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\n',
            encoding="utf-8",
        )
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(config),
            "STORAGE_DRIVER": "vfs",
            "BUILDAH_ISOLATION": "chroot",
            "BUILDAH_FORMAT": "docker",
        }

    def do(self, *command: object, expected: int | None = 0, seconds: float | None = None) -> str:
        """What a command prints; the test fails where its status is not the one that is expected."""
        done = subprocess.run(
            list(map(str, command)),
            env=self._environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=seconds,
        )
        assert expected is None or done.returncode == expected, f"{command}: {done.returncode}\n{done.stdout[-3000:]}"
        return done.stdout

    @cached_property
    def base(self) -> str:
        """The base that the Dockerfile names, or one made of Debian's packages, which is made once on a machine."""
        named = re.findall(r"^ARG PYTHON=(\S+)", text("Dockerfile"), re.MULTILINE)[0]
        try:
            return self.do("buildah", "pull", "--quiet", f"docker://{named}", seconds=PULLING).strip()
        except (AssertionError, subprocess.TimeoutExpired):
            return self._own_base()

    def _own_base(self) -> str:
        if BASE in self.do("podman", "images", "--format", "{{.Repository}}:{{.Tag}}"):
            return BASE
        root = self.folder / "root"
        packages = "python3,python3-venv,ca-certificates"
        self.do("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", root, _mirror())
        (root / "usr/bin/python").symlink_to("python3")
        container = self.do("buildah", "from", "scratch").strip()
        self.do("buildah", "add", "--quiet", container, root, "/")
        self.do("buildah", "commit", "--quiet", "--rm", container, BASE)
        return BASE

    def build(self) -> None:
        """Build the image of the service from `deploy/Dockerfile`."""
        self.do(
            *("buildah", "bud", "--network", "host", *_mounts(), "--build-arg", f"PYTHON={self.base}"),
            *("--file", ROOT / "deploy/Dockerfile", "--tag", SERVICE, ROOT),
        )

    def build_database(self) -> None:
        """Build an image of PostgreSQL out of Debian's package."""
        container = self.do("buildah", "from", self.base).strip()
        install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
        own = ["buildah", "run", "--network", "host", container, "--", "sh", "-c"]
        self.do(*own, f"{install} postgresql && rm -rf /var/lib/postgresql/15 && ln -s /usr/lib/postgresql/* /opt/pg")
        entry = self.folder / "entry"
        entry.write_text(DATABASE_ENTRY, encoding="utf-8")
        self.do("buildah", "copy", "--chmod", "755", container, entry, "/entry")
        path = "/opt/pg/bin:/usr/bin:/bin"
        for setting in (f"PATH={path}", "PGDATA=/var/lib/postgresql/data"):
            self.do("buildah", "config", "--env", setting, container)
        self.do("buildah", "config", "--entrypoint", '["/entry"]', container)
        self.do("buildah", "commit", "--quiet", "--rm", container, DATABASE)

    @contextmanager
    def running(
        self, image: str, options: Sequence[object], arguments: Sequence[object] = (), *, stop: int = 20
    ) -> Iterator[str]:
        """A container of *image* until the block ends, then stopped within its grace; its name."""
        name = self.do("podman", "run", "--detach", "--network", "host", *options, image, *arguments).split()[-1]
        try:
            yield name
        finally:
            self.do("podman", "stop", "--time", stop, name, expected=None)
            self.log = self.do("podman", "logs", name, expected=None)
            self.status = self.do("podman", "inspect", "--format", "{{.State.ExitCode}}", name, expected=None).strip()
            self.do("podman", "rm", "--force", name, expected=None)


def own_folder(place: Path, user: int = USER) -> Path:
    """A folder that belongs to this user alone, as a volume would."""
    place.mkdir(mode=0o700)
    os.chown(place, user, user)
    return place


def flags(service: Mapping[str, Any]) -> list[str]:
    """The options of podman for what the compose file says of a service's rights."""
    given = ["--read-only"] if service["read_only"] else []
    given += [f"--tmpfs={place}" for place in service["tmpfs"]]
    given += [f"--cap-drop={name}" for name in service["cap_drop"]]
    return given + [f"--security-opt={name.removesuffix(':true')}" for name in service["security_opt"]]


def until_ready(url: str) -> requests.Response:
    """Wait until the service says that it is ready; what it says."""
    told: list[requests.Response] = []

    def is_ready() -> bool:
        try:
            told.append(requests.get(f"{url}/readyz", timeout=5))
        except requests.ConnectionError:
            return False
        return told[-1].status_code == 200

    until(is_ready, f"{url} is never ready", polls=POLLS)
    return told[-1]


def _mounts() -> list[str]:
    """What a build needs of this machine to fetch packages as the machine itself does."""
    return [part for place in TRUSTED if Path(place).exists() for part in ("--volume", f"{place}:{place}:ro")]


def _mirror() -> str:
    """Where this machine has Debian's packages from."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    found = [url for file in files if file.is_file() for url in SOURCES.findall(file.read_text(encoding="utf-8"))]
    return next(url for url in found if "security" not in url)
