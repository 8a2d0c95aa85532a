"""The examples of the page on Python run, one after the other, and print what the page says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import cds_service
from cds_service import errors
from tests.docs.test_docs_in_step import DOCS, fences, read, sections
from tests.support.fixtures import ROOT

PAGE = DOCS / "how-to" / "use-from-python.md"


def test_examples_print_what_the_page_says():
    """Each block of Python is run after those before it; the block of text after it is what it printed."""
    Path("fhir_fixtures").symlink_to(ROOT / "fhir_fixtures")
    names: dict[str, Any] = {}
    blocks = fences(PAGE)
    for code, shown in zip(blocks[::2], blocks[1::2], strict=True):
        assert (code.language, shown.language) == ("python", "text")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code.text, str(code), "exec"), names)  # noqa: S102 - a page of ours
        assert printed.getvalue() == shown.text, code


def test_page_names_what_there_is():
    """Each public function has a signature on the page, and each error of its table is one of the service."""
    rows = re.findall(r"^\| (`\w+`.*?) \|", sections(PAGE, 3)["Errors"], re.MULTILINE)

    assert [name for name in ("create_app", "evaluate") if f"`cds_service.{name}(" not in read(PAGE)] == []
    assert [name for name in cds_service.__all__ if not re.search(rf"\b{name}\b", read(PAGE))] == []
    assert len(rows) >= 6
    for name in re.findall(r"\w+", " ".join(rows)):
        assert issubclass(getattr(errors, name), errors.CdsError)
