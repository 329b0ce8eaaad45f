"""What `mlops check` finds in the project's YAML before Azure does. Does not import Azure's SDK.

`check_project(root)` returns the problems, `fix_project(root)` fixes what needs no decision, `raise_versions(root)`
gives changed components and environments new versions; printing and the exit code are the command's business.
"""

from mlops.checks.checking import check_project, fix_project, raise_versions
from mlops.checks.yaml.document import Problem

__all__ = ["Problem", "check_project", "fix_project", "raise_versions"]
