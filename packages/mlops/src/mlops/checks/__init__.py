"""What `mlops check` finds in the project's YAML before Azure does. Does not import Azure's SDK.

`check_project(root)` returns the problems, `fix_project(root)` fixes what needs no decision, `raise_versions(root)`
gives changed components and environments new versions; `CheckResult` is what the command prints.
"""

from mlops.checks.checking import CheckResult, check_project, fix_project, raise_versions
from mlops.checks.yaml.document import Problem

__all__ = ["CheckResult", "Problem", "check_project", "fix_project", "raise_versions"]
