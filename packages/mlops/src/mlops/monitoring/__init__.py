"""How a released model does in its stage: a window of traffic is measured and judged, and the verdict recorded."""
