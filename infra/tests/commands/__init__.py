"""Commands of this folder that call `az` and `pulumi`, with stand-in programs on PATH."""
