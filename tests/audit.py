"""Are there known vulnerabilities in what is pinned? `python -m tests.audit`; exit status 1 when there are.

It asks PyPI. Where that cannot be reached, or is a mirror that has no advisories, it says that nothing was looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"
COMMAND = ("--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json", "--requirement")


def main() -> int:
    run = [sys.executable, "-m", "pip_audit", *COMMAND, str(CONSTRAINTS)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=600)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(f"NOT audited: {(done.stderr.strip().splitlines() or ['pip-audit told nothing'])[-1][:200]}")
        return 0
    looked_up = [one for one in found if "skip_reason" not in one]
    for one in looked_up:
        for problem in one["vulns"]:
            fixed = ", ".join(problem["fix_versions"]) or "none yet"
            print(f"{one['name']} {one['version']}: {problem['id']}, mended in {fixed}")
    left = len(found) - len(looked_up)
    print(f"{len(looked_up)} packages audited{f', {left} could NOT be looked up' if left else ''}")
    return 1 if any(one["vulns"] for one in looked_up) else 0


if __name__ == "__main__":
    sys.exit(main())
