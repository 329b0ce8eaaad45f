"""What `mlops check` finds in the project's YAML before Azure does. Imports nothing of Azure's SDK.

`check_project(root)` returns the problems, `fix_project(root)` repairs what needs no decision; printing and
the exit code are the command's business.
"""

from mlops.checks.checking import check_project, fix_project
from mlops.checks.yaml.document import Problem

__all__ = ["Problem", "check_project", "fix_project"]
