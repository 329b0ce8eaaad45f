"""What `mlops check` finds in the project's YAML before Azure does. Imports nothing of Azure's SDK.

`check_project(root)` returns the problems, `fix_project(root)` repairs what needs no decision; printing them and
the exit code are the command's business.
"""

from mlops.checks.problem import Problem
from mlops.checks.project import check_project, fix_project

__all__ = ["Problem", "check_project", "fix_project"]
