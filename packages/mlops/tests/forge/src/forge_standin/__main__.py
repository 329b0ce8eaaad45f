"""Started by the small programs `gh`, `az` and `ssh`: which of them, where the state is, and their own arguments."""

import sys
from pathlib import Path


def main() -> int:
    """Run one of the programs."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    program, folder, *arguments = sys.argv[1:]
    if program == "gh":
        from forge_standin import gh as chosen
    elif program == "az":
        from forge_standin import az as chosen
    else:
        from forge_standin import ssh as chosen
    return chosen.main(Path(folder), arguments)


if __name__ == "__main__":
    sys.exit(main())
