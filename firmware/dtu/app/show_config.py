"""`python -m dtu.app.show_config`: the settings in force. Starts nothing of the terminal."""

import argparse
import json
import sys
from pathlib import Path

from dtu.app.config import DEFAULT_PATH, SETTINGS, load_values
from roamwire.settings import SettingsError


def main(arguments: list[str] | None = None) -> int:
    """Print them as TOML that can be read back, or as JSON; exit status 2 for wrong settings."""
    parser = argparse.ArgumentParser(
        prog="dtu-show-config", description="Prints this terminal's settings in force"
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help="the terminal's settings")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        values = load_values(options.config)
    except SettingsError as error:
        if options.json:
            print(json.dumps({"error": str(error)}))
        else:
            print(error, file=sys.stderr)
        return 2
    print(json.dumps(values) if options.json else SETTINGS.show(values).rstrip("\n"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
