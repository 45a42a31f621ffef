"""Every variable that the repository speaks of is one that some process knows, or that stands beside the settings."""

import importlib
import re
import subprocess

from shared import settings
from tests.architecture.sources import ROOT

NAME = re.compile(r"\bFLOYO_[A-Z][A-Z_]*[A-Z]\b")
# Made up by tests of what is refused.
WRONG = {"FLOYO_SECRET_KEYS", "FLOYO_SECRETKEY", "FLOYO_CORS_ORIGIN", "FLOYO_SMTP", "FLOYO_NOTHING", "FLOYO_LIMIT"}


def test_no_document_and_no_command_names_a_variable_that_would_be_refused() -> None:
    known = {f"FLOYO_{name}" for name in settings.BESIDE} | WRONG
    for service in ("auth", "events", "workflows", "integrations"):
        fields = importlib.import_module(f"services.{service}.settings").Settings.model_fields
        known |= {f"FLOYO_{name.upper()}" for name in fields}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name and not name.endswith((".lock", ".png", ".gz"))]
    unknown = {
        (str(path.relative_to(ROOT)), name)
        for path in paths
        if path.is_file()
        for name in NAME.findall(path.read_text(errors="replace"))
        if name not in known
    }
    assert unknown == set()
