"""``python -m twopass`` is the command ``twopass``."""

from twopass.cli import main

if __name__ == "__main__":
    main()
