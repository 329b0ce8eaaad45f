"""For every test: only programs that CI installs, and no CI system around us whose pages commands would write to."""

import os

from started_programs import watch
from xdist_workers import give_main_a_file

watch()
give_main_a_file()
for name in ("GITHUB_ACTIONS", "TF_BUILD"):
    os.environ.pop(name, None)
