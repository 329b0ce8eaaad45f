"""Entry point of the programs `gh`, `az` and `ssh`; the arguments are the program, the state folder, its arguments."""

import sys
from pathlib import Path


def main() -> int:
    """Run one of the programs."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    program, folder, *arguments = sys.argv[1:]
    if program == "gh":
        from fake_git_host.gh import command as chosen
    elif program == "az":
        from fake_git_host.az import command as chosen
    else:
        from fake_git_host import ssh as chosen
    return chosen.main(Path(folder), arguments)


if __name__ == "__main__":
    sys.exit(main())
