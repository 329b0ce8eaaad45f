"""What `pulumi up` runs: reads the stack's settings, declares its resources, exports its outputs."""

from __future__ import annotations

import pulumi
from pulumi.runtime.config import get_config_env

from program import build
from settings.reading import read_settings

for name, value in build(read_settings(pulumi.get_stack(), get_config_env())).items():
    pulumi.export(name, value)
