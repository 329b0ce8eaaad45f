"""For every test: no CI system around us, which would have the commands under test write to its own pages."""

import os

for name in ("GITHUB_ACTIONS", "TF_BUILD"):
    os.environ.pop(name, None)
