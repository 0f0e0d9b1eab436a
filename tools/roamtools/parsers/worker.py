"""One parser under atheris: `python -m roamtools.parsers.worker TARGET SELF [ARGUMENTS]`.

ARGUMENTS are libFuzzer's. SELF is a program that runs this again with other ones: libFuzzer does so
when it merges corpora, and a Python module is no program.
"""

import sys

import atheris


def main() -> None:
    """Runs until libFuzzer ends it; a finding is written by libFuzzer and ends it with 77 or 1."""
    name, *arguments = sys.argv[1:]
    # Only what is imported in here tells libFuzzer which ways through it an input took.
    with atheris.instrument_imports(include=["roamwire", "dtu", "sessionhost"]):
        from roamtools.parsers.targets import TARGETS  # noqa: PLC0415
    target = TARGETS[name]

    def run(data: bytes) -> None:
        target.run(data)

    atheris.Setup(arguments, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
