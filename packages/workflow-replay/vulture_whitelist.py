"""Names that vulture must not report: callers of the package use them, or an object of another library."""

from threading import Thread

from rich.text import Text

from workflow_replay.azure.pipeline.model import Pipeline, PushTrigger
from workflow_replay.display import display
from workflow_replay.effects import with_variables
from workflow_replay.testing import Origin

_ = (display, with_variables, Origin, Origin.switch)
# Fields of the model that `azure.read` returns.
_ = (Pipeline.pull_request, PushTrigger.batch)
# Attributes that other libraries read.
_ = (Thread.daemon, Text.no_wrap)
