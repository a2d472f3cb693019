"""``python -m perijove_hub``: the same as the command ``perijove``."""

from perijove_hub.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
